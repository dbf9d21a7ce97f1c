"""Cancelling a job, keeping what failed, retrying it."""

from __future__ import annotations

import pytest
from tests.service import PROJECT, Service, example, until

from goldsmith.clouds.simulated import Fault, World

SLOW = {"GOLDSMITH_SIMULATED__BOOT_SECONDS": "600"}


def action(service: Service, job_id: str, name: str) -> tuple[int, dict[str, str]]:
    answer = service.call("POST", f"/v1/{PROJECT}/image-server-jobs/{job_id}/actions/{name}", {})
    return answer.status_code, answer.json()


def sub_job(service: Service, job_id: str) -> dict[str, object]:
    found: dict[str, object] = service.job(job_id)["sub_jobs"][0]
    return found


def test_a_cancelled_job_is_undone_and_fails_with_the_reason(new_service_on_each: type[Service]) -> None:
    service = new_service_on_each("cancelled", **SLOW).start()
    job_id = service.create(example("cancelled"))
    until(lambda: sub_job(service, job_id)["current_step"] == "wait_for_guest")
    assert action(service, job_id, "cancel") == (200, {})
    assert sub_job(service, job_id)["status"] in {"ABORTING", "FAILED"}
    job = service.wait(job_id)
    assert job["status"] == "FAILED"
    assert job["sub_jobs"][0]["job_execute_info"]["error_message"] == "The job was cancelled by admin."
    with World(service.data_dir) as world:
        assert (world.servers(), world.ports()) == ([], []) or not (world.servers() or world.ports())
    status, body = action(service, job_id, "cancel")
    assert status == 409
    assert "has ended" in body["error_msg"]


def test_an_unknown_job_cannot_be_cancelled_or_retried(each_service: Service) -> None:
    for name in ("cancel", "retry"):
        status, body = action(each_service, "123", name)
        assert status == 404
        assert "123" in body["error_msg"]


def test_a_kept_failure_is_retried_from_its_failed_step(new_service_on_each: type[Service]) -> None:
    service = new_service_on_each("kept").start()
    with World(service.data_dir) as world:
        world.inject(Fault("run_in_guest", error="refused", message="the guest said no"))
    answer = service.call("POST", service.servers("?keep_on_failure=true"), example("kept"))
    job = service.wait(answer.json()["job_id"])
    assert job["status"] == "FAILED"
    assert "the guest said no" in job["sub_jobs"][0]["job_execute_info"]["error_message"]
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert service.call("GET", service.servers(f"/{server_id}")).json()["status"] == "ERROR"
    with World(service.data_dir) as world:
        (machine,) = world.servers()
    assert service.call("GET", service.servers(f"/{server_id}/actions/screenshot")).status_code == 200
    assert action(service, job["id"], "retry") == (200, {})
    job = service.wait(job["id"])
    assert job["status"] == "SUCCESS"
    assert service.call("GET", service.servers(f"/{server_id}")).json()["status"] == "ACTIVE"
    with World(service.data_dir) as world:
        assert [each.id for each in world.servers()] == [machine.id]
    status, _ = action(service, job["id"], "retry")
    assert status == 409
    assert service.delete(server_id)["status"] == "SUCCESS"


@pytest.mark.parametrize("recursive", [True, False])
def test_deleting_what_was_kept_removes_everything_and_ends_the_retrying(
    new_service_on_each: type[Service], recursive: bool
) -> None:
    service = new_service_on_each("given up").start()
    with World(service.data_dir) as world:
        world.inject(Fault("start_server", error="refused", message="no power"))
    answer = service.call("POST", service.servers("?keep_on_failure=true"), example("given up"))
    job = service.wait(answer.json()["job_id"])
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert service.delete(server_id, recursive=recursive)["status"] == "SUCCESS"
    with World(service.data_dir) as world:
        assert not world.servers()
        assert not world.ports()
    status, body = action(service, job["id"], "retry")
    assert status == 409
    assert "nothing to retry" in body["error_msg"]
