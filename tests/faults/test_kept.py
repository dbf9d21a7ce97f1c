"""`keep_on_failure` at every step of a creation: what failed is kept as it is, and can be retried or deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.faults.house import Goldsmith, Mortal, hastened, opened, until_async
from tests.faults.strikes import Fault, Strike
from tests.service import example

from goldsmith import docs
from goldsmith.clouds.port import Power
from goldsmith.image_servers.service import CREATE

STEPS = [step.name for workflow, _ in docs.workflows() if workflow.kind == CREATE for step in workflow.steps]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def goldsmith(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Goldsmith]:
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    settings = {"database": server.fresh()} if server else {}
    async with opened(tmp_path_factory.mktemp("kept") / "data", **settings) as found:
        yield found
    if server:
        server.drop(settings["database"])


async def kept(goldsmith: Goldsmith, step: str, fault: Fault) -> dict[str, Any]:
    """The job of a creation that has failed at the step and is kept."""
    job = await goldsmith.call("POST", "image-servers?keep_on_failure=true", example(f"kept {fault.name} {step}"))
    (workflow_id,) = await goldsmith.live()

    async def never() -> None:
        raise AssertionError("nothing is cancelled here")

    strike = Strike(fault, workflow_id, step, Mortal(goldsmith.house.store), never)
    async with goldsmith.engine(probe=strike, kinds=hastened(goldsmith.house.queue.kinds)):
        await until_async(goldsmith.is_idle)
    assert strike.fired == 1
    assert (await goldsmith.workflow(workflow_id))["state"] == "kept"
    assert await goldsmith.leaks() == []
    found: dict[str, Any] = await goldsmith.call("GET", f"image-server-jobs/{job['job_id']}")
    assert found["status"] == "FAILED"
    assert (await shown(goldsmith, found))["status"] == "ERROR"
    return found


def server_of(job: dict[str, Any]) -> str:
    return str(job["sub_jobs"][0]["job_resource_info"]["resource_id"])


async def shown(goldsmith: Goldsmith, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await goldsmith.call("GET", f"image-servers/{server_of(job)}")
    return found


async def deleted(goldsmith: Goldsmith, job: dict[str, Any]) -> None:
    """Delete the image server: nothing is left of it."""
    await goldsmith.remove(server_of(job))
    await goldsmith.work_off()
    assert (list(goldsmith.world.servers()), list(goldsmith.world.ports())) == ([], [])
    assert await goldsmith.leaks() == []


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
@pytest.mark.parametrize("step", STEPS)
async def test_what_failed_goes_on_from_the_failed_step(goldsmith: Goldsmith, step: str, fault: Fault) -> None:
    job = await kept(goldsmith, step, fault)
    machines = [each.id for each in goldsmith.world.servers()]
    await goldsmith.call("POST", f"image-server-jobs/{job['id']}/actions/retry")
    await goldsmith.work_off()
    job = await goldsmith.call("GET", f"image-server-jobs/{job['id']}")
    assert job["status"] == "SUCCESS", job
    server = await shown(goldsmith, job)
    (machine,) = goldsmith.world.servers()
    assert machines in ([], [machine.id])
    assert (server["status"], server["instance_id"], machine.info.power) == ("ACTIVE", machine.id, Power.RUNNING)
    assert goldsmith.world.effects("create_server", subject=machine.id) == 1
    assert await goldsmith.leaks() == []
    await deleted(goldsmith, job)


@pytest.mark.parametrize("step", STEPS)
async def test_what_failed_and_is_not_wanted_is_deleted_and_never_retried(goldsmith: Goldsmith, step: str) -> None:
    job = await kept(goldsmith, step, Fault.ERROR_AFTER)
    await deleted(goldsmith, job)
    await goldsmith.call("POST", f"image-server-jobs/{job['id']}/actions/retry", status=409)
