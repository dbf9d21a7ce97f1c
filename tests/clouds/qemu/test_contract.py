"""QEMU keeps the contract of all clouds, with a real guest."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.clouds.contract import CloudContract, SpecFactory, numbered_spec

from goldsmith.clouds.port import Cloud
from goldsmith.clouds.qemu import QemuCloud
from goldsmith.guests.debian_image import install_image
from goldsmith.settings import QemuSettings

from .conftest import end_processes_in


@pytest.fixture(scope="class")
def cloud_patience() -> float:
    return 240.0


@pytest.fixture(scope="class")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("contract")
    yield folder
    assert end_processes_in(folder) == []


@pytest.fixture(scope="class")
def image(data_dir: Path, debian: Path) -> str:
    install_image(debian, data_dir, "debian")
    return "debian"


@pytest.fixture(scope="class")
def cloud_factory(data_dir: Path) -> Callable[[], Cloud]:
    return lambda: QemuCloud(QemuSettings(), data_dir)


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def cloud(cloud_factory: Callable[[], Cloud]) -> AsyncIterator[Cloud]:
    opened = cloud_factory()
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="class")
def spec_factory(image: str) -> SpecFactory:
    numbers = itertools.count(2)

    return lambda **changes: numbered_spec(next(numbers), **{"image": image, **changes})


@pytest.mark.qemu
class TestQemuKeepsTheContract(CloudContract):
    """All of `CloudContract`."""
