"""The metadata that every room's `models.py` registers its tables on.

Columns are TEXT and INTEGER only: times are integers (milliseconds since 1970, UTC), booleans 0 and 1, documents
JSON text. So a statement compiled once can be handed to any database driver without converting values.
"""

from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
