"""The metadata that every room's `models.py` registers its tables on, and the two types its columns have.

Columns are `Text` and `Integer` only: times are integers (milliseconds since 1970, UTC), booleans 0 and 1, documents
JSON text. So a statement compiled once can be handed to any database driver without converting values. Both mean the
same on every database: integers have 64 bits, and text is compared and sorted byte by byte.
"""

import sqlalchemy
from sqlalchemy import BigInteger, MetaData

Integer = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
