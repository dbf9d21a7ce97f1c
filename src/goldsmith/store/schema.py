"""The metadata that every room's `models.py` registers its tables on, and the two types its columns have.

Columns are `Text` and `Integer` only: times are integers (milliseconds since 1970, UTC), booleans 0 and 1, documents
JSON text. So a statement compiled once can be handed to any database driver without converting values. Both mean the
same on every database: integers have 64 bits, and text is compared and sorted byte by byte.
"""

from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Column, Index, MetaData, text

Integer = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def partial_index(name: str, *columns: Column[Any], where: str) -> None:
    """An index of the rows for which `where` holds."""
    Index(name, *columns, sqlite_where=text(where), info={"where": where})


def complete_partial_indexes() -> None:
    """Say the same to PostgreSQL, for whoever makes or compares tables.

    Apart, since SQLAlchemy imports all it has for a database as soon as one of its options is named.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            if "where" in index.info:
                index.dialect_options["postgresql"]["where"] = text(index.info["where"])
