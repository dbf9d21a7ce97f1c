"""The database: one small interface (`Store`), SQLite behind it, schema and migrations beside it."""

from goldsmith.store.interface import Duplicate, Prepared, Row, Store, Tx, document, prepare
from goldsmith.store.schema import metadata

__all__ = ["Duplicate", "Prepared", "Row", "Store", "Tx", "document", "metadata", "prepare"]
