"""SQLite: WAL, `synchronous=FULL`, one writer thread that commits whatever waits together (decision 11).

One fsync serves up to 256 writes. One that fails leaves its neighbours alone: before it has changed anything there
is nothing to take back, and afterwards the whole batch runs again, each write in a savepoint of its own. (Savepoints
for all of them would cost a tenth of every create.) When COMMIT itself fails, all fail, because none is on disk.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from goldsmith.errors import UNAVAILABLE
from goldsmith.store.interface import Duplicate, Parameters, Prepared, Row, Tx, accompanied, compile_statement

T = TypeVar("T")
log = logging.getLogger(__name__)

BATCH = 256
BUSY_SECONDS = 10.0
CHECKPOINT_PAGES = 8192
"""Pages in the write-ahead log before they go to the database file: every checkpoint costs two more fsyncs, and a page
that changed often meanwhile is copied once."""
STATEMENTS = 512
"""Prepared statements kept by a connection; all of goldsmith's own fit."""
_DIALECT = SQLiteDialect(paramstyle="qmark")
"""Without names in the text: to look one up, the driver would let go of the interpreter, and wait to get it back."""
_NOTHING: dict[str, Any] = {}


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection set up as decision 11 wants it, in autocommit mode."""
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False, cached_statements=STATEMENTS
    )
    connection.row_factory = sqlite3.Row
    if not read_only:  # the writer has done it, and two at once would stand in each other's way
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


class SqliteTx:
    """A transaction on one connection; see `Tx`."""

    __slots__ = ("_connection", "callbacks", "endings")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.endings: list[Callable[[], None]] = []
        self.callbacks: list[Callable[[], None]] = []

    @property
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def _execute(self, statement: Prepared | Executable, parameters: Parameters) -> sqlite3.Cursor:
        if isinstance(statement, Prepared):
            sql, bound, in_order = statement.compiled(_DIALECT)
        else:
            sql, bound, in_order = compile_statement(statement, _DIALECT)
        values: Mapping[str, Any] = {**bound, **parameters} if bound else parameters
        try:
            return self._connection.execute(sql, in_order(values))
        except sqlite3.IntegrityError as error:
            if "UNIQUE" in str(error) or "PRIMARY KEY" in str(error):
                raise Duplicate(str(error)) from error
            raise

    def run(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> int:
        return self._execute(statement, parameters).rowcount

    def rows(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Sequence[Row]:
        return self._execute(statement, parameters).fetchall()

    def row(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Row | None:
        cursor = self._execute(statement, parameters)
        found: Row | None = cursor.fetchone()
        cursor.close()
        return found

    def scalar(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Any:
        row = self.row(statement, parameters)
        return None if row is None else row[0]  # type: ignore[index]

    def lock(self, name: str) -> None:
        """Nobody else writes."""

    def at_end(self, call: Callable[[], None]) -> None:
        self.endings.append(call)

    def after_commit(self, call: Callable[[], None]) -> None:
        self.callbacks.append(call)


class SqliteReader:
    """A database file that is only looked at: nothing in the folder is changed, and nobody is kept waiting."""

    def __init__(self, path: Path) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        self._connection.row_factory = sqlite3.Row

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a consistent snapshot."""
        return _on_snapshot(self._connection, work)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _on_snapshot(connection: sqlite3.Connection, work: Callable[[Tx], T]) -> T:
    connection.execute("BEGIN")
    try:
        return work(SqliteTx(connection))
    finally:
        connection.execute("ROLLBACK")


class _Write:
    """A piece of work on its way through the writer thread."""

    __slots__ = ("callbacks", "error", "future", "loop", "result", "work")

    def __init__(self, work: Callable[[Tx], Any], loop: asyncio.AbstractEventLoop | None, future: Any) -> None:
        self.work = work
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.callbacks: list[Callable[[], None]] = []

    def settle(self) -> None:
        if self.future.cancelled() or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteStore:
    """The `Store` on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._closed = False
        # Opened here: a file that cannot be used fails its opener, not a thread whose death nobody would hear of.
        connection = connect(path)
        self._writer = threading.Thread(
            target=self._write_forever, args=(connection,), name="store-writer", daemon=True
        )
        self._writer.start()

    async def write(self, work: Callable[[Tx], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(_Write(accompanied(work), loop, future))
        return await future

    async def read(self, work: Callable[[Tx], T]) -> T:
        # A read takes microseconds and never waits for the writer (WAL): a thread would cost more than it saves.
        return self.read_now(work)

    def write_now(self, work: Callable[[Tx], T]) -> T:
        future: Future[T] = Future()
        self._submit(_Write(accompanied(work), None, future))
        return future.result()

    def read_now(self, work: Callable[[Tx], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, read_only=True)
            with self._readers_lock:
                self._readers.append(connection)
        return _on_snapshot(connection, work)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        with self._readers_lock:
            for connection in self._readers:
                connection.close()

    def _submit(self, write: _Write) -> None:
        if self._closed:
            raise UNAVAILABLE.error("The service is shutting down.")
        self._queue.put(write)

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        try:
            while True:
                batch, last = self._next_batch()
                if batch:
                    self._commit_together(connection, batch)
                    _settle_all(batch)
                if last:
                    return
        finally:
            connection.close()

    def _next_batch(self) -> tuple[list[_Write], bool]:
        batch: list[_Write] = []
        while len(batch) < BATCH:
            try:
                write = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if write is None:
                return batch, True
            batch.append(write)
        return batch, False

    def _commit_together(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            if not all(_run(connection, write) for write in batch):
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                for write in batch:
                    _run_alone(connection, write)
            connection.execute("COMMIT")
        except Exception as error:
            log.error("commit failed: %s", error)
            for write in batch:
                write.error = _unavailable(error)
            _take_back(connection)
            return
        for write in batch:
            for call in write.callbacks if write.error is None else ():
                try:
                    call()
                except Exception:
                    log.exception("a call after commit failed")


def _take_back(connection: sqlite3.Connection) -> None:
    """End a transaction that failed. What SQLite cannot end now fails the next BEGIN, which ends here again."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        log.error("rollback failed: %s", error)


def _run(connection: sqlite3.Connection, write: _Write) -> bool:
    """Run one write; False when it failed and left changes behind that have to be taken back."""
    tx = SqliteTx(connection)
    changes = connection.total_changes
    try:
        write.result = write.work(tx)
        for call in tx.endings:
            call()
    except BaseException as error:
        if not connection.in_transaction:  # a full disk makes SQLite roll back the whole transaction by itself
            raise
        if connection.total_changes != changes:
            return False
        write.error = _refusal(error)
    else:
        write.callbacks = tx.callbacks
    return True


def _run_alone(connection: sqlite3.Connection, write: _Write) -> None:
    """Run one write inside a savepoint; its failure undoes only itself."""
    tx = SqliteTx(connection)
    write.error, write.callbacks = None, []
    connection.execute("SAVEPOINT one")
    try:
        write.result = write.work(tx)
        for call in tx.endings:
            call()
    except BaseException as error:
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO one")
        write.error = _refusal(error)
    else:
        write.callbacks = tx.callbacks
    connection.execute("RELEASE one")


def _settle_all(batch: list[_Write]) -> None:
    """Answer every waiting caller, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = defaultdict(list)
    for write in batch:
        if write.loop is None:
            write.settle()
        else:
            by_loop[write.loop].append(write)
    for loop, writes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, writes)
        except RuntimeError:
            log.warning("%d finished writes had nobody waiting: their event loop is closed", len(writes))


def _settle(writes: list[_Write]) -> None:
    for write in writes:
        write.settle()


def _refusal(error: BaseException) -> BaseException:
    return _unavailable(error) if isinstance(error, sqlite3.OperationalError) else error


def _unavailable(error: Exception) -> Exception:
    return UNAVAILABLE.error(f"The database cannot be written: {error}.", headers={"Retry-After": "5"})
