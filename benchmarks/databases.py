"""Fresh databases of either kind: SQLite files in a temporary folder, and a PostgreSQL server as the tests start it.

Both write durably: SQLite with `synchronous=FULL`, PostgreSQL with its defaults (fsync and synchronous_commit on).
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from goldsmith.store.opening import Place
from goldsmith.store.schema_version import upgrade

sys.path.append(str(Path(__file__).parent.parent))
from tests.postgres import Postgres

SQLITE, POSTGRES = KINDS = ("SQLite", "PostgreSQL")
Fresh = Callable[[str], Place]


@contextlib.contextmanager
def databases() -> Iterator[Fresh]:
    """What makes a database of this version's schema, given its kind; all are removed in the end."""
    numbers = count(1)
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as folder, contextlib.ExitStack() as stack:
        servers: list[Postgres] = []

        def fresh(kind: str) -> Place:
            if kind == POSTGRES:
                if not servers:
                    servers.append(Postgres())
                    stack.callback(servers[0].remove)
                url: str = servers[0].fresh()
                return url
            path = Path(folder) / f"{next(numbers)}.db"
            upgrade(path)
            return path

        yield fresh


def database_of(kind: str, fresh: Fresh) -> dict[str, str]:
    """The settings of a service on a database of this kind; a service makes its SQLite file itself."""
    return {"GOLDSMITH_DATABASE": str(fresh(kind))} if kind == POSTGRES else {}
