"""Services on real QEMU. The guest image is built once per machine and kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from goldsmith.guests.debian_image import default_cache, ensure_debian_image
from tests.faults.conftest import results
from tests.leaks.finding import leaks_of
from tests.service import Service, leftovers

__all__ = ["results"]


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The default Debian image."""
    return ensure_debian_image(default_cache(), print)


@pytest.fixture
def qemu_service(tmp_path: Path, guest_image: Path) -> Iterator[Callable[..., Service]]:
    """Make services on QEMU; in the end their machines must be gone, not only their processes."""
    made: list[Service] = []

    def make(name: str = "data with a space", **settings: str) -> Service:
        service = Service(tmp_path / name, GOLDSMITH_CLOUD="qemu", **settings)
        made.append(service)
        return service

    yield make
    leaks = []
    for service in made:
        service.stop()
        leaks += leaks_of(service)
        end_machines(service)
    assert leaks == []
    assert leftovers(tmp_path) == []


def machines(service: Service) -> list[psutil.Process]:
    """The machines of a service that run."""
    return [each for each in at_work(service) if str(each.info["name"]).startswith("qemu-system")]


def at_work(service: Service) -> list[psutil.Process]:
    """All that lives in the machine folders of a service: machines, and what makes their disks."""
    home = str(service.data_dir / "machines")
    return [each for each in psutil.process_iter(["name", "cwd"]) if str(each.info["cwd"] or "").startswith(home)]


def end_machines(service: Service) -> None:
    """Kill what a failed test left running, so that it does not disturb the next."""
    for process in at_work(service):
        process.kill()
        process.wait(10)
