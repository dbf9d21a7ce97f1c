"""One commit for many writes: each succeeds or fails alone, and what is acknowledged stays."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.store.conftest import found_database, things

from goldsmith.errors import CONFLICT, UNAVAILABLE, ServiceError
from goldsmith.store import Duplicate, Tx
from goldsmith.store.opening import DatabaseProblem, open_store
from goldsmith.store.sqlite import SqliteStore

Work = Callable[[Tx], Any]


def add(number: int, then: BaseException | None = None) -> Work:
    def work(tx: Tx) -> int:
        tx.run(insert(things).values(id=number, text=str(number)))
        if then is not None:
            raise then
        return number

    return work


def ids(store: SqliteStore) -> list[int]:
    return [row["id"] for row in store.read_now(lambda tx: tx.rows(select(things.c.id).order_by(things.c.id)))]


async def together(store: SqliteStore, *works: Work) -> list[Any]:
    """Let the writes wait behind a slow one, so that they share a commit."""
    gate = threading.Event()
    first = asyncio.create_task(store.write(lambda tx: gate.wait(10)))
    tasks = [asyncio.create_task(store.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_write_that_fails_leaves_its_neighbours_alone(store: SqliteStore) -> None:
    refused = CONFLICT.error("no")
    answers = await together(store, add(1), add(2, refused), add(1), add(3, ValueError("broken")), add(4))
    assert answers[0] == 1
    assert answers[1] is refused
    assert isinstance(answers[2], Duplicate)
    assert isinstance(answers[3], ValueError)
    assert answers[4] == 4
    assert ids(store) == [1, 4]


async def test_many_writers_are_all_answered_and_all_there(store: SqliteStore) -> None:
    answers = await asyncio.gather(*(store.write(add(number)) for number in range(1000)))
    assert answers == list(range(1000))
    assert ids(store) == list(range(1000))


async def test_a_write_sees_what_was_written_before_it_in_the_same_commit(store: SqliteStore) -> None:
    def look(tx: Tx) -> list[int]:
        return [row["id"] for row in tx.rows(select(things.c.id))]

    assert (await together(store, add(1), look, add(2), look))[1::2] == [[1], [1, 2]]


async def test_calls_after_commit_happen_for_what_succeeded_and_a_broken_one_harms_nobody(store: SqliteStore) -> None:
    called: list[str] = []

    def noting(number: int, then: BaseException | None = None) -> Work:
        def work(tx: Tx) -> None:
            tx.after_commit(lambda: called.append(str(ids(store))))
            tx.after_commit(lambda: 1 / 0)
            add(number, then)(tx)

        return work

    answers = await together(store, noting(1), noting(2, ValueError()), noting(3))
    assert answers[0] is answers[2] is None
    assert called == ["[1, 3]", "[1, 3]"]


async def test_readers_never_see_half_a_write_and_cannot_write(store: SqliteStore) -> None:
    seen: list[list[int]] = []

    def work(tx: Tx) -> None:
        add(1)(tx)
        seen.append(ids(store))
        add(2)(tx)

    await store.write(work)
    assert seen == [[]]
    assert ids(store) == [1, 2]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.read_now(add(3))


async def test_a_caller_who_has_left_does_not_stop_the_others(store: SqliteStore) -> None:
    gone = asyncio.create_task(store.write(add(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await store.write(add(2))
    assert 2 in ids(store)


async def test_closing_finishes_what_is_queued_and_refuses_what_comes_later(store: SqliteStore) -> None:
    queued = [asyncio.create_task(store.write(add(number))) for number in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    assert await asyncio.gather(*queued) == list(range(50))
    with pytest.raises(ServiceError) as refusal:
        await store.write(add(51))
    assert refusal.value.kind is UNAVAILABLE
    store.close()


async def test_an_acknowledged_write_can_be_read_by_another_process_at_once(store: SqliteStore, tmp_path: Path) -> None:
    await store.write(add(7))
    with closing(sqlite3.connect(tmp_path / "test.db")) as other:
        assert other.execute("SELECT id FROM things").fetchall() == [(7,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_reader_that_is_there_at_once_disturbs_nobody(tmp_path: Path) -> None:
    """A new file is no WAL database yet; when writer and reader made it one together, either could fail."""
    path = found_database(tmp_path / "test.db")
    store = SqliteStore(path)
    try:
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.read_now(lambda tx: tx.scalar(select(things.c.id))) is None
    finally:
        store.close()


def test_a_file_that_cannot_be_used_fails_its_opener(tmp_path: Path) -> None:
    """It once killed the writer's thread, and every write waited for ever."""
    path = tmp_path / "not.db"
    path.write_text("no database at all, whatever its name says")
    with pytest.raises(DatabaseProblem, match="not a database"):
        open_store(path)
