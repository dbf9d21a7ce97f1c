"""Killed at any moment, goldsmith goes on where it was: one request, one machine, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.database import leaks, rows
from tests.service import PROJECT, Service, example, leftovers, until

from goldsmith.clouds.simulated import Fault, World
from goldsmith.clouds.simulated.faults import CallName, Point

QUICK = {"GOLDSMITH_SIMULATED__SPEED": "50"}
SLOW = {"GOLDSMITH_SIMULATED__BOOT_SECONDS": "1.5", "GOLDSMITH_SIMULATED__CREATE_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service to kill; whoever uses it starts it again and removes what was made."""
    folder = tmp_path_factory.mktemp("mortal")
    service = Service(folder / "data", **QUICK).start()
    yield service
    service.stop()
    assert leaks(service.data_dir) == {}
    assert leftovers(folder) == []


def crash_at(service: Service, call: CallName, at: Point) -> Fault:
    fault = Fault(call, at=at, error="crash")
    with World(service.data_dir) as world:
        world.clear_faults()
        world.inject(fault)
    return fault


def start_again(service: Service, fault: Fault) -> None:
    """Wait for the death that the fault brings, and start the service again."""
    assert service.process is not None
    service.process.wait(timeout=30)
    service.kill()
    with World(service.data_dir) as world:
        assert world.fired() == {fault: 1}
    service.start()


def machines(service: Service) -> list[str]:
    with World(service.data_dir) as world:
        return [each.id for each in world.servers()]


def show(service: Service, server_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.call("GET", service.servers(f"/{server_id}")).json()
    return found


def resource(job: dict[str, Any]) -> str:
    found: str = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    return found


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("call", ["create_port", "create_server", "start_server", "run_in_guest"])
def test_a_create_goes_on_after_a_crash_at_any_boundary(mortal: Service, call: CallName, at: Point) -> None:
    fault = crash_at(mortal, call, at)
    job_id = mortal.create(example(f"{call} {at}"))
    start_again(mortal, fault)
    job = mortal.wait(job_id)
    assert job["status"] == "SUCCESS", job
    found = show(mortal, resource(job))
    assert found["status"] == "ACTIVE"
    assert machines(mortal) == [found["instance_id"]]
    with World(mortal.data_dir) as world:
        assert world.effects("create_server", subject=found["instance_id"]) == 1
        assert len(world.ports()) == 1
    assert mortal.delete(found["id"])["status"] == "SUCCESS"
    assert machines(mortal) == []


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("call", ["stop_server", "delete_server", "delete_port"])
def test_a_deletion_goes_on_after_a_crash_at_any_boundary(mortal: Service, call: CallName, at: Point) -> None:
    server_id = mortal.made(f"delete {call} {at}")
    fault = crash_at(mortal, call, at)
    body = {"items": [server_id], "recursive": True}
    job_id = mortal.call("PATCH", mortal.servers("/actions/batch-delete"), body).json()["job_id"]
    start_again(mortal, fault)
    assert mortal.wait(job_id)["status"] == "SUCCESS"
    assert mortal.call("GET", mortal.servers(f"/{server_id}")).status_code == 404
    assert machines(mortal) == []
    assert leaks(mortal.data_dir) == {}


def test_killed_right_after_the_answer_the_job_is_there_and_ends(mortal: Service) -> None:
    job_ids = [mortal.create(example(f"answered {number}")) for number in range(3)]
    mortal.kill()
    mortal.start()
    jobs = [mortal.wait(job_id) for job_id in job_ids]
    assert [job["status"] for job in jobs] == ["SUCCESS"] * 3
    assert len(machines(mortal)) == 3
    assert mortal.delete(*map(resource, jobs))["status"] == "SUCCESS"


@pytest.mark.parametrize("step", ["create_machine", "wait_for_guest"])
def test_killed_from_outside_in_the_middle_of_a_step_it_makes_one_machine(
    new_service: type[Service], step: str
) -> None:
    service = new_service(**SLOW).start()
    job_id = service.create(example("killed"))
    until(lambda: service.job(job_id)["current_step"] == step, every=0.01)
    service.kill()
    service.start()
    job = service.wait(job_id)
    assert job["status"] == "SUCCESS", job
    assert machines(service) == [show(service, resource(job))["instance_id"]]
    assert service.delete(resource(job))["status"] == "SUCCESS"
    assert leaks(service.data_dir) == {}


def test_killed_again_and_again_it_still_ends_with_one_machine(mortal: Service) -> None:
    job_id = mortal.create(example("again and again"))
    sql = "SELECT 1 FROM workflow_steps JOIN sub_jobs USING (workflow_id) WHERE job_id = ?"
    for number in range(3):
        until(lambda count=2 * number: len(rows(mortal.data_dir, sql, job_id)) > count, every=0.002)
        mortal.kill()
        mortal.start()
    job = mortal.wait(job_id)
    assert job["status"] == "SUCCESS"
    assert machines(mortal) == [show(mortal, resource(job))["instance_id"]]
    assert mortal.delete(resource(job))["status"] == "SUCCESS"


def test_sigterm_lets_steps_come_to_their_end_and_the_next_start_goes_on(new_service: type[Service]) -> None:
    service = new_service(**SLOW).start()
    job_id = service.create(example("drained"))
    until(lambda: service.job(job_id)["current_step"] == "create_machine", every=0.01)
    process = service.process
    assert process is not None
    service.stop()
    assert process.returncode == 0
    assert "Traceback" not in service.log()
    held = rows(service.data_dir, "SELECT state, owner FROM workflows")
    assert held == [{"state": "queued", "owner": None}]
    with World(service.data_dir) as world:
        assert world.effects("create_server") == 1
    service.start()
    assert service.wait(job_id)["status"] == "SUCCESS"
    with World(service.data_dir) as world:
        assert world.effects("create_server") == 1


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("call", ["create_port", "create_server", "start_server", "run_in_guest", "delete_server"])
def test_an_answer_that_is_late_or_lost_is_asked_for_again(mortal: Service, call: CallName, at: Point) -> None:
    fault = Fault(call, at=at, error="again", times=2)
    with World(mortal.data_dir) as world:
        world.clear_faults()
        world.inject(fault)
    server_id = mortal.made(f"again {call} {at}")
    assert len(machines(mortal)) == 1
    assert mortal.delete(server_id)["status"] == "SUCCESS"
    with World(mortal.data_dir) as world:
        assert world.fired() == {fault: 2}
    assert machines(mortal) == []


def test_two_deletions_of_one_server_both_succeed_and_do_the_work_once(mortal: Service) -> None:
    server_id = mortal.made("deleted twice")
    with World(mortal.data_dir) as world:
        world.clear_faults()
        before = world.effects("delete_server")
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: mortal.delete(server_id), range(8)))
    assert {job["status"] for job in jobs} == {"SUCCESS"}
    assert len({job["id"] for job in jobs}) == 8
    sql = "SELECT id FROM workflows WHERE subject = ? AND kind LIKE 'delete%'"
    assert len(rows(mortal.data_dir, sql, server_id)) == 1
    with World(mortal.data_dir) as world:
        assert world.effects("delete_server") == before + 1


def test_creates_of_one_name_at_the_same_time_make_one_server(mortal: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: mortal.call("POST", mortal.servers(), example("one name")), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    (job_id,) = [answer.json()["job_id"] for answer in answers if answer.status_code == 200]
    assert mortal.delete(resource(mortal.wait(job_id)))["status"] == "SUCCESS"


def test_128_creates_at_once_all_end_none_lost_and_none_twice(mortal: Service) -> None:
    with ThreadPoolExecutor(32) as pool:
        job_ids = list(pool.map(lambda number: mortal.create(example(f"crowd {number}")), range(128)))
    assert len(set(job_ids)) == 128
    jobs = [mortal.wait(job_id) for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"SUCCESS"}
    server_ids = [resource(job) for job in jobs]
    assert len(set(server_ids)) == len(machines(mortal)) == 128
    addresses = rows(mortal.data_dir, "SELECT DISTINCT ip_address FROM ports")
    assert len(addresses) == 128
    listed = mortal.call("GET", mortal.servers("?limit=100&offset=100")).json()
    assert (listed["count"], len(listed["items"])) == (128, 28)
    for start in range(0, 128, 20):
        assert mortal.delete(*server_ids[start : start + 20])["status"] == "SUCCESS"
    assert machines(mortal) == []
    assert leaks(mortal.data_dir) == {}
    count = mortal.call("GET", f"/v1/{PROJECT}/image-server-jobs?job_type=CREATE_SERVER&status=SUCCESS").json()["count"]
    assert count >= 128
