"""The simulated cloud keeps the contract, on a clock that only moves when a test waits."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.clouds.contract import GIB, CloudContract, SpecFactory, numbered_spec

from goldsmith.clouds.simulated import HeldClock, SimulatedCloud, World
from goldsmith.settings import SimulatedSettings

INSTANT_CALLS = SimulatedSettings(create_seconds=0, command_seconds=0, stop_seconds=0, boot_seconds=2)


@pytest.fixture(scope="class")
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture(scope="class")
def let_time_pass(clock: HeldClock) -> Callable[[float], Awaitable[None]]:
    return clock.advance


@pytest.fixture(scope="class")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="class")
def image(data_dir: Path, clock: HeldClock) -> str:
    with World(data_dir, clock=clock) as world:
        world.register_image("debian", 3 * GIB, 400_000_000)
    return "debian"


@pytest.fixture(scope="class")
def cloud_factory(data_dir: Path, clock: HeldClock) -> Callable[[], SimulatedCloud]:
    return lambda: SimulatedCloud(INSTANT_CALLS, data_dir, clock=clock)


@pytest.fixture(scope="class")
def spec_factory(image: str) -> SpecFactory:
    numbers = itertools.count(2)

    return lambda **changes: numbered_spec(next(numbers), **{"image": image, **changes})


class TestSimulatedCloudKeepsTheContract(CloudContract):
    """All of `CloudContract`."""
