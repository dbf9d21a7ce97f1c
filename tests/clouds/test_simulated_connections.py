"""Several processes come and go at one world's file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from goldsmith.clouds.simulated import ledger
from goldsmith.clouds.simulated.connections import Connections


async def test_opening_waits_for_whoever_closes_the_file_and_work_in_the_loop_never_waits(tmp_path: Path) -> None:
    file = ledger.world_file(tmp_path)
    ledger.found(file, 0.0)
    connections = Connections(file)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        letting_go = threading.Timer(0.3, other.close)
        letting_go.start()
        connections.open()
        letting_go.join()
    assert await connections.run(lambda db: db.execute("PRAGMA busy_timeout").fetchone()) == (0,)
    await connections.close()
