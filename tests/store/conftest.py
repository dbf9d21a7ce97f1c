"""A table to write to, in a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine

from goldsmith.store.sqlite import SqliteStore

things = Table(
    "things", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text, nullable=False)
)  # fmt: skip


def found_database(path: Path) -> Path:
    engine = create_engine(f"sqlite:///{path}")
    things.metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., SqliteStore]]:
    stores: list[SqliteStore] = []

    def open_(folder: Path = tmp_path) -> SqliteStore:
        path = folder / "test.db"
        store = SqliteStore(path if path.exists() else found_database(path))
        stores.append(store)
        return store

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., SqliteStore]) -> SqliteStore:
    return open_store()
