"""How each kind of workflow is started over the wire, and how the world must look when it has ended.

A kind without a scenario fails the matrix: whoever adds a workflow says here how users start it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from tests.faults.house import Goldsmith

from goldsmith.clouds.port import Power
from goldsmith.workflows.models import workflows


@dataclass
class Scene:
    """A workflow that was started. `job` is the id of its job, "" when none follows it."""

    goldsmith: Goldsmith
    server: dict[str, Any]
    workflow_id: str = ""
    job: str = ""
    is_forgotten: bool = False
    machine: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    async def find_workflow(self, subject: str, kind: str) -> None:
        """The one workflow of this kind on this subject."""
        query = select(workflows.c.id).where(workflows.c.subject == subject, workflows.c.kind == kind)
        rows = await self.goldsmith.house.store.read(lambda tx: tx.rows(query))
        (self.workflow_id,) = [row["id"] for row in rows]

    async def status(self) -> str:
        """The image server's status; "" when it is gone."""
        listed = await self.goldsmith.call("GET", f"image-servers?server_id={self.server['id']}")
        return listed["items"][0]["status"] if listed["items"] else ""

    async def app_servers(self) -> list[dict[str, Any]]:
        """The app server, if it is there."""
        listed = await self.goldsmith.call("GET", f"app-servers?server_id={self.server['server_id']}")
        found: list[dict[str, Any]] = listed["items"]
        return found

    def power(self) -> Power | None:
        """Whether the machine runs; None when there is none."""
        infos = [each.info.power for each in self.goldsmith.world.servers() if each.id == self.machine]
        assert len(infos) <= 1
        return infos[0] if infos else None


Begin = Callable[[Goldsmith, str], Awaitable[Scene]]
Check = Callable[[Scene, bool], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """`begin` starts the workflow under a name, `check` looks at its end: did it succeed?"""

    begin: Begin
    check: Check
    has_job: bool = True


async def _create(goldsmith: Goldsmith, name: str) -> Scene:
    job = await goldsmith.create(name)
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    scene = Scene(goldsmith, {"id": server_id}, job=job["id"])
    await scene.find_workflow(server_id, "create_image_server")
    parameters = (await goldsmith.workflow(scene.workflow_id))["parameters"]
    scene.machine = parameters.split('"instance_id":"')[1].split('"')[0]
    return scene


async def _created(scene: Scene, succeeded: bool) -> None:
    assert await scene.status() == ("ACTIVE" if succeeded else "ERROR")
    assert scene.power() == (Power.RUNNING if succeeded else None)


async def _delete(goldsmith: Goldsmith, name: str, *, recursive: bool = True) -> Scene:
    server = await goldsmith.made(name)
    scene = Scene(goldsmith, server, machine=server["instance_id"])
    scene.job = await goldsmith.remove(server["id"], recursive=recursive)
    scene.is_forgotten = not recursive
    await scene.find_workflow(server["id"], "delete_image_server" if recursive else "forget_image_server")
    return scene


async def _deleted(scene: Scene, succeeded: bool) -> None:
    assert await scene.status() == ("" if succeeded else "ERROR")
    assert not succeeded or (scene.power(), await scene.app_servers()) == (None, [])


async def _forget(goldsmith: Goldsmith, name: str) -> Scene:
    return await _delete(goldsmith, name, recursive=False)


async def _forgotten(scene: Scene, succeeded: bool) -> None:
    assert await scene.status() == ("" if succeeded else "ERROR")
    assert scene.power() is Power.RUNNING
    scene.is_forgotten = succeeded


async def _delete_app_server(goldsmith: Goldsmith, name: str) -> Scene:
    server = await goldsmith.made(name)
    await goldsmith.remove(server["id"], recursive=False)
    await goldsmith.work_off()
    scene = Scene(goldsmith, server, is_forgotten=True, machine=server["instance_id"])
    answer = await goldsmith.call("DELETE", f"app-servers/{server['server_id']}")
    scene.job = answer["job_id"]
    await scene.find_workflow(server["server_id"], "delete_app_server")
    return scene


async def _app_server_deleted(scene: Scene, succeeded: bool) -> None:
    left = await scene.app_servers()
    assert len(left) == (0 if succeeded else 1)
    assert all(each["task_status"] == "null" for each in left)
    assert not succeeded or scene.power() is None


def _switch(verb: str, kind: str) -> Begin:
    async def begin(goldsmith: Goldsmith, name: str) -> Scene:
        server = await goldsmith.made(name)
        scene = Scene(goldsmith, server, machine=server["instance_id"])
        if verb == "start":
            await goldsmith.house.cloud.stop_server(scene.machine, "HARD")  # type: ignore[arg-type]
        body = {"items": [server["server_id"]]} | ({} if verb == "start" else {"type": "SOFT"})
        await goldsmith.call("PATCH", f"app-servers/actions/batch-{verb}", body)
        await scene.find_workflow(server["server_id"], kind)
        return scene

    return begin


def _switched(to: Power) -> Check:
    async def check(scene: Scene, succeeded: bool) -> None:
        (shown,) = await scene.app_servers()
        assert shown["task_status"] == "null"
        assert scene.power() in ({to} if succeeded else set(Power))
        assert await scene.status() == "ACTIVE"

    return check


SCENARIOS = {
    "create_image_server": Scenario(_create, _created),
    "delete_image_server": Scenario(_delete, _deleted),
    "forget_image_server": Scenario(_forget, _forgotten),
    "delete_app_server": Scenario(_delete_app_server, _app_server_deleted),
    "start_app_server": Scenario(_switch("start", "start_app_server"), _switched(Power.RUNNING), has_job=False),
    "stop_app_server": Scenario(_switch("stop", "stop_app_server"), _switched(Power.STOPPED), has_job=False),
    "reboot_app_server": Scenario(_switch("reboot", "reboot_app_server"), _switched(Power.RUNNING), has_job=False),
}


async def tidy_up(scene: Scene) -> None:
    """Remove whatever the scene has left, as a user does."""
    goldsmith, server = scene.goldsmith, scene.server
    if scene.is_forgotten and not await scene.status():
        await goldsmith.call("DELETE", f"app-servers/{server['server_id']}")
        await goldsmith.work_off()
        await goldsmith.call("DELETE", f"app-groups/{server['app_group_id']}")
        await goldsmith.call("DELETE", f"app-server-groups/{server['server_group_id']}")
    else:
        await goldsmith.remove(server["id"])
        await goldsmith.work_off()
    assert await scene.status() == ""
