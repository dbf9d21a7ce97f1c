"""The service as its users meet it: a process of its own, official clients, and nothing left in the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldsmith.store import Store
from goldsmith.store.opening import Place, open_store
from goldsmith.store.schema_version import upgrade
from tests.leaks.finding import leaks_of
from tests.postgres import Postgres
from tests.service import Service, leftovers

BOTH = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of our own, started when the first test asks for it."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A fresh database."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of this version, to be copied."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    upgrade(path)
    return path


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Place:
    """A fresh database of either kind; see `goldsmith.store.opening`."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return Path(shutil.copy(sqlite_template, tmp_path / "test.db"))


@pytest.fixture
def both_stores(place: Place) -> Iterator[Store]:
    """A store on a fresh database of either kind."""
    store = open_store(place)
    yield store
    store.close()


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
