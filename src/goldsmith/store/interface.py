"""What every room may ask of the database.

A room writes its statements with SQLAlchemy Core, prepares the frequent ones once at import (`prepare`) and runs
them inside a function that gets a `Tx`. That function is synchronous, short and free of side effects other than
its statements: it may run again, in another thread, or together with others in one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic_core import to_json
from sqlalchemy import Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

T = TypeVar("T")
Row = Mapping[str, Any]
Parameters = Mapping[str, Any]


class Duplicate(Exception):
    """A row with this unique key exists already."""


class Again(Exception):
    """The database has ended the transaction by itself, and it will be run again: let this pass."""


class Compiled(NamedTuple):
    """SQL text, the parameters that are part of the statement itself, and how a driver gets all of them.

    `in_order` picks the values from a dictionary for a dialect whose parameters have no names in the text.
    """

    sql: str
    bound: dict[str, Any]
    in_order: Callable[[Parameters], tuple[Any, ...]]


class Prepared:
    """A statement compiled once per dialect; run it with `Tx.run(prepared, {...})`."""

    __slots__ = ("_compiled", "statement")

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """The statement for this dialect."""
        known = self._compiled.get(dialect.name)
        if known is None:
            known = self._compiled[dialect.name] = compile_statement(self.statement, dialect)
        return known


def prepare(statement: Executable) -> Prepared:
    """Prepare a module-level statement; an insert takes a parameter for every column."""
    return Prepared(statement)


def document(value: Any) -> str:
    """JSON text as it is kept in a column (a quarter of the time `json.dumps` takes)."""
    return to_json(value).decode()


def compile_statement(statement: Executable, dialect: Dialect) -> Compiled:
    """The statement for a dialect, with `IN` lists written out."""
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    required = {name for name, bind in compiled.binds.items() if bind.required}
    expanded = compiled.construct_expanded_state(dict.fromkeys(required), escape_names=False)
    given = {name: value for name, value in expanded.parameters.items() if name not in required}
    return Compiled(expanded.statement, given, _picker(expanded.positiontup or ()))


def _picker(names: Sequence[str]) -> Callable[[Parameters], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


class Tx(Protocol):
    """One transaction, or a part of one that can fail alone."""

    @property
    def now(self) -> int:
        """The database's clock: milliseconds since 1970, UTC."""

    def run(self, statement: Prepared | Executable, parameters: Parameters = ...) -> int:
        """Run a statement that returns nothing; the number of rows it changed. Raises `Duplicate`."""

    def rows(self, statement: Prepared | Executable, parameters: Parameters = ...) -> Sequence[Row]:
        """All rows of a query, or of a write with RETURNING."""

    def row(self, statement: Prepared | Executable, parameters: Parameters = ...) -> Row | None:
        """The first row, or None."""

    def scalar(self, statement: Prepared | Executable, parameters: Parameters = ...) -> Any:
        """The first column of the first row, or None."""

    def lock(self, name: str) -> None:
        """Keep every other transaction that asks for this name waiting until this one has ended.

        Take it before looking at what it guards. On SQLite, where only one transaction writes at a time, there is
        nothing to do.
        """

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this when all other work of the transaction is done: for what many wait for, to be held briefly."""

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once the transaction is durable; not at all when it fails. Runs in the writer's thread."""


companion: ContextVar[Callable[[Tx, Any], None] | None] = ContextVar("companion", default=None)
"""Runs after every piece of work written from this context, in the same transaction, with the work's result.

What it raises is the write's failure: neither the work nor its companion is kept.
"""


def accompanied(work: Callable[[Tx], T]) -> Callable[[Tx], T]:
    """`work`, followed by the companion of the caller's context if there is one."""
    follow = companion.get()
    if follow is None:
        return work

    def both(tx: Tx) -> T:
        result = work(tx)
        follow(tx, result)
        return result

    return both


class Reader(Protocol):
    """A database that can be looked at."""

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a consistent snapshot; blocks."""


class Store(Protocol):
    """A database that keeps what it has acknowledged."""

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction; returns its result after COMMIT and fsync.

        What `work` raises is raised here, with nothing written. `errors.UNAVAILABLE` when the database cannot
        be written.
        """

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a consistent snapshot."""

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """`write` for callers outside an event loop; blocks."""

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """`read` for callers outside an event loop; blocks."""

    def close(self) -> None:
        """Finish what is queued, then close every connection."""
