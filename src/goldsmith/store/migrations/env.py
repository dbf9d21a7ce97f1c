"""Alembic's entry point: migrates the connection that `schema_version.upgrade` hands over."""

from alembic import context

import goldsmith.tables  # noqa: F401 - registers every table
from goldsmith.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
