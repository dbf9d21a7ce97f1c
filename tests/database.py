"""A service's database seen from outside: read only, or changed where no operation does it yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from goldsmith.setup import DATABASE

CLAIMS = ("ports", "placements", "server_groups", "app_servers", "app_groups", "app_group_authorizations")
"""Tables that hold nothing when no image server does."""

RESTLESS = ("audit_", "leases")
"""Tables that grow with every refusal, or that workers renew."""


@contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection."""
    uri = f"{(data_dir / DATABASE).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(data_dir: Path, sql: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query."""
    with reading(data_dir) as connection:
        return [dict(row) for row in connection.execute(sql, values)]


def tables(data_dir: Path) -> list[str]:
    """Every table."""
    found = rows(data_dir, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(row["name"] for row in found)


def contents(data_dir: Path) -> dict[str, list[str]]:
    """Everything in every table, except those that change by themselves."""
    names = [name for name in tables(data_dir) if not name.startswith(RESTLESS)]
    with reading(data_dir) as connection:
        return {name: sorted(map(repr, map(tuple, connection.execute(f"SELECT * FROM {name}")))) for name in names}


def change(data_dir: Path, sql: str, *values: Any) -> None:
    """Run one statement, durable when this returns."""
    with closing(sqlite3.connect(data_dir / DATABASE, timeout=10)) as connection, connection:
        connection.execute(sql, values)


def leaks(data_dir: Path) -> dict[str, Any]:
    """What is still claimed in the database; empty when no image server has anything."""
    found: dict[str, Any] = {}
    for table in CLAIMS:
        left = rows(data_dir, f"SELECT * FROM {table}")
        if left:
            found[table] = left
    sums = {
        "host_use": "SELECT * FROM host_use WHERE vcpus <> 0 OR memory_mib <> 0 OR disk_gib <> 0",
        "quotas": "SELECT * FROM quotas WHERE used <> 0",
        "subnets": "SELECT id, used FROM subnets WHERE used <> 0",
        "workflows": "SELECT * FROM workflows WHERE state NOT IN ('done', 'failed')",
    }
    for name, sql in sums.items():
        left = rows(data_dir, sql)
        if left:
            found[name] = left
    return found
