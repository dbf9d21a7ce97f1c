"""Enterprise projects, except the default one: that is in no table, since every account has it."""

from sqlalchemy import Column, Table, UniqueConstraint

from goldsmith.store import Integer, Text, metadata

enterprise_projects = Table(
    "enterprise_projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("domain_id", "name"),
)
"""`status` is 1 (enabled) or 2 (disabled), as on the wire."""
