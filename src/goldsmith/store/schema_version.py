"""Bringing a database to the schema of this version, with Alembic.

A database that has the newest schema already, as nearly every one has, is recognised without importing Alembic: that
alone would take as long as the rest of a start.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from goldsmith.store.opening import DatabaseProblem, Place, shown

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_SECONDS = 5
_RECORDED = "SELECT version_num FROM alembic_version"
_REVISION = re.compile(r"""^(down_)?revision\b[^=\n]*=\s*["']([^"']+)["']""", re.MULTILINE)


class SchemaTooNew(Exception):
    """The database was made by a later version of goldsmith."""


def upgrade(place: Place, migrations: Path = MIGRATIONS) -> None:
    """Make or migrate the database. Raises `SchemaTooNew` and `DatabaseProblem`, with nothing changed."""
    if _recorded(place) == [(newest(migrations),)]:
        return
    from alembic import command

    with connected(place, begin="BEGIN IMMEDIATE") as connection:
        if connection.dialect.name == "postgresql":  # processes that start together migrate one after the other
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('goldsmith schema', 0))"))
        config = config_of(migrations)
        current = _current_of(connection)
        if current is not None and current not in known_revisions(migrations):
            raise SchemaTooNew(f"{shown(place)} has schema {current}, which this version of goldsmith does not know.")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def current_revision(place: Place) -> str | None:
    """The schema that a database has; None when it has none. Nothing is changed. Raises `DatabaseProblem`."""
    with connected(place) as connection:
        return _current_of(connection)


def newest(migrations: Path = MIGRATIONS) -> str:
    """The revision that no other one follows, read from the files as they are."""
    found: dict[str, set[str]] = {"": set(), "down_": set()}
    for file in (migrations / "versions").glob("[0-9]*.py"):
        for is_followed, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
            found[is_followed].add(revision)
    (last,) = found[""] - found["down_"]
    return last


def known_revisions(migrations: Path = MIGRATIONS) -> set[str]:
    """Every schema that this version can start from."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(config_of(migrations)).walk_revisions()}


def config_of(migrations: Path) -> Config:
    """Alembic's settings for a folder of migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _current_of(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def _recorded(place: Place) -> Sequence[tuple[Any, ...]]:
    """What the database says of its schema; nothing when it cannot be asked, which Alembic will then explain."""
    if isinstance(place, Path):
        try:
            with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True)) as file:
                return file.execute(_RECORDED).fetchall()
        except sqlite3.Error:
            return ()
    import psycopg

    try:
        with psycopg.connect(place, connect_timeout=CONNECT_SECONDS) as server:
            return server.execute(_RECORDED).fetchall()
    except psycopg.Error:
        return ()


@contextmanager
def connected(place: Place, begin: str = "BEGIN") -> Iterator[Connection]:
    """A connection of SQLAlchemy's, for migrations; on SQLite `begin` begins its transactions."""
    engine = _engine(place, begin)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise DatabaseProblem(f"the database {shown(place)} cannot be used: {said[0]}") from error
    finally:
        engine.dispose()


def _engine(place: Place, begin: str) -> Engine:
    if isinstance(place, Path):
        # Left to itself, Python's driver commits before every change of a table: half a migration would stay.
        engine = create_engine(f"sqlite:///{place}", connect_args={"isolation_level": None})
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine
    import psycopg

    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(place, connect_timeout=CONNECT_SECONDS)
    )
