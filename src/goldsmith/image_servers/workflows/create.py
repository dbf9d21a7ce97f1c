"""Create an image server.

| Step | Effect | Undo | Why repeating is safe | Limit |
|---|---|---|---|---|
| reserve_address | the cloud keeps the address reserved with the request | given back | found by its id | 60 s |
| create_machine | disk on top of the image, definition of the machine | all removed | found by its id | 300 s |
| start_machine | the machine runs | its power is taken away | a running machine is left alone | 120 s |
| wait_for_guest | the guest's agent answers | - | only looks | setting |
| prepare_guest | host name, full disk, login of the account | - | each command leaves what is right alone | 300 s |
| register | app server, app group and authorisation are recorded | records removed | one transaction | 60 s |

Name, address, room on a host, quota and server group were claimed by the transaction that accepted the request;
the end of a failed workflow gives them back in the transaction that says FAILED. With `keep_on_failure` nothing is
undone or given back: the machine stays for inspection until the job is retried or the image server is deleted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.service import AppServers
from goldsmith.clouds.port import Cloud, PortSpec, ServerSpec, StopMode
from goldsmith.guests import linux
from goldsmith.ids import Snowflakes, new_uuid
from goldsmith.image_servers.service import CREATE, ImageServers
from goldsmith.image_servers.states import Event
from goldsmith.jobs.service import Jobs
from goldsmith.networks.service import Networks
from goldsmith.store import Store, Tx
from goldsmith.tenancy.service import Tenancy
from goldsmith.workflows import Ending, NotYet, Permit, Run, Step, Workflow

GUEST_POLL_SECONDS = 0.25
BOOT = Permit("boots_per_host", lambda run: str(run.parameters["host"]))
"""Held from the start of a machine until its guest answers."""


@dataclass(frozen=True, slots=True)
class CreateImageServer:
    """Makes the workflow from the services it needs."""

    store: Store
    cloud: Cloud
    image_servers: ImageServers
    jobs: Jobs
    networks: Networks
    tenancy: Tenancy
    app_servers: AppServers
    app_groups: AppGroups
    ids: Snowflakes
    guest_timeout: float

    def workflow(self) -> Workflow:
        """The steps, in order."""
        steps = (
            Step(
                "reserve_address", "Reserve the address", "Give the address back", "found by its id",
                self._reserve_address, self._give_address_back, timeout=60,
            ),
            Step(
                "create_machine", "Create disk and machine", "Remove disk and machine", "found by its id",
                self._create_machine, self._remove_machine, timeout=300, weight=2,
            ),
            Step(
                "start_machine", "Start the machine", "Take its power away", "a running machine is left alone",
                self._start_machine, self._stop_machine, timeout=120, weight=2, permit=BOOT,
            ),
            Step(
                "wait_for_guest", "Wait for the guest to answer", "-", "only looks",
                self._wait_for_guest, timeout=self.guest_timeout, weight=10, permit=BOOT,
            ),
            Step(
                "prepare_guest", "Prepare the guest", "-", "each command leaves what is right alone",
                self._prepare_guest, timeout=300, weight=4,
            ),
            Step(
                "register", "Register the server", "Remove the records", "one transaction",
                self._choose_ids, self._nothing, record=self._register, unrecord=self._unregister, timeout=60,
            ),
        )  # fmt: skip
        return Workflow(
            CREATE, steps, on_start=self._on_start, on_undo=self._on_undo, on_end=self._on_end,
            keeps=lambda run: bool(run.parameters.get("keep_on_failure")), on_resume=self._on_resume, can_cancel=True,
        )  # fmt: skip

    async def _reserve_address(self, run: Run) -> None:
        await self.cloud.create_port(run.key("reserve_address"), _port(run))

    async def _give_address_back(self, run: Run) -> None:
        await self.cloud.delete_port(_port(run).id)

    async def _create_machine(self, run: Run) -> None:
        plan = run.parameters
        spec = ServerSpec(
            id=plan["instance_id"], name=plan["name"], image=plan["image"], vcpus=plan["vcpus"],
            memory_mib=plan["memory_mib"], disk_gib=plan["disk_gib"], volume_type=plan["volume_type"],
            host=plan["host"], zone=plan["zone"], port=_port(run),
            metadata={"image_server": run.subject, "project_id": plan["project_id"]},
        )  # fmt: skip
        await self.cloud.create_server(run.key("create_machine"), spec)

    async def _remove_machine(self, run: Run) -> None:
        await self.cloud.delete_server(run.parameters["instance_id"])

    async def _start_machine(self, run: Run) -> None:
        await self.cloud.start_server(run.parameters["instance_id"])

    async def _stop_machine(self, run: Run) -> None:
        await self.cloud.stop_server(run.parameters["instance_id"], StopMode.HARD)

    async def _wait_for_guest(self, run: Run) -> NotYet | None:
        is_ready = await self.cloud.guest_ready(run.parameters["instance_id"])
        return None if is_ready else NotYet(GUEST_POLL_SECONDS)

    async def _prepare_guest(self, run: Run) -> None:
        plan = run.parameters
        if plan["os_type"] != "Linux":
            return

        def password(tx: Tx) -> str | None:
            user = self.tenancy.find_user(tx, plan["project_id"], plan["account"])
            return self.tenancy.password_of(user) if user is not None else None

        await linux.personalise(
            self.cloud, plan["instance_id"], hostname=linux.hostname_for(plan["name"], run.subject),
            account=plan["account"], password=await self.store.read(password),
        )  # fmt: skip

    async def _choose_ids(self, run: Run) -> dict[str, str]:
        return {"app_server_id": f"wksapp-{new_uuid()}", "app_group_id": self.ids.next()}

    async def _nothing(self, run: Run) -> None:
        """The records are removed in the checkpoint."""

    def _register(self, tx: Tx, run: Run) -> None:
        plan, chosen = run.parameters, run.outputs["register"]
        self.app_servers.add(tx, _app_server(run, plan, chosen))
        self.app_groups.add(
            tx, group_id=chosen["app_group_id"], project_id=plan["project_id"], name=plan["name"],
            server_group_id=plan["server_group_id"],
            app_type="SESSION_DESKTOP_APP" if plan["is_vdi"] else "COMMON_APP",
        )  # fmt: skip
        self.app_groups.authorize(
            tx, chosen["app_group_id"], account=plan["account"], account_type=plan["account_type"],
            domain=plan["domain"],
        )  # fmt: skip
        self.networks.activate(tx, plan["port"]["id"])
        self.image_servers.note_created(
            tx, run.subject, app_server_id=chosen["app_server_id"], instance_id=plan["instance_id"],
            app_group_id=chosen["app_group_id"],
        )  # fmt: skip

    def _unregister(self, tx: Tx, run: Run) -> None:
        chosen = run.outputs.get("register")
        if chosen:
            self.app_groups.remove(tx, chosen["app_group_id"])
            self.app_servers.remove(tx, chosen["app_server_id"])

    def _on_start(self, tx: Tx, run: Run) -> None:
        self.jobs.started(tx, run.id)

    def _on_undo(self, tx: Tx, run: Run, error: str) -> None:
        self.jobs.rolling_back(tx, run.id, error)

    def _on_resume(self, tx: Tx, run: Run) -> None:
        self.image_servers.move(tx, run.subject, Event.RETRIED, run.id)
        self.jobs.reopened(tx, run.id)

    def _on_end(self, tx: Tx, run: Run, ending: Ending) -> None:
        if not ending.succeeded and not ending.kept:
            self.image_servers.release_claims(tx, run.parameters)
            self.image_servers.note_emptied(tx, run.subject)
        event = Event.CREATED if ending.succeeded else Event.CREATE_FAILED
        self.image_servers.move(tx, run.subject, event, run.id)
        self.jobs.ended(tx, run.id, ending.error)


def _port(run: Run) -> PortSpec:
    return PortSpec(**run.parameters["port"])


def _app_server(run: Run, plan: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": chosen["app_server_id"], "project_id": plan["project_id"],
        "server_group_id": plan["server_group_id"], "name": plan["name"],
        "machine_name": linux.hostname_for(plan["name"], run.subject), "description": plan["description"],
        "instance_id": plan["instance_id"], "image_id": plan["image_id"], "os_type": plan["os_type"],
        "product_id": plan["product_id"], "flavor_id": plan["flavor_id"], "vcpus": plan["vcpus"],
        "memory_mib": plan["memory_mib"], "volume_type": plan["volume_type"], "volume_size": plan["disk_gib"],
        "availability_zone": plan["zone"], "host_id": plan["host"], "port_id": plan["port"]["id"],
        "vpc_id": plan["vpc_id"], "subnet_id": plan["port"]["subnet_id"], "ip_address": plan["port"]["ip_address"],
        "mac_address": plan["port"]["mac_address"], "domain": plan["domain"], "ou_name": plan["ou_name"],
        "max_sessions": 1 if plan["is_vdi"] else plan["sessions"], "tags": json.dumps(plan["tags"], ensure_ascii=False),
        "enterprise_project_id": plan["enterprise_project_id"],
    }  # fmt: skip
