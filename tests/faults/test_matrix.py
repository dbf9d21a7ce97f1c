"""The fault matrix: every fault at every step of every workflow there is, made from the workflows themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from tests.faults.house import Goldsmith, Mortal, hastened, opened, until_async
from tests.faults.results import RESULTS
from tests.faults.scenarios import SCENARIOS, Scene, tidy_up
from tests.faults.strikes import FORWARDS, INJECTED, SHORT, Fault, Strike

from goldsmith import docs

DATABASES = ["sqlite", "postgresql"]
KINDS = {workflow.kind: workflow for workflow, _ in docs.workflows()}


def _cells() -> list[tuple[str, str, Fault]]:
    return [(kind, step.name, fault) for kind, each in KINDS.items() for step in each.steps for fault in Fault]


PART = "simulated cloud, {}"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of a database and the settings that choose it."""
    if request.param == "sqlite":
        yield request.param, {}
        return
    server = request.getfixturevalue("postgres")
    url = server.fresh()
    yield request.param, {"database": url}
    server.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def goldsmith(
    tmp_path_factory: pytest.TempPathFactory, database: tuple[str, dict[str, Any]]
) -> AsyncIterator[Goldsmith]:
    RESULTS.expect(PART.format(database[0]), [(kind, step, fault.value) for kind, step, fault in _cells()])
    async with opened(tmp_path_factory.mktemp("matrix") / "data", **database[1]) as found:
        yield found


async def test_every_workflow_of_the_house_is_in_the_matrix_and_has_a_scenario(goldsmith: Goldsmith) -> None:
    queued = {kind: [step.name for step in each.steps] for kind, each in goldsmith.house.queue.kinds.items()}
    assert queued == {kind: [step.name for step in each.steps] for kind, each in KINDS.items()}
    assert set(queued) == set(SCENARIOS), "tell in tests/faults/scenarios.py how users start the new workflow"


@pytest.mark.parametrize(("kind", "step", "fault"), _cells())
async def test_fault(goldsmith: Goldsmith, database: tuple[str, Any], kind: str, step: str, fault: Fault) -> None:
    scenario, before = SCENARIOS[kind], _things(goldsmith)
    scene = await scenario.begin(goldsmith, f"{fault.name} {step}")
    strike = await _struck(scene, kind, step, fault)
    assert strike.fired == 1, f"{fault} did not happen at {step}"
    ended = await goldsmith.workflow(scene.workflow_id)
    succeeds = fault in FORWARDS or (fault is Fault.CANCEL and not KINDS[kind].can_cancel)
    assert (ended["state"], ended["owner"]) == ("done" if succeeds else "failed", None), dict(ended)
    await _check_job(scene, scenario.has_job, succeeds, ended["error"])
    _check_cause(fault, succeeds, ended["error"])
    await scenario.check(scene, succeeds)
    assert goldsmith.world.effects("create_server", subject=scene.machine) <= 1
    assert await goldsmith.leaks() == []
    await tidy_up(scene)
    assert _things(goldsmith) == before
    assert await goldsmith.leaks() == []
    RESULTS.passed(PART.format(database[0]), (kind, step, fault.value))


def _things(goldsmith: Goldsmith) -> set[str]:
    return {each.id for each in (*goldsmith.world.servers(), *goldsmith.world.ports())}


async def _struck(scene: Scene, kind: str, step: str, fault: Fault) -> Strike:
    """Let an engine run into the fault, and another one go on when the first has died of it."""
    goldsmith, kinds = scene.goldsmith, hastened(scene.goldsmith.house.queue.kinds)
    if fault is Fault.TIME_OUT:
        steps = tuple(replace(each, timeout=SHORT) if each.name == step else each for each in kinds[kind].steps)
        kinds[kind] = replace(kinds[kind], steps=steps)
    mortal = Mortal(goldsmith.house.store)
    strike = Strike(fault, scene.workflow_id, step, mortal, lambda: _cancel(scene, KINDS[kind].can_cancel))

    async def is_over() -> bool:
        return mortal.is_dead or not await goldsmith.live()

    async with goldsmith.engine(probe=strike, mortal=mortal, kinds=kinds):
        await until_async(is_over)
    if mortal.is_dead:
        is_end = fault is Fault.KILL_RECORDED and step == KINDS[kind].steps[-1].name  # nothing is left to take over
        assert await goldsmith.live() == ([] if is_end else [scene.workflow_id])
        await goldsmith.work_off()
    return strike


async def _cancel(scene: Scene, can_cancel: bool) -> None:
    if scene.job:
        path = f"image-server-jobs/{scene.job}/actions/cancel"
        await scene.goldsmith.call("POST", path, status=200 if can_cancel else 409)
    else:
        queue = scene.goldsmith.house.queue
        assert not await scene.goldsmith.house.store.read(lambda tx: queue.can_cancel(tx, scene.workflow_id))


async def _check_job(scene: Scene, has_job: bool, succeeds: bool, error: str) -> None:
    assert bool(scene.job) is has_job
    if has_job:
        (found,) = (await scene.goldsmith.call("GET", f"job/{scene.job}"))["job"]["sub_jobs"]
        assert found["job_status"] == (1 if succeeds else 0), found


def _check_cause(fault: Fault, succeeds: bool, error: str) -> None:
    if succeeds:
        assert error == ""
    elif fault is Fault.TIME_OUT:
        assert "not done within" in error
    elif fault is Fault.CANCEL:
        assert "cancelled by" in error
    else:
        assert INJECTED in error
