"""PostgreSQL: the same `Store`, for several processes on several hosts.

Transactions run at READ COMMITTED. What must not happen twice at once takes a named lock (`Tx.lock`) that lasts until
the commit. A transaction that PostgreSQL ended by itself, or whose connection was lost before COMMIT was sent, has
left nothing behind and runs again; so does, once, one that met a `Duplicate`, since it could not see the other row.

A process that is suspended in the middle of a transaction would keep everybody waiting: PostgreSQL ends transactions
that are idle for `IDLE_MS`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors as causes
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from goldsmith.errors import INVALID, UNAVAILABLE, ServiceError
from goldsmith.store.interface import (
    Again,
    Duplicate,
    Parameters,
    Prepared,
    Row,
    Tx,
    accompanied,
    compile_statement,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

WRITERS, READERS, SPARE = 8, 6, 2
"""Threads that write and that read, and connections for callers outside an event loop, such as the heartbeat."""
PATIENCE_SECONDS = 5.0
"""How long a caller waits for a connection; a restart of the database is over by then."""
ATTEMPTS = 30
IDLE_MS = 2000
STATEMENTS = 512
"""Prepared statements kept by a connection; all of goldsmith's own fit."""
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_NOTHING: dict[str, Any] = {}
_AGAIN = (causes.SerializationFailure, causes.DeadlockDetected, causes.IdleInTransactionSessionTimeout)
_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now"
_BEGIN_WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT {_CLOCK}"
_BEGIN_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {_CLOCK}"
"""Nearly every transaction needs the clock, and every question costs a round trip."""
_LOCK = f"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0)), {_CLOCK}"
"""Taking a lock may take a while, so the clock is read again after it."""
Connection = psycopg.Connection[dict[str, Any]]


class PostgresTx:
    """A transaction on one connection; see `Tx`."""

    __slots__ = ("_connection", "_locks", "_now", "callbacks", "endings")

    def __init__(self, connection: Connection, begin: str) -> None:
        self._connection = connection
        begun = self._send(begin, None)
        begun.nextset()
        self._now = _now_in(begun)
        self._locks: set[str] = set()
        self.endings: list[Callable[[], None]] = []
        self.callbacks: list[Callable[[], None]] = []

    @property
    def now(self) -> int:
        return self._now

    def _execute(self, statement: Prepared | Executable, parameters: Parameters) -> psycopg.Cursor[dict[str, Any]]:
        if isinstance(statement, Prepared):
            sql, bound, _ = statement.compiled(_DIALECT)
        else:
            sql, bound, _ = compile_statement(statement, _DIALECT)
        return self._send(sql, {**bound, **parameters})

    def _send(self, sql: str, parameters: Any) -> psycopg.Cursor[dict[str, Any]]:
        try:
            return self._connection.execute(sql.encode(), parameters)
        except causes.UniqueViolation as error:
            raise Duplicate(str(error)) from error
        except _AGAIN as error:
            raise Again(str(error)) from error
        except psycopg.DataError as error:
            if "NUL" in str(error):
                raise INVALID.error("Text may not contain the character U+0000.") from error
            raise
        except psycopg.Error as error:
            if self._connection.closed:
                raise Again(str(error)) from error
            raise

    def run(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> int:
        return self._execute(statement, parameters).rowcount

    def rows(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Sequence[Row]:
        return self._execute(statement, parameters).fetchall()

    def row(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Row | None:
        return self._execute(statement, parameters).fetchone()

    def scalar(self, statement: Prepared | Executable, parameters: Parameters = _NOTHING) -> Any:
        row = self.row(statement, parameters)
        return None if row is None else next(iter(row.values()))

    def lock(self, name: str) -> None:
        if name in self._locks:
            return
        self._locks.add(name)
        self._now = _now_in(self._send(_LOCK, (name,)))

    def at_end(self, call: Callable[[], None]) -> None:
        self.endings.append(call)

    def after_commit(self, call: Callable[[], None]) -> None:
        self.callbacks.append(call)


def _now_in(cursor: psycopg.Cursor[dict[str, Any]]) -> int:
    found = cursor.fetchone()
    assert found is not None
    return int(found["now"])


class PostgresStore:
    """The `Store` on one PostgreSQL database, given as a `postgresql://` URL."""

    def __init__(self, url: str) -> None:
        most = WRITERS + READERS + SPARE
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url, min_size=1, max_size=most, timeout=PATIENCE_SECONDS, reconnect_timeout=PATIENCE_SECONDS, open=True,
            kwargs={"row_factory": dict_row, "autocommit": True, "connect_timeout": int(PATIENCE_SECONDS),
                    "application_name": "goldsmith"},
            configure=_configure, name="goldsmith",
        )  # fmt: skip
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._closed = False

    async def write(self, work: Callable[[Tx], T]) -> T:
        # The companion is looked up here: the context does not cross over into the thread by itself.
        return await self._in(self._writers, self._write, accompanied(work))

    async def read(self, work: Callable[[Tx], T]) -> T:
        return await self._in(self._readers, self._read, work)

    def write_now(self, work: Callable[[Tx], T]) -> T:
        self._require_open()
        return self._write(accompanied(work))

    def read_now(self, work: Callable[[Tx], T]) -> T:
        self._require_open()
        return self._read(work)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._pool.close()

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[..., T], work: Callable[[Tx], T]) -> T:
        self._require_open()
        return await asyncio.get_running_loop().run_in_executor(threads, call, work)

    def _require_open(self) -> None:
        if self._closed:
            raise UNAVAILABLE.error("The service is shutting down.")

    def _read(self, work: Callable[[Tx], T]) -> T:
        return self._until_done(lambda: self._transaction(_BEGIN_READ, work)[0])

    def _write(self, work: Callable[[Tx], T]) -> T:
        def once() -> T:
            result, callbacks = self._transaction(_BEGIN_WRITE, work)
            for call in callbacks:
                try:
                    call()
                except Exception:
                    log.exception("a call after commit failed")
            return result

        return self._until_done(once)

    def _until_done(self, once: Callable[[], T]) -> T:
        has_met_another = False
        for attempt in range(ATTEMPTS):
            try:
                return once()
            except Duplicate:
                if has_met_another:
                    raise
                has_met_another = True
            except Again as error:
                log.debug("a transaction runs again: %s", error)
                time.sleep(random.uniform(0, 0.001 * 2 ** min(attempt, 7)))  # noqa: S311 - spreads load
            except (psycopg.OperationalError, psycopg.InternalError, PoolTimeout, PoolClosed) as error:
                raise _unavailable(error) from error
        raise _unavailable(None)

    def _transaction(self, begin: str, work: Callable[[Tx], T]) -> tuple[T, list[Callable[[], None]]]:
        with self._pool.connection() as connection:
            with _rolled_back(connection):
                tx = PostgresTx(connection, begin)
                result = work(tx)
                for call in tx.endings:
                    call()
            # When this fails nobody knows whether it is kept: the caller is told, and nothing is repeated.
            if connection.execute(b"COMMIT").statusmessage != "COMMIT":
                raise RuntimeError("a failure inside a transaction was ignored, so nothing of it was kept")
            return result, tx.callbacks


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    """Take back what was done when the block fails."""
    try:
        yield
    except BaseException:
        if not connection.closed:
            try:
                connection.rollback()
            except psycopg.Error:
                connection.close()
        raise


def _configure(connection: Connection) -> None:
    connection.prepared_max = STATEMENTS
    connection.execute(
        b"SELECT set_config('idle_in_transaction_session_timeout', '%d', false),"
        b" CASE WHEN current_setting('synchronous_commit') = 'off'"
        b" THEN set_config('synchronous_commit', 'on', false) END" % IDLE_MS
    )


def _unavailable(error: Exception | None) -> ServiceError:
    what = "too much happens at once" if error is None else str(error).strip().splitlines()[0][:200]
    return UNAVAILABLE.error(f"The database cannot be used: {what}.", headers={"Retry-After": "5"})
