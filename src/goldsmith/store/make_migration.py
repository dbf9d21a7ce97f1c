"""For developers: write a migration from the difference between the tables and the newest migration.

`python -m goldsmith.store.make_migration "what changes"`; read what it wrote before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from goldsmith.store.schema_version import MIGRATIONS, upgrade


def main(message: str) -> None:
    """Write the file into `store/migrations/versions`."""
    number = len(list((MIGRATIONS / "versions").glob("[0-9]*.py"))) + 1
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "empty.db"
        if number > 1:
            upgrade(database)
        engine = create_engine(f"sqlite:///{database}")
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
