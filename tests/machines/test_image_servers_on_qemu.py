"""Image servers on real QEMU: the whole way, with both kinds of credentials, through crashes and failures."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from huaweicloudsdkworkspaceapp.v1 import (
    BatchDeleteImageServerReq,
    BatchDeleteImageServerRequest,
    CreateImageServerRequest,
    ListImageServersRequest,
    ShowImageJobRequest,
)

from tests.machines.conftest import at_work, machines
from tests.service import EXAMPLE, PROJECT, Service, example, until

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(600)]
Make = Callable[..., Service]
BOOT = 300.0


def traces(service: Service) -> list[str]:
    """Whatever a machine leaves in the data folder, and its processes."""
    found = [str(process.pid) for process in at_work(service)]
    for folder in ("machines", "ports", "ports/taken"):
        found += [path.name for path in (service.data_dir / folder).iterdir() if path.name != "taken"]
    return found


def test_the_official_sdk_makes_a_machine_that_answers_and_removes_it_without_a_trace(qemu_service: Make) -> None:
    service = qemu_service().start()
    client = service.sdk()
    job_id = client.create_image_server(CreateImageServerRequest(body=EXAMPLE)).job_id

    def ended() -> Any:
        job = client.show_image_job(ShowImageJobRequest(job_id=job_id))
        return job if job.status != "RUNNING" else None

    job = until(ended, seconds=BOOT)
    assert job.status == "SUCCESS", job
    server_id = job.sub_jobs[0].job_resource_info.resource_id

    headers = {"X-Auth-Token": service.token()}
    path = f"{service.endpoint}/v1/{PROJECT}/image-servers/{server_id}"
    shown = httpx.get(path, headers=headers).json()
    assert shown["status"] == "ACTIVE"
    (process,) = machines(service)
    assert shown["instance_id"] in process.cmdline()
    picture = httpx.get(f"{path}/actions/screenshot", headers=headers)
    assert picture.content.startswith(b"\x89PNG")

    port = httpx.get(f"{service.endpoint}/v3/{PROJECT}/ports?device_id={shown['instance_id']}", headers=headers).json()
    assert port["ports"][0]["private_ips"][0]["ip_address"] in " ".join(process.cmdline())

    body = BatchDeleteImageServerReq(items=[server_id], recursive=True)
    job_id = client.batch_delete_image_server(BatchDeleteImageServerRequest(body=body)).job_id
    assert until(ended, seconds=120).status == "SUCCESS"
    assert client.list_image_servers(ListImageServersRequest()).count == 0
    assert traces(service) == []


@pytest.mark.parametrize("step", ["create_machine", "wait_for_guest", "prepare_guest"])
def test_a_create_survives_kill_9_of_the_service_and_makes_exactly_one_machine(qemu_service: Make, step: str) -> None:
    service = qemu_service().start()
    job_id = service.create(example("killed"))

    def has_reached() -> bool:
        steps = {each["name"]: each["state"] for each in service.job(job_id)["sub_jobs"][0].get("steps", [])}
        return steps.get(step) in {"running", "done"}

    until(has_reached, seconds=BOOT, every=0.005)
    service.kill()
    service.start()
    job = service.wait(job_id, seconds=BOOT)
    assert job["status"] == "SUCCESS", job
    assert len(machines(service)) == 1
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert service.call("GET", service.servers(f"/{server_id}")).json()["status"] == "ACTIVE"
    assert service.delete(server_id)["status"] == "SUCCESS"
    assert traces(service) == []


def failed(service: Service, job_id: str) -> str:
    """The cause of a job that must fail, once everything has been undone."""
    job = service.wait(job_id, seconds=BOOT)
    assert job["status"] == "FAILED", job
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert service.call("GET", service.servers(f"/{server_id}")).json()["status"] == "ERROR"
    assert traces(service) == []
    message: str = job["sub_jobs"][0]["job_execute_info"]["error_message"]
    return message


def test_a_missing_image_file_fails_the_job_with_that_cause(qemu_service: Make) -> None:
    service = qemu_service().start()
    shutil.rmtree(service.data_dir / "images")
    assert "debian-12" in failed(service, service.create(example("no image")))


def test_missing_qemu_fails_the_job_with_that_cause(qemu_service: Make) -> None:
    service = qemu_service(GOLDSMITH_QEMU__BINARY="qemu-system-nowhere").start()
    assert "qemu-system-nowhere" in failed(service, service.create(example("no qemu")))


def test_a_machine_that_dies_during_boot_fails_the_job_with_that_cause(qemu_service: Make) -> None:
    service = qemu_service().start()
    job_id = service.create(example("dying"))
    (process,) = until(lambda: machines(service), seconds=60)
    process.send_signal(signal.SIGKILL)
    assert "killed" in failed(service, job_id)


def test_a_guest_that_never_answers_fails_the_job_with_that_cause(qemu_service: Make) -> None:
    service = qemu_service(GOLDSMITH_WORKER__GUEST_TIMEOUT_SECONDS="2").start()
    assert "Wait for the guest to answer" in failed(service, service.create(example("mute")))


def test_a_machine_outlives_the_service_and_is_taken_up_again(qemu_service: Make) -> None:
    service = qemu_service().start()
    server_id = service.wait(service.create(example("lasting")), seconds=BOOT)["sub_jobs"][0]["job_resource_info"][
        "resource_id"
    ]
    (before,) = machines(service)
    service.stop()
    assert before.is_running()
    service.start()
    picture = service.call("GET", service.servers(f"/{server_id}/actions/screenshot"))
    assert picture.status_code == 200
    assert machines(service) == [before]
    assert service.delete(server_id)["status"] == "SUCCESS"
    assert traces(service) == []
    assert not json.loads(service.call("GET", service.servers()).text)["items"]
