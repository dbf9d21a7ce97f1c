"""Alembic's entry point: migrates the connection that `schema_version.upgrade` hands over."""

from typing import Any, Literal

from alembic import context

import goldsmith.tables  # noqa: F401 - registers every table
from goldsmith.store.schema import Integer, Text, metadata

NAMES = {id(Integer): "Integer", id(Text): "Text"}


def written(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Our two types are written by their names."""
    return NAMES.get(id(item), False) if kind == "type" else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True, render_item=written
)
with context.begin_transaction():
    context.run_migrations()
