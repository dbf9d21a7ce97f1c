"""The detector finds what is planted, finds nothing else, and clears away what it says it clears away."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, update
from tests.database import rows
from tests.faults.house import Goldsmith, opened, until_async
from tests.service import PROGRAM, Service, example

from goldsmith.app_groups.models import app_groups
from goldsmith.app_servers.models import app_servers
from goldsmith.clouds.port import PortSpec
from goldsmith.image_servers.models import host_use, image_server_counts, image_servers, placements
from goldsmith.jobs.models import jobs, sub_jobs
from goldsmith.leaks.service import find, repair
from goldsmith.networks.models import ports, subnets
from goldsmith.server_groups.models import server_groups
from goldsmith.store import Tx
from goldsmith.tenancy.models import quotas
from goldsmith.workflows.models import workflows

pytestmark = pytest.mark.asyncio(loop_scope="module")
PORT = PortSpec("stray", "subnet", "10.0.0.0/24", "10.0.0.1", "10.0.0.2", "10.0.0.9", "fa:16:3e:00:00:01")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def goldsmith(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Goldsmith]:
    async with opened(tmp_path_factory.mktemp("leaks") / "data") as found:
        yield found


async def shown(goldsmith: Goldsmith) -> set[tuple[str, str]]:
    return {leak.key for leak in await find(goldsmith.house.store, goldsmith.house.cloud, pause=0)}


Plant = Callable[[Tx, dict[str, Any]], Any]


def raise_by_one(table: Any, column: str) -> Plant:
    return lambda tx, server: tx.run(update(table).values({column: table.c[column] + 1}))


def lose_record(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(delete(image_servers).where(image_servers.c.id == server["id"]))


def lose_placement(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(delete(placements).where(placements.c.instance_id == server["instance_id"]))


def lose_app_server(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(delete(app_servers).where(app_servers.c.id == server["server_id"]))


def lose_port(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(delete(ports).where(ports.c.device_id == server["instance_id"]))


def stick(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(image_servers).where(image_servers.c.id == server["id"]).values(status="DELETING"))


def stick_task(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(app_servers).values(task="rebooting", task_workflow_id="nowhere"))


def reopen_job(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(jobs).values(status="RUNNING"))


def reopen_sub_job(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(jobs).values(status="RUNNING"))
    tx.run(update(sub_jobs).values(status="RUNNING"))


def hold_lease(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(workflows).values(owner="dead worker"))


def keep_permit(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(workflows).values(permit="boots_per_host host", has_permit=1))


def forget_undo(tx: Tx, server: dict[str, Any]) -> None:
    tx.run(update(workflows).values(state="failed", phase="undo"))


PLANTS: dict[str, tuple[Plant, set[str]]] = {
    "quota": (raise_by_one(quotas, "used"), {"quota of project"}),
    "host": (raise_by_one(host_use, "vcpus"), {"use of host"}),
    "subnet": (raise_by_one(subnets, "used"), {"addresses of subnet"}),
    "count": (raise_by_one(image_server_counts, "servers"), {"image servers of project"}),
    "record": (lose_record, {"app server", "app group", "image servers of project"}),
    "placement": (lose_placement, {"missing placement", "use of host", "quota of project"}),
    "port": (lose_port, {"missing port", "addresses of subnet"}),
    "app server": (lose_app_server, {"missing app server"}),
    "stuck": (stick, {"image server"}),
    "task": (stick_task, {"task"}),
    "job": (reopen_job, {"job"}),
    "sub job": (reopen_sub_job, {"sub job"}),
    "lease": (hold_lease, {"lease"}),
    "permit": (keep_permit, {"permit"}),
    "undo": (forget_undo, {"step"}),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
async def test_what_is_wrong_in_the_rows_is_found(goldsmith: Goldsmith, tmp_path: Path, plant: str) -> None:
    async with opened(tmp_path / "data") as own:
        server = await own.made(plant)
        assert await shown(own) == set()
        work, kinds = PLANTS[plant]
        await own.house.store.write(lambda tx: work(tx, server))
        assert {kind for kind, _ in await shown(own)} == kinds
        repairs = await repair(own.house.store, own.house.cloud, pause=0)
        by_hand = {each.leak.key for each in repairs if each.problem.startswith("by hand")}
        assert {each.leak.key for each in repairs} >= by_hand == await shown(own)


async def test_claims_and_things_of_nobody_are_cleared_away(goldsmith: Goldsmith) -> None:
    server = await goldsmith.made("orphaned")
    store, cloud = goldsmith.house.store, goldsmith.house.cloud

    def orphan(tx: Tx) -> None:
        lose_record(tx, server)
        tx.run(delete(app_servers))
        tx.run(delete(server_groups))
        tx.run(delete(app_groups))

    await store.write(orphan)
    await cloud.create_port("key", PORT)
    found = await shown(goldsmith)
    assert {kind for kind, _ in found} == {"placement", "port", "machine", "address", "image servers of project"}
    assert {("machine", server["instance_id"]), ("address", "stray")} <= found
    assert [each.problem for each in await repair(store, cloud, pause=0) if each.problem] == []
    assert await shown(goldsmith) == set()
    assert (list(goldsmith.world.servers()), list(goldsmith.world.ports())) == ([], [])


async def test_an_owner_whose_machine_is_gone_is_told_and_left_to_somebody(goldsmith: Goldsmith) -> None:
    server = await goldsmith.made("without machine")
    await goldsmith.house.cloud.delete_server(server["instance_id"])
    assert await shown(goldsmith) == {("missing machine", server["instance_id"])}
    (told,) = await repair(goldsmith.house.store, goldsmith.house.cloud, pause=0)
    assert told.problem.startswith("by hand: delete ")
    await goldsmith.remove(server["id"])
    await goldsmith.work_off()
    assert await shown(goldsmith) == set()


async def test_a_failed_creation_that_is_kept_owns_its_machine(goldsmith: Goldsmith) -> None:
    from goldsmith.clouds.simulated import Fault

    goldsmith.world.inject(Fault("run_in_guest", error="refused"))
    job = await goldsmith.call("POST", "image-servers?keep_on_failure=true", example("kept"))
    await goldsmith.work_off()
    assert len(goldsmith.world.servers()) == 1
    assert await shown(goldsmith) == set()
    found = await goldsmith.call("GET", f"image-server-jobs/{job['job_id']}")
    await goldsmith.remove(found["sub_jobs"][0]["job_resource_info"]["resource_id"])
    await goldsmith.work_off()
    assert list(goldsmith.world.servers()) == []
    assert await shown(goldsmith) == set()


async def test_a_detector_that_runs_all_the_time_never_takes_work_for_a_leak(goldsmith: Goldsmith) -> None:
    over, looks = asyncio.Event(), 0

    async def watch() -> None:
        nonlocal looks
        while not over.is_set():
            found = await repair(goldsmith.house.store, goldsmith.house.cloud, pause=0.001)
            assert found == []
            looks += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for round_ in range(4):
        async with goldsmith.engine():
            made = await asyncio.gather(*(goldsmith.create(f"watched {round_} {each}") for each in range(8)))
            await until_async(goldsmith.is_idle)
            ids = [job["sub_jobs"][0]["job_resource_info"]["resource_id"] for job in made]
            await goldsmith.remove(*ids)
            await until_async(goldsmith.is_idle)
    over.set()
    await watching
    assert looks > 4
    assert await shown(goldsmith) == set()


def leaks_of(service: Service, *options: str) -> tuple[int, Any]:
    command = [PROGRAM, "doctor", "--data-dir", service.data_dir, "--leaks", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)["leaks"] if "--json" in options else done.stdout


async def test_doctor_finds_and_repairs_while_the_folder_is_served_and_when_it_is_not(
    new_service: type[Service],
) -> None:
    service = new_service(GOLDSMITH_SIMULATED__SPEED="50").start()
    server_id = service.made("healthy")
    assert leaks_of(service, "--json") == (0, [])
    from goldsmith.clouds.simulated import SimulatedCloud
    from goldsmith.settings import SimulatedSettings

    cloud = SimulatedCloud(SimulatedSettings(), service.data_dir)
    await cloud.attach()
    for name in ("first", "second"):
        stray = PORT.__class__(**{each: getattr(PORT, each) for each in PORT.__dataclass_fields__} | {"id": name})
        await cloud.create_port("key", stray)
        code, (leak,) = leaks_of(service, "--json")
        assert (code, leak["kind"], leak["thing"], leak["repaired"]) == (1, "address", name, False)
        code, text = leaks_of(service)
        assert code == 1
        assert "1 leaks" in text
        code, (leak,) = leaks_of(service, "--json", "--repair")
        assert (code, leak["repaired"], leak["problem"]) == (0, True, "")
        query = "SELECT * FROM audit_records WHERE operation = 'RepairLeak' ORDER BY sequence DESC LIMIT 1"
        (record,) = rows(service.data_dir, query)
        assert (record["resource_ids"], record["resource_type"], record["outcome"]) == (
            f'["{name}"]',
            "address",
            "allowed",
        )
        assert (record["credential_kind"], bool(record["user_name"])) == ("command_line", True)
        assert leaks_of(service, "--json") == (0, [])
        if name == "first":
            assert service.delete(server_id)["status"] == "SUCCESS"
            service.stop()
    await cloud.close()


async def test_repair_goes_with_leaks_and_a_folder_must_be_one(tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [PROGRAM, "doctor", "--data-dir", tmp_path / "none", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run("--repair").returncode == 2
    done = run("--leaks")
    assert (done.returncode, "is not a data folder yet" in done.stderr) == (1, True)
