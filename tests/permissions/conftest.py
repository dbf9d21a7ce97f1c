"""One service for all tests of this folder, filled once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goldsmith.iam.policies import system
from tests.permissions.personas import World, cast, temporary
from tests.permissions.place import Place
from tests.permissions.things import make, unknown_like


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Place(tmp_path_factory.mktemp("permissions") / "data") as place:
        north, zero = make(place)
        users = cast(place, north.north)
        keys = {"admin": temporary(place, users[system.ADMINISTRATOR.name]), "root": temporary(place, place.root_id)}
        yield World(place, north, zero, unknown_like(north, place.domain), users, keys)
