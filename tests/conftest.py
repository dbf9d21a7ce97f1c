"""The service as its users meet it: a process of its own, official clients, and nothing left in the end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from goldsmith.store import Store
from goldsmith.store.opening import Place, open_store
from goldsmith.store.schema_version import upgrade
from tests.leaks.finding import leaks_of
from tests.postgres import Postgres
from tests.service import Service, leftovers
from tests.shares import Sharing, in_order

BOTH = ("sqlite", "postgres")

# The suite starts goldsmith hundreds of times: where compiled modules may not be kept, each start would compile all.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples in every run, and no clock: how fast an example is says more of the machine than of the code.
settings.register_profile("goldsmith", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("goldsmith")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: what the tests start would be deaf to Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items[:] = in_order(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """Files stay together."""
    return Sharing(config, log)


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


@pytest.fixture
def new_postgres_service(new_service: type[Service], postgres: Postgres) -> type[Service]:
    """The same, each with a PostgreSQL database of its own, unless it is given one."""

    class Made(new_service):  # type: ignore[misc, valid-type]
        def __init__(self, name: str = "data", **settings: str) -> None:
            if "GOLDSMITH_DATABASE" not in settings:
                settings["GOLDSMITH_DATABASE"] = postgres.fresh()
            super().__init__(name, **settings)

    return Made


@pytest.fixture(params=BOTH)
def new_service_on_each(request: pytest.FixtureRequest) -> type[Service]:
    """Services of one's own, on SQLite and on PostgreSQL."""
    name = "new_service" if request.param == "sqlite" else "new_postgres_service"
    made: type[Service] = request.getfixturevalue(name)
    return made


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service on the simulated cloud, shared by all tests that only need one to talk to."""
    yield from _shared(tmp_path_factory.mktemp("shared service"))


@pytest.fixture(scope="session")
def postgres_service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Service]:
    """The same on PostgreSQL."""
    yield from _shared(tmp_path_factory.mktemp("shared service on PostgreSQL"), GOLDSMITH_DATABASE=postgres.fresh())


@pytest.fixture(scope="session", params=BOTH)
def each_service(request: pytest.FixtureRequest) -> Service:
    """The shared service on SQLite, and the one on PostgreSQL."""
    found: Service = request.getfixturevalue("service" if request.param == "sqlite" else "postgres_service")
    return found


def _shared(folder: Path, **settings: str) -> Iterator[Service]:
    shared = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="20", **settings)
    shared.start()
    yield shared
    leaks = leaks_of(shared)
    shared.stop()
    assert leaks == []
    assert leftovers(folder) == []
