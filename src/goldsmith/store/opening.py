"""Opening the database that the settings name: a SQLite file (`Path`) or a `postgresql://` URL (`str`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from goldsmith.store.interface import Reader, Store

Place = Path | str


class DatabaseProblem(Exception):
    """The database cannot be used; the text says why."""


def open_store(place: Place) -> Store:
    """The database, to be closed in the end. PostgreSQL's driver is imported only when it is wanted.

    Raises `DatabaseProblem` when a SQLite file cannot be used.
    """
    if isinstance(place, Path):
        from goldsmith.store.sqlite import SqliteStore

        try:
            return SqliteStore(place)
        except sqlite3.Error as error:
            raise DatabaseProblem(f"{place} cannot be used: {error}") from error
    from goldsmith.store.postgres import PostgresStore

    return PostgresStore(place)


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    """The database, only to be looked at. Raises `DatabaseProblem` when that is impossible."""
    if isinstance(place, Path):
        from goldsmith.store.sqlite import SqliteReader

        try:
            reader = SqliteReader(place)
            try:
                yield reader
            finally:
                reader.close()
        except sqlite3.Error as error:
            raise DatabaseProblem(f"{place} cannot be read: {error}") from error
        return
    store = open_store(place)
    try:
        yield store
    finally:
        store.close()


def shown(place: Place) -> str:
    """The place as it may be printed: without a password."""
    if isinstance(place, Path):
        return str(place)
    parts = urlsplit(place)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query="").geturl()
