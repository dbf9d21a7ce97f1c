"""A simulated world that another version of goldsmith has made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.clouds.contract import numbered_spec

from goldsmith.clouds.port import Refused
from goldsmith.clouds.simulated import SimulatedCloud, ledger
from goldsmith.settings import SimulatedSettings


async def opened(data_dir: Path) -> SimulatedCloud:
    cloud = SimulatedCloud(SimulatedSettings(), data_dir)
    await cloud.open()
    return cloud


def alter(data_dir: Path, statements: str) -> None:
    with closing(sqlite3.connect(ledger.world_file(data_dir))) as db:
        db.executescript(statements)


async def test_a_world_of_the_first_version_goes_on_and_learns_to_remember_what_was_deleted(tmp_path: Path) -> None:
    cloud = await opened(tmp_path)
    kept, deleted = numbered_spec(2).port, numbered_spec(3).port
    await cloud.create_port("key", kept)
    await cloud.close()
    alter(tmp_path, "DROP TABLE gone; PRAGMA user_version = 1;")
    cloud = await opened(tmp_path)
    try:
        assert list(await cloud.list_ports()) == [kept.id]
        await cloud.delete_port(deleted.id)
        with pytest.raises(Refused, match="was deleted"):
            await cloud.create_port("key", deleted)
    finally:
        await cloud.close()


async def test_a_world_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    alter(tmp_path, "PRAGMA user_version = 99;")
    with pytest.raises(Refused, match="another version of goldsmith"):
        await opened(tmp_path)
