"""A process of DBOS Transact with the same five empty steps: works on its queue, or first fills it.

    python benchmarks/dbos_worker.py PLACE NAME SLOTS [COUNT]

With COUNT it adds so many workflows, works on none, and ends. Set up as it was found to be fastest: a short poll, and
on SQLite an engine with a write-ahead log; `synchronous` is FULL there, as it is with goldsmith. The version of the
application is pinned, so that all processes share the queue.
"""

from __future__ import annotations

import sys
import threading

import sqlalchemy
from dbos import DBOS, DBOSConfig

STEPS = 5
QUEUE = "benchmark"
POLL_SECONDS = 0.05


@DBOS.step()  # type: ignore[untyped-decorator]
def step(number: int) -> int:
    """An empty step."""
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
def empty() -> None:
    """Five of them."""
    for number in range(STEPS):
        step(number)


def _config(place: str, name: str) -> DBOSConfig:
    config: DBOSConfig = {
        "name": "benchmark", "executor_id": name, "application_version": "1", "log_level": "ERROR",
    }  # fmt: skip
    if place.startswith("postgresql://"):
        return config | {"system_database_url": place.replace("postgresql://", "postgresql+psycopg://", 1)}
    return config | {"system_database_engine": _sqlite(place)}


def _sqlite(place: str) -> sqlalchemy.Engine:
    """An engine whose transactions begin as those of DBOS's own do, with a write-ahead log."""
    engine = sqlalchemy.create_engine(f"sqlite:///{place}")

    @sqlalchemy.event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = "IMMEDIATE"
        for setting in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    return engine


def main() -> None:
    """Read the command line; fill or work."""
    place, name, slots, *count = sys.argv[1:]
    DBOS(config=_config(place, name))
    if count:
        DBOS.listen_queues([])
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS, worker_concurrency=int(slots))
    if count:
        for _ in range(int(count[0])):
            DBOS.enqueue_workflow(QUEUE, empty)
        DBOS.destroy()
        return
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
