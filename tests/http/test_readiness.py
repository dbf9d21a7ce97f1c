"""`/readyz`: whether the database can be written, told in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.faults.house import opened, until_async
from tests.postgres import Postgres
from tests.store.test_survival import file_size_limit

from goldsmith.http import system
from goldsmith.http.application import Application
from goldsmith.http.limits import RateLimits
from goldsmith.settings import LimitsSettings
from goldsmith.store import Store, Tx

READY = "http://goldsmith/readyz"


def client_of(store: Any, write: Callable[[Tx], object] = lambda tx: None) -> httpx.AsyncClient:
    app = Application(RateLimits(LimitsSettings()))
    system.add_routes(app, store, write)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app))


async def test_a_disk_that_is_full_is_not_ready_until_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_GOOD_SECONDS", 0.0)
    async with opened(tmp_path / "data") as goldsmith:
        assert (await goldsmith.wire.get(READY)).json() == {"status": "ready"}
        with file_size_limit(1):
            answer = await goldsmith.wire.get(READY)
            assert (answer.status_code, answer.json()["status"]) == (503, "unready")
            assert "cannot be written" in answer.json()["reason"]
        assert (await goldsmith.wire.get(READY)).json() == {"status": "ready"}


async def test_a_database_that_hangs_is_told_while_it_hangs() -> None:
    class Hanging:
        async def write(self, work: Any) -> None:
            await asyncio.Event().wait()

    async with client_of(Hanging()) as client:
        answer = await client.get(READY)
    assert answer.status_code == 503
    assert "has not answered within" in answer.json()["reason"]


async def test_postgresql_that_is_gone_is_not_ready_until_it_is_back(tmp_path: Path) -> None:
    server = Postgres()
    try:
        async with opened(tmp_path / "data", database=server.fresh()) as goldsmith:

            async def is_ready() -> bool:
                return (await goldsmith.wire.get(READY)).status_code == 200

            assert await is_ready()
            server.stop()

            async def is_unready() -> bool:
                return not await is_ready()

            await until_async(is_unready)
            server.start()
            await until_async(is_ready)
    finally:
        server.remove()


async def test_many_who_ask_cause_one_write(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as goldsmith:
        writes: list[int] = []
        store: Store = goldsmith.house.store
        async with client_of(store, lambda tx: writes.append(1)) as client:
            answers = await asyncio.gather(*(client.get(READY) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(writes) == 1
