"""What every driver's contract tests share; see `contract.py` for what a driver's own module adds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from goldsmith.clouds.port import Cloud, ServerSpec

if TYPE_CHECKING:
    from tests.clouds.contract import SpecFactory

pytest.register_assert_rewrite("tests.clouds.contract")


@pytest.fixture(scope="class")
def cloud_patience() -> float:
    """Seconds a guest may take until it answers; a driver's module may give more."""
    return 60.0


@pytest.fixture(scope="class")
def let_time_pass() -> Callable[[float], Awaitable[None]]:
    """Let this many seconds of the cloud pass; a driver with a clock of its own advances that."""
    return asyncio.sleep


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def cloud(cloud_factory: Callable[[], Cloud]) -> AsyncIterator[Cloud]:
    """One opened driver for all tests of the class."""
    cloud = cloud_factory()
    await cloud.open()
    yield cloud
    await cloud.close()


@pytest_asyncio.fixture(loop_scope="class")
async def server(cloud: Cloud, spec_factory: SpecFactory) -> AsyncIterator[ServerSpec]:
    """A server of its own for one test, not started."""
    spec = spec_factory()
    await cloud.create_port("contract/port", spec.port)
    await cloud.create_server("contract/server", spec)
    yield spec
    await cloud.delete_server(spec.id)
    await cloud.delete_port(spec.port.id)


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def booted_server(
    cloud: Cloud,
    spec_factory: SpecFactory,
    cloud_patience: float,
    let_time_pass: Callable[[float], Awaitable[None]],
) -> AsyncIterator[ServerSpec]:
    """A server whose guest answers, booted once for the class: look at it, but leave it running."""
    spec = spec_factory()
    await cloud.create_port("contract/booted-port", spec.port)
    await cloud.create_server("contract/booted", spec)
    try:
        from tests.clouds.contract import eventually  # after its asserts were registered above

        await cloud.start_server(spec.id)
        await eventually(lambda: cloud.guest_ready(spec.id), cloud_patience, let_time_pass)
        yield spec
    finally:
        await cloud.delete_server(spec.id)
        await cloud.delete_port(spec.port.id)
