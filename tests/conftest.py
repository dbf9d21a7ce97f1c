"""The service as its users meet it: a process of its own, official clients, and nothing left in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leaks.finding import leaks_of
from tests.service import Service, leftovers


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[type[Service]]:
    """Make services of one's own; every one of them is stopped, and must leave nothing behind."""
    made: list[Service] = []

    class Made(Service):
        def __init__(self, name: str = "data", **settings: str) -> None:
            super().__init__(tmp_path / name, **settings)
            made.append(self)

    yield Made
    for service in made:
        service.stop()
    assert [leak for service in made for leak in leaks_of(service)] == []
    assert leftovers(tmp_path) == []


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service on the simulated cloud, shared by all tests that only need one to talk to."""
    folder = tmp_path_factory.mktemp("shared service")
    shared = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="20")
    shared.start()
    yield shared
    leaks = leaks_of(shared)
    shared.stop()
    assert leaks == []
    assert leftovers(folder) == []
