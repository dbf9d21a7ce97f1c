"""How the event loop uses the world's file without waiting for it.

A transaction of the simulated cloud takes some 50 microseconds, less than handing it to a thread and back; so
it runs right here as long as nobody else holds the file. When somebody does, it moves to a thread that can
wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from goldsmith.clouds.port import TryAgainLater
from goldsmith.clouds.simulated import ledger

T = TypeVar("T")

CHECKPOINT_EVERY = 500
"""Transactions between two checkpoints; they sync the disk, so the thread makes them."""


class Connections:
    """Two connections to one world: one for the event loop, which never waits, one for a thread, which may.

    `file` is the world's file, founded by the caller. `run` belongs to the thread that called `open`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._here: sqlite3.Connection | None = None
        self._there: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._since_checkpoint = 0

    def open(self) -> None:
        """Connect; nothing happens when open."""
        if self._here is not None:
            return
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulated-cloud")
        # Opening looks into the file, which whoever closes it as the last one holds for a moment.
        self._here = ledger.connect(self._file)
        self._here.execute("PRAGMA wal_autocheckpoint = 0")
        self._here.execute("PRAGMA busy_timeout = 0")

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do `job` in this thread, or in the other one when the file is held by someone.

        `job` leaves no transaction open, and can be run again after it failed. Raises what the job raises,
        and `TryAgainLater` when the file cannot be read or written.
        """
        if self._here is None or self._thread is None:
            raise RuntimeError("The simulated cloud is not open.")
        self._checkpoint_when_due(self._thread)
        try:
            try:
                return job(self._here)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._run_patiently, job)
        except sqlite3.Error as error:
            raise TryAgainLater(f"The simulated cloud cannot use its file {self._file}: {error}") from error

    async def close(self) -> None:
        """Disconnect after what still runs; nothing happens when not open."""
        if self._here is None or self._thread is None:
            return
        here, thread, self._here, self._thread = self._here, self._thread, None, None
        here.close()
        await asyncio.get_running_loop().run_in_executor(thread, self._close_there)
        thread.shutdown(wait=False)

    def _run_patiently(self, job: Callable[[sqlite3.Connection], T]) -> T:
        if self._there is None:
            self._there = ledger.connect(self._file)
        return job(self._there)

    def _close_there(self) -> None:
        if self._there is not None:
            self._there.close()
            self._there = None

    def _checkpoint_when_due(self, thread: ThreadPoolExecutor) -> None:
        self._since_checkpoint += 1
        if self._since_checkpoint >= CHECKPOINT_EVERY:
            self._since_checkpoint = 0
            thread.submit(self._run_patiently, lambda db: db.execute("PRAGMA wal_checkpoint").fetchall())
