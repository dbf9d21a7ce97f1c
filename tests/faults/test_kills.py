"""A part of the matrix with a real process and a real `kill -9`: the process reaches the point, and is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.results import RESULTS, Cell
from tests.leaks.finding import leaks_of
from tests.service import Service, example, leftovers

from goldsmith import docs
from goldsmith.clouds.simulated import Fault, World
from goldsmith.workflows.probe import FIRED, FOLDER, Point

PART = "simulated cloud, real processes"
KINDS = {workflow.kind: workflow for workflow, _ in docs.workflows()}
CREATE, DELETE = "create_image_server", "delete_image_server"
FORWARDS = [
    *((CREATE, step.name, Point.AFTER_DO_BEFORE_RECORD) for step in KINDS[CREATE].steps),
    (CREATE, KINDS[CREATE].steps[0].name, Point.BEFORE_DO),
    (CREATE, KINDS[CREATE].steps[-1].name, Point.AFTER_RECORD),
    *((DELETE, step.name, Point.AFTER_DO_BEFORE_RECORD) for step in KINDS[DELETE].steps),
]
BACK = [
    (CREATE, "start_machine", Point.AFTER_UNDO_RECORD),
    (CREATE, "create_machine", Point.AFTER_UNDO_BEFORE_RECORD),
    (CREATE, "reserve_address", Point.BEFORE_UNDO),
]


def cell(kind: str, step: str, point: Point) -> Cell:
    return kind, step, f"kill -9 at {point}"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with fault points, which die once each."""
    folder = tmp_path_factory.mktemp("kills")
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="100")
    (service.data_dir / FOLDER).mkdir(parents=True)
    service.start()
    RESULTS.expect(PART, [cell(*each) for each in (*FORWARDS, *BACK)])
    yield service
    service.stop()
    assert leaks_of(service) == []
    assert leftovers(folder) == []


def arm(service: Service, kind: str, step: str, point: Point) -> None:
    (service.data_dir / FOLDER / f"{kind}.{step}.{point}").touch()


def rise(service: Service, kind: str, step: str, point: Point) -> None:
    """Wait for the death, make sure that it was this one, and start again."""
    assert service.process is not None
    assert service.process.wait(timeout=30) == -9
    fired = service.data_dir / FOLDER / f"{kind}.{step}.{point}{FIRED}"
    assert fired.exists()
    fired.unlink()
    service.kill()
    service.start()


def machines(service: Service) -> list[str]:
    with World(service.data_dir) as world:
        return [each.id for each in world.servers()]


@pytest.mark.parametrize(("kind", "step", "point"), FORWARDS)
def test_a_process_killed_at_a_step_is_replaced(mortal: Service, kind: str, step: str, point: Point) -> None:
    name = f"{kind} {step} {point}"
    if kind == CREATE:
        arm(mortal, kind, step, point)
        job_id = mortal.create(example(name))
    else:
        body = {"items": [mortal.made(name)], "recursive": True}
        arm(mortal, kind, step, point)
        job_id = mortal.call("PATCH", mortal.servers("/actions/batch-delete"), body).json()["job_id"]
    rise(mortal, kind, step, point)
    job = mortal.wait(job_id)
    assert job["status"] == "SUCCESS", job
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    if kind == CREATE:
        shown = mortal.call("GET", mortal.servers(f"/{server_id}")).json()
        assert (shown["status"], machines(mortal)) == ("ACTIVE", [shown["instance_id"]])
        with World(mortal.data_dir) as world:
            assert world.effects("create_server", subject=shown["instance_id"]) == 1
        assert leaks_of(mortal) == []
        assert mortal.delete(server_id)["status"] == "SUCCESS"
    assert machines(mortal) == []
    assert leaks_of(mortal) == []
    RESULTS.passed(PART, cell(kind, step, point))


@pytest.mark.parametrize(("kind", "step", "point"), BACK)
def test_a_process_killed_while_it_undoes_is_replaced(mortal: Service, kind: str, step: str, point: Point) -> None:
    arm(mortal, kind, step, point)
    with World(mortal.data_dir) as world:
        world.inject(Fault("run_in_guest", error="refused", message="no way in"))
    job_id = mortal.create(example(f"{step} {point}"))
    rise(mortal, kind, step, point)
    job = mortal.wait(job_id)
    assert job["status"] == "FAILED", job
    assert "no way in" in job["sub_jobs"][0]["job_execute_info"]["error_message"]
    assert machines(mortal) == []
    assert leaks_of(mortal) == []
    assert mortal.delete(job["sub_jobs"][0]["job_resource_info"]["resource_id"])["status"] == "SUCCESS"
    RESULTS.passed(PART, cell(kind, step, point))
