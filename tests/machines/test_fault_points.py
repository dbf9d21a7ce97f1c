"""The fault matrix on real machines: real processes are killed at chosen points, three boots in all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goldsmith.workflows.probe import FIRED, FOLDER, Point
from tests.faults.results import RESULTS
from tests.leaks.finding import leaks_of
from tests.machines.conftest import at_work, machines
from tests.service import Service, example

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(600)]
PART = "QEMU, real processes"
BOOT = 300.0
CREATE, DELETE = "create_image_server", "delete_image_server"
BOOTS = [
    [(CREATE, "create_machine", Point.AFTER_DO_BEFORE_RECORD), (DELETE, "stop_machine", Point.BEFORE_DO)],
    [(CREATE, "start_machine", Point.AFTER_DO_BEFORE_RECORD), (DELETE, "remove_machine", Point.AFTER_DO_BEFORE_RECORD)],
    [(CREATE, "prepare_guest", Point.AFTER_DO_BEFORE_RECORD), (DELETE, "give_address_back", Point.AFTER_RECORD)],
]
"""Each boot is a creation and a deletion, both of which are killed once."""


def rise(service: Service, kind: str, step: str, point: Point) -> None:
    assert service.process is not None
    assert service.process.wait(timeout=BOOT) == -9
    assert (service.data_dir / FOLDER / f"{kind}.{step}.{point}{FIRED}").exists()
    service.kill()
    service.start()


@pytest.mark.parametrize("boot", BOOTS, ids=lambda boot: "-".join(step for _, step, _ in boot))
def test_a_machine_is_made_once_and_removed_whole_whenever_the_service_is_killed(
    qemu_service: Callable[..., Service], boot: list[tuple[str, str, Point]]
) -> None:
    RESULTS.expect(PART, [(kind, step, f"kill -9 at {point}") for each in BOOTS for kind, step, point in each])
    service = qemu_service()
    (service.data_dir / FOLDER).mkdir(parents=True)
    service.start()
    for each in boot:
        (service.data_dir / FOLDER / ".".join(each)).touch()
    job_id = service.create(example("killed once"))
    rise(service, *boot[0])
    job = service.wait(job_id, seconds=BOOT)
    assert job["status"] == "SUCCESS", job
    assert len(machines(service)) == 1
    assert leaks_of(service) == []
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    body = {"items": [server_id], "recursive": True}
    job_id = service.call("PATCH", service.servers("/actions/batch-delete"), body).json()["job_id"]
    rise(service, *boot[1])
    assert service.wait(job_id, seconds=120)["status"] == "SUCCESS"
    assert at_work(service) == []
    assert leaks_of(service) == []
    for kind, step, point in boot:
        RESULTS.passed(PART, (kind, step, f"kill -9 at {point}"))
