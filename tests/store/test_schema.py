"""Migrations lead to the tables that the code declares; a database of a later version is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from goldsmith import tables
from goldsmith.store import metadata
from goldsmith.store.schema_version import SchemaTooNew, upgrade


def test_migrations_make_the_tables_that_the_rooms_declare(tmp_path: Path) -> None:
    assert tables.__all__
    path = tmp_path / "with 100% spaces.db"
    upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_constraint_of_the_rooms_is_in_the_migrations(tmp_path: Path) -> None:
    migrated, declared = tmp_path / "migrated.db", tmp_path / "declared.db"
    upgrade(migrated)
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    engine.dispose()
    assert constraints(migrated) == constraints(declared)


def constraints(path: Path) -> dict[str, object]:
    """Columns, keys and indexes of every table, as SQLite itself sees them."""
    with closing(sqlite3.connect(path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, object] = {}
        for name in sorted(set(names) - {"alembic_version"}):
            columns = sorted(row[1:] for row in database.execute(f"PRAGMA table_info({name})"))
            keys = sorted(row[2:] for row in database.execute(f"PRAGMA foreign_key_list({name})"))
            indexes = [row[1:5] for row in database.execute(f"PRAGMA index_list({name})")]
            covered = sorted(
                (unique, partial, [row[2] for row in database.execute(f"PRAGMA index_info({index})")])
                for index, unique, _, partial in indexes
            )
            found[name] = (columns, keys, covered)
        return found


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    upgrade(path)
    before = constraints(path)
    upgrade(path)
    assert constraints(path) == before


def test_a_database_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    upgrade(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match="9999_from_the_future"):
        upgrade(path)
    assert path.read_bytes() == before
