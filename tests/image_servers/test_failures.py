"""A create that fails says why, undoes itself, and leaves a record that can be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.database import leaks, rows
from tests.service import PROJECT, Service, example, leftovers, until

from goldsmith.clouds.simulated import Behaviour, Fault, World
from goldsmith.clouds.simulated.faults import CallName, Point

IMAGE_BYTES = 2 * 1024**3


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("failing")
    settings = {"GOLDSMITH_SIMULATED__SPEED": "50", "GOLDSMITH_WORKER__GUEST_TIMEOUT_SECONDS": "1"}
    service = Service(folder / "data", **settings).start()
    yield service
    service.stop()
    assert leaks(service.data_dir) == {}
    assert leftovers(folder) == []


@pytest.fixture
def world(failing: Service) -> Iterator[World]:
    """The service's world, where everything behaves again after the test."""
    with World(failing.data_dir) as world:
        yield world
        world.clear_faults()
        world.clear_behaviours()


def check_failed(service: Service, world: World, name: str, cause: str) -> None:
    """A create fails with this cause, and nothing but its record is left, which can be deleted."""
    job = service.wait(service.create(example(name)))
    assert job["status"] == "FAILED", job
    (sub_job,) = job["sub_jobs"]
    assert sub_job["status"] == "FAILED"
    assert sub_job["job_execute_info"]["error_code"].startswith("WKS.")
    assert cause in sub_job["job_execute_info"]["error_message"]
    assert job["end_time"] >= sub_job["end_time"]
    check_views(service, job["id"], cause)
    server_id = sub_job["job_resource_info"]["resource_id"]
    shown = service.call("GET", service.servers(f"/{server_id}")).json()
    assert shown["status"] == "ERROR"
    assert [shown[each] for each in ("server_id", "instance_id", "app_group_id", "server_group_id")] == [""] * 4
    assert leaks(service.data_dir) == {}
    assert (list(world.servers()), list(world.ports())) == ([], [])
    assert service.delete(server_id)["status"] == "SUCCESS"
    assert rows(service.data_dir, "SELECT id FROM image_servers WHERE id = ?", server_id) == []


def check_views(service: Service, job_id: str, cause: str) -> None:
    """The v1 and v2 views tell the same."""
    first = service.call("GET", f"/v1/{PROJECT}/job/{job_id}").json()["job"]
    assert (first["job_status"], first["sub_jobs"][0]["job_status"]) == (0, 0)
    assert cause in first["execute_message"]
    second: dict[str, Any] = service.call("GET", f"/v2/{PROJECT}/job/{job_id}").json()
    assert (second["status"], second["sub_jobs"][0]["status"]) == ("FAILED", "FAILED")
    assert cause in second["sub_jobs"][0]["error_message"]


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("call", ["create_port", "create_server", "start_server", "guest_ready", "run_in_guest"])
def test_a_refusal_at_any_step_is_the_cause_and_everything_is_undone(
    failing: Service, world: World, call: CallName, at: Point
) -> None:
    world.inject(Fault(call, at=at, error="refused", message=f"the {call} was struck by lightning"))
    check_failed(failing, world, f"{call} {at}", f"the {call} was struck by lightning")


def test_a_guest_that_never_answers_is_given_up(failing: Service, world: World) -> None:
    world.behave(Behaviour("guest_never_answers"))
    check_failed(failing, world, "silent", "Wait for the guest to answer: not done within 1 seconds")


def test_a_machine_that_dies_during_its_boot_says_why(failing: Service, world: World) -> None:
    world.behave(Behaviour("machine_dies_during_boot", message="kernel panic: no init found"))
    check_failed(failing, world, "dying", "kernel panic: no init found")


def test_a_missing_image_file_is_named(failing: Service, world: World) -> None:
    world.forget_image("debian-12")
    try:
        check_failed(failing, world, "imageless", "debian-12 does not exist")
    finally:
        world.register_image("debian-12", IMAGE_BYTES)


def test_an_undo_that_fails_is_repeated_until_nothing_is_left(failing: Service, world: World) -> None:
    world.inject(Fault("run_in_guest", error="refused", message="no"))
    for call in ("stop_server", "delete_server", "delete_port"):
        world.inject(Fault(call, error="refused"))  # type: ignore[arg-type]
        world.inject(Fault(call, at="after", error="again"))  # type: ignore[arg-type]
    check_failed(failing, world, "undone", "no")


def test_a_failed_create_says_rollback_while_it_is_undone(failing: Service, world: World) -> None:
    hanging = Fault("delete_port", error="again", times=4)
    world.inject(Fault("start_server", error="refused", message="no power"))
    world.inject(hanging)
    job_id = failing.create(example("rolling back"))
    seen: set[str] = set()

    def poll() -> bool:
        job = failing.job(job_id)
        seen.add(job["sub_jobs"][0]["status"])
        assert job["status"] in {"RUNNING", "FAILED"}
        return job["status"] == "FAILED"

    until(poll, every=0.01)
    assert "ROLLBACK" in seen
    (server,) = failing.call("GET", failing.servers("?server_name=rolling")).json()["items"]
    assert failing.delete(server["id"])["status"] == "SUCCESS"


def test_a_deletion_that_is_refused_fails_and_can_be_asked_again(failing: Service, world: World) -> None:
    server_id = failing.made("stubborn")
    world.inject(Fault("delete_server", error="refused", message="the host is on fire"))
    job = failing.delete(server_id)
    assert job["status"] == "FAILED"
    assert "on fire" in job["sub_jobs"][0]["job_execute_info"]["error_message"]
    assert failing.call("GET", failing.servers(f"/{server_id}")).json()["status"] == "ERROR"
    assert failing.delete(server_id)["status"] == "SUCCESS"
    assert list(world.servers()) == []


def test_a_server_that_is_being_created_cannot_be_deleted_yet(failing: Service, world: World) -> None:
    world.behave(Behaviour("guest_never_answers"))
    job_id = failing.create(example("unborn"))
    server_id = failing.job(job_id)["sub_jobs"][0]["job_resource_info"]["resource_id"]
    body = {"items": [server_id], "recursive": True}
    answer = failing.call("PATCH", failing.servers("/actions/batch-delete"), body)
    assert answer.status_code == 409
    assert answer.json()["details"][0]["rule"] == "status"
    assert failing.wait(job_id)["status"] == "FAILED"
    assert failing.delete(server_id)["status"] == "SUCCESS"
