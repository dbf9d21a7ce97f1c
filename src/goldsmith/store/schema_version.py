"""Bringing a database to the schema of this version, with Alembic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from goldsmith.store.opening import DatabaseProblem, Place, shown

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_SECONDS = 5


class SchemaTooNew(Exception):
    """The database was made by a later version of goldsmith."""


def upgrade(place: Place, migrations: Path = MIGRATIONS) -> None:
    """Make or migrate the database. Raises `SchemaTooNew` and `DatabaseProblem`, with nothing changed."""
    with connected(place) as connection:
        if connection.dialect.name == "postgresql":  # processes that start together migrate one after the other
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('goldsmith schema', 0))"))
        config = config_of(migrations)
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known_revisions(migrations):
            raise SchemaTooNew(f"{shown(place)} has schema {current}, which this version of goldsmith does not know.")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def current_revision(place: Place) -> str | None:
    """The schema that a database has; None when it has none. Nothing is changed. Raises `DatabaseProblem`."""
    with connected(place) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known_revisions(migrations: Path = MIGRATIONS) -> set[str]:
    """Every schema that this version can start from."""
    return {script.revision for script in ScriptDirectory.from_config(config_of(migrations)).walk_revisions()}


def config_of(migrations: Path) -> Config:
    """Alembic's settings for a folder of migrations."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


@contextmanager
def connected(place: Place) -> Iterator[Connection]:
    """A connection of SQLAlchemy's, for migrations."""
    engine = _engine(place)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise DatabaseProblem(f"the database {shown(place)} cannot be used: {said[0]}") from error
    finally:
        engine.dispose()


def _engine(place: Place) -> Engine:
    if isinstance(place, Path):
        return create_engine(f"sqlite:///{place}")
    import psycopg

    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(place, connect_timeout=CONNECT_SECONDS)
    )
