"""What only PostgreSQL can do to us: go away, come back, end transactions, keep others waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Column, MetaData, Table, insert, select, update
from tests.postgres import Postgres

from goldsmith.errors import INVALID, UNAVAILABLE, ServiceError
from goldsmith.store import Duplicate, Integer, Text, Tx
from goldsmith.store import postgres as module
from goldsmith.store.opening import DatabaseProblem
from goldsmith.store.postgres import PostgresStore
from goldsmith.store.schema_version import connected, upgrade

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text, nullable=False))


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    with connected(postgres_url) as connection:
        things.metadata.create_all(connection)
        connection.commit()
    store = PostgresStore(postgres_url)
    yield store
    store.close()


def put(number: int, text: str = "") -> object:
    return lambda tx: tx.run(insert(things).values(id=number, text=text))


def test_two_that_wait_for_each_other_both_succeed(store: PostgresStore) -> None:
    store.write_now(lambda tx: [put(1)(tx), put(2)(tx)])  # type: ignore[operator]
    meeting, runs = threading.Barrier(2), []

    def work(first: int, second: int) -> None:
        def change(tx: Tx) -> None:
            runs.append(first)
            tx.run(update(things).where(things.c.id == first).values(text=things.c.text + "x"))
            if len(runs) <= 2:
                meeting.wait(10)
            tx.run(update(things).where(things.c.id == second).values(text=things.c.text + "x"))

        store.write_now(change)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (1, 2), (2, 1)))
    assert len(runs) == 3
    assert [row["text"] for row in store.read_now(lambda tx: tx.rows(select(things)))] == ["xx", "xx"]


def test_a_transaction_that_stands_still_holds_up_nobody_and_runs_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    locked = threading.Event()

    def still(tx: Tx) -> None:
        tx.lock("door")
        runs.append(1)
        locked.set()
        if len(runs) == 1:
            time.sleep(module.IDLE_MS / 1000 * 1.5)  # as a process does that is suspended
        put(1)(tx)  # type: ignore[operator]

    def other(tx: Tx) -> None:
        tx.lock("door")
        put(2)(tx)  # type: ignore[operator]

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.write_now, still)
        assert locked.wait(10)
        store.write_now(other)
        assert runs == [1]
        first.result()
    assert runs == [1, 1]


def test_a_failure_that_is_ignored_inside_a_transaction_is_not_taken_for_success(store: PostgresStore) -> None:
    store.write_now(put(1))  # type: ignore[arg-type]

    def careless(tx: Tx) -> None:
        put(2)(tx)  # type: ignore[operator]
        with pytest.raises(Duplicate):
            put(1)(tx)  # type: ignore[operator]

    with pytest.raises(RuntimeError, match="nothing of it was kept"):
        store.write_now(careless)
    assert len(store.read_now(lambda tx: tx.rows(select(things)))) == 1


def test_a_character_that_cannot_be_stored_is_the_callers_fault(store: PostgresStore) -> None:
    with pytest.raises(ServiceError) as refusal:
        store.write_now(put(1, "a\0b"))  # type: ignore[arg-type]
    assert refusal.value.kind is INVALID


def test_a_database_that_is_gone_is_unavailable_and_is_used_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    server = Postgres()
    try:
        url = server.fresh()
        store = PostgresStore(url)
        try:
            assert store.read_now(lambda tx: tx.now)
            server.stop()
            with pytest.raises(ServiceError) as refusal:
                store.write_now(lambda tx: tx.now)
            assert refusal.value.kind is UNAVAILABLE
            assert refusal.value.headers["Retry-After"]
            with pytest.raises(DatabaseProblem, match="cannot be used"):
                upgrade(url)
            server.start()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    assert store.write_now(lambda tx: tx.now)
                    break
                except ServiceError:
                    time.sleep(0.1)
            else:
                pytest.fail("the store has not recovered")
        finally:
            store.close()
    finally:
        server.remove()


def test_connections_that_died_while_nobody_looked_are_replaced_without_a_failure(
    store: PostgresStore, postgres_url: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        meeting = threading.Barrier(8)
        list(pool.map(lambda _: store.read_now(lambda tx: (tx.now, meeting.wait(10))), range(8)))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            b" WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    for number in range(8):
        store.write_now(put(number))  # type: ignore[arg-type]
    assert len(store.read_now(lambda tx: tx.rows(select(things)))) == 8
