"""The database: one small interface (`Store`), SQLite or PostgreSQL behind it, schema and migrations beside it."""

from goldsmith.store.functions import contains
from goldsmith.store.interface import Again, Duplicate, Prepared, Row, Store, Tx, document, prepare
from goldsmith.store.schema import Integer, Text, metadata

__all__ = [
    "Again", "Duplicate", "Integer", "Prepared", "Row", "Store", "Text", "Tx", "contains", "document", "metadata",
    "prepare",
]  # fmt: skip
