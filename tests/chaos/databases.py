"""The two databases on which chaos breaks out, each on a disk that can be made full, and a record of every change.

The record is kept by triggers, in the transaction of the change itself, so what is in it has happened and nothing else
has. On PostgreSQL it also says which process (`who`) has made the change.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import psycopg
from psycopg.rows import dict_row
from tests.chaos.disks import Disk, disk_on, with_children
from tests.database import rows
from tests.postgres import Postgres, new_folder, unprivileged
from tests.service import until

from goldsmith.setup import DATABASE

Rows = list[dict[str, Any]]
WATCHED = ("workflows", "workflow_steps", "jobs", "quotas", "image_servers", "placements")
BULKY = ("parameters", "spec", "output", "image_ref", "authorize_accounts")
"""Columns that nobody asks the record for."""
PATIENCE = 120.0
_RECORD = f"""
CREATE SCHEMA chaos;
CREATE TABLE chaos.changes (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, who text NOT NULL,
    thing text NOT NULL, op text NOT NULL, before jsonb, after jsonb);
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - '{{{",".join(BULKY)}}}'::text[] END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - '{{{",".join(BULKY)}}}'::text[] END;
BEGIN
    IF was - 'lease_until' IS DISTINCT FROM becomes - 'lease_until' THEN
        INSERT INTO chaos.changes (at, who, thing, op, before, after)
        VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint,
                coalesce(current_setting('chaos.who', true), ''), TG_TABLE_NAME, TG_OP, was, becomes);
    END IF;
    RETURN NULL;
END $$;
""" + "".join(
    f"CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION chaos.note();\n"
    for table in WATCHED
)


class Database(Protocol):
    """What chaos needs of a database."""

    name: str
    apis: int
    disk: Disk
    sign_of_full_disk: str

    def settings(self, who: str) -> dict[str, str]:
        """The settings of a process that uses it."""

    def rows(self, sql: str) -> Rows:
        """The rows of a query, now."""

    def watch(self) -> None:
        """Record every change from now on."""

    def changes(self) -> Rows:
        """Every change, in order."""

    def log(self) -> str:
        """What it has complained of."""

    def restart(self) -> str:
        """Stop and start it at once; what shows that this happened, "" where there is nothing to stop."""

    def recover(self) -> None:
        """Return when it works, after whatever has happened to it."""


class PostgresDatabase:
    """A PostgreSQL server of its own. Its disk is small, its log is not on it."""

    name, apis = "PostgreSQL", 2

    def __init__(self, server: Postgres, disk: Disk, log: Path) -> None:
        self._server, self._log = server, log
        self.disk, self.sign_of_full_disk = disk, disk.sign
        self._url = server.fresh()

    def settings(self, who: str) -> dict[str, str]:
        return {"GOLDSMITH_DATABASE": f"{self._url}&options={quote(f'-c chaos.who={who}', safe='')}"}

    def rows(self, sql: str) -> Rows:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=10, row_factory=dict_row) as connection:
            return connection.execute(sql.encode()).fetchall()

    def watch(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(_RECORD.encode())

    def changes(self) -> Rows:
        return self.rows("SELECT * FROM chaos.changes ORDER BY seq")

    def log(self) -> str:
        """What it and those who use it have complained of; while files are limited it may not be able to itself."""
        logs = (self._log, self._server.folder / "log")
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def restart(self) -> str:
        sign = "automatic recovery in progress"
        known = self.log().count(sign)
        self._server.stop()
        self._server.start()
        recovered = self.log().count(sign) > known
        return "it recovered from its log" if recovered else ""

    def recover(self) -> None:
        def works() -> bool:
            if not self._server.is_running():
                self._server.start()
            with suppress(psycopg.Error):
                return bool(self.rows("SELECT 1 AS one"))
            return False

        until(works, seconds=PATIENCE, every=0.1)


class SqliteDatabase:
    """The file in the data folder, which one API process serves."""

    name, apis = "SQLite", 1

    def __init__(self, data_dir: Path, disk: Disk, log: Path) -> None:
        self._data_dir, self.disk, self._log = data_dir, disk, log
        self.sign_of_full_disk = "database or disk is full" if disk.sign.startswith("No space") else "disk I/O error"

    def settings(self, who: str) -> dict[str, str]:
        return {}

    def rows(self, sql: str) -> Rows:
        return rows(self._data_dir, sql)

    def watch(self) -> None:
        with closing(sqlite3.connect(self._data_dir / DATABASE, timeout=10)) as connection, connection:
            connection.executescript("\n".join(_sqlite_record(connection)))

    def changes(self) -> Rows:
        found = self.rows("SELECT * FROM chaos_changes ORDER BY seq")
        return [row | {name: json.loads(row[name] or "null") for name in ("before", "after")} for row in found]

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def restart(self) -> str:
        return ""

    def recover(self) -> None:
        until(lambda: self.rows("SELECT 1 AS one"), seconds=PATIENCE, every=0.1)


def _sqlite_record(connection: sqlite3.Connection) -> Iterator[str]:
    yield """CREATE TABLE chaos_changes (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL,
                 thing TEXT NOT NULL, op TEXT NOT NULL, before TEXT, after TEXT);"""
    for table in WATCHED:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in BULKY]

        new, old = (
            f"json_object({', '.join(pairs)})"
            for pairs in ([f"'{name}', {row}.{name}" for name in names] for row in ("new", "old"))
        )
        changed = " OR ".join(f"old.{name} IS NOT new.{name}" for name in names if name != "lease_until")
        for op, before, after, when in (
            ("INSERT", "NULL", new, "1"),
            ("UPDATE", old, new, changed),
            ("DELETE", old, "NULL", "1"),
        ):
            yield f"""CREATE TRIGGER chaos_{table}_{op} AFTER {op} ON {table} WHEN {when} BEGIN
                INSERT INTO chaos_changes (at, who, thing, op, before, after)
                VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), '', '{table}', '{op}',
                        {before}, {after}); END;"""


@contextmanager
def database_of(kind: str, folder: Path, pids: Callable[[], list[int]]) -> Iterator[tuple[Database, Path]]:
    """A new database of this kind, and the data folder that belongs to it; `pids` are all of goldsmith's."""
    if kind == "sqlite":
        with disk_on(folder / "disk", pids, {}) as disk:
            data_dir = folder / "disk" / "data"
            yield SqliteDatabase(data_dir, disk, folder / "processes.log"), data_dir
        return
    home = new_folder()
    try:
        with disk_on(home / "data", lambda: _pids_of(home), unprivileged()) as disk:
            server = Postgres(home, "--wal-segsize=1", min_wal_size="2MB", max_wal_size="8MB", lc_messages="C")
            try:
                yield PostgresDatabase(server, disk, folder / "processes.log"), folder / "data"
            finally:
                if server.is_running():
                    server.stop()
    finally:
        shutil.rmtree(home)


def _pids_of(home: Path) -> list[int]:
    with suppress(OSError):
        return with_children(int((home / "data" / "postmaster.pid").read_text().split()[0]))
    return []
