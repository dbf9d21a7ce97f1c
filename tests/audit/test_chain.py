"""A trail that somebody has tampered with is found out, and the record is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from goldsmith.audit import chain
from goldsmith.http.auditing import Entry
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteReader, SqliteStore

Tamper = Callable[..., str | None]
SWAP = """UPDATE audit_records SET sequence = CASE sequence WHEN 4 THEN -5 ELSE -4 END WHERE sequence IN (4, 5);
UPDATE audit_records SET sequence = -sequence WHERE sequence < 0"""


def entry(number: int) -> Entry:
    return Entry(
        request_id=f"{number:032x}", operation="CreateImageServer", action="workspace:imageServer:create",
        service="workspace", method="POST", path="/v1/p/image-servers", source_ip="192.0.2.1", user_agent="t/1",
        outcome="allowed", status=200, user_name="jörg \u2028 𝕏",
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine, [table for table in metadata.sorted_tables if table.name.startswith("audit_")])
    engine.dispose()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


@pytest.fixture
def tamper(path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Tamper:
    """Ten records, then some SQL; what the check says. Batches are small, so that it takes several."""
    for number in range(1, 11):
        store.write_now(lambda tx, number=number: chain.append(tx, entry(number)))
    monkeypatch.setattr(chain, "BATCH", 3)

    def after(sql: str) -> str | None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(sql)
        with closing(SqliteReader(path)) as reader:
            fault = chain.verify(reader)
        return None if fault is None else str(fault.sequence)

    return after


def test_a_trail_that_nobody_touched_is_whole(tamper: Tamper, store: SqliteStore) -> None:
    assert tamper("SELECT 1") is None
    assert chain.head_of(store).count == 10


def test_an_empty_trail_is_whole(store: SqliteStore) -> None:
    assert chain.verify(store) is None
    assert chain.head_of(store) == chain.Head(0, chain.START)


@pytest.mark.parametrize("column", sorted(set(chain.COLUMNS) - {"sequence", "request_id", "part"}))
def test_a_changed_column_is_found(tamper: Tamper, column: str) -> None:
    value = "99" if column in {"time", "status", "dry"} else "'changed'"
    assert tamper(f"UPDATE audit_records SET {column} = {value} WHERE sequence = 7") == "7"


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM audit_records WHERE sequence = 6", "6"),
        ("DELETE FROM audit_records WHERE sequence = 1", "1"),
        ("DELETE FROM audit_records WHERE sequence > 8", "9"),
        ("DELETE FROM audit_records", "1"),
        (SWAP, "4"),
        ("UPDATE audit_records SET request_id = 'another' WHERE sequence = 10", "10"),
        ("UPDATE audit_records SET user_id = x'00ff' WHERE sequence = 2", "2"),
        ("DELETE FROM audit_records WHERE sequence = 10; UPDATE audit_head SET count = 9", "9"),
        ("UPDATE audit_head SET count = 9", "10"),
        ("DELETE FROM audit_head", "1"),
        ("UPDATE audit_head SET hash = 'another'", "10"),
    ],
)  # fmt: skip
def test_what_was_taken_away_moved_or_added_is_found(tamper: Tamper, sql: str, named: str) -> None:
    assert tamper(sql) == named


def test_a_record_written_anew_with_its_own_hash_does_not_fit_the_next(tamper: Tamper, path: Path) -> None:
    tamper("UPDATE audit_records SET user_id = 'another' WHERE sequence = 5")
    with closing(sqlite3.connect(path)) as database, database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM audit_records WHERE sequence = 5").fetchone())
        row.pop("hash")
        database.execute("UPDATE audit_records SET hash = ? WHERE sequence = 5", (chain.digest(row),))
    assert tamper("SELECT 1") == "6"


def test_a_trail_written_anew_as_a_whole_is_found_by_a_record_noted_before(
    tamper: Tamper, path: Path, store: SqliteStore
) -> None:
    noted = chain.head_of(store)
    assert chain.verify_known(store, noted.count, noted.hash) is None
    tamper("DELETE FROM audit_records; DELETE FROM audit_head")
    for number in range(1, 12):
        store.write_now(lambda tx, number=number: chain.append(tx, entry(number + 20)))
    assert chain.verify(store) is None
    assert chain.verify_known(store, noted.count, noted.hash) == chain.Fault(
        noted.count, "its hash is not the one that was noted"
    )


def test_several_processes_make_one_chain(path: Path, store: SqliteStore) -> None:
    with closing(SqliteStore(path)) as other:
        for number in range(20):
            writer = other if number % 3 else store
            writer.write_now(lambda tx, number=number: chain.append(tx, entry(number)))
    assert chain.verify(store) is None
    assert chain.head_of(store).count == 20
