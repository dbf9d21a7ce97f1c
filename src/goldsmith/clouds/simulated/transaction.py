"""One call of the driver as one transaction on the world: faults before, effect, faults after, log.

Because all of it commits at once, the log and the counts of fired faults are as true as the world itself,
whenever the process is killed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from goldsmith.clouds.port import CloudError
from goldsmith.clouds.simulated import faults
from goldsmith.clouds.simulated.faults import Call, Struck
from goldsmith.clouds.simulated.ledger import Moment, moment

T = TypeVar("T")

LOG_LIMIT = 20_000
"""Calls (and commands) that are remembered; older ones are forgotten."""
_TRIM_EVERY = 256


@dataclass(frozen=True, slots=True)
class Effect(Generic[T]):
    """What a call did: its `value`, whether it `changed` the world, and when it `ends` on the simulated
    clock.
    """

    value: T
    changed: bool = False
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The `value` of a call, to be handed over after `wait` real seconds."""

    value: T
    wait: float


Act = Callable[[sqlite3.Connection, Moment], Effect[T]]
"""Changes the world within a transaction that is open already; raises a `CloudError` before it changes
anything.
"""


def look(db: sqlite3.Connection, real_now: float, call: Call, act: Act[T]) -> Done[T]:
    """Perform a call that only reads: no transaction and no log, unless a fault may strike it."""
    if faults.armed(db, call.name):
        return change(db, real_now, call, act, logged=False)
    return Done(act(db, moment(db, real_now)).value, 0.0)


def change(db: sqlite3.Connection, real_now: float, call: Call, act: Act[T], logged: bool = True) -> Done[T]:
    """Perform a call and write it to the log, at least (when not `logged`) if a fault strikes it.

    Raises the `CloudError` of `act`, or `Struck` when a fault fired; the transaction has been committed then.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        try:
            done = _change(db, real_now, call, act, logged)
        except (CloudError, Struck):
            db.execute("COMMIT")
            raise
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return done


def _change(db: sqlite3.Connection, real_now: float, call: Call, act: Act[T], logged: bool) -> Done[T]:
    now = moment(db, real_now)
    candidates = faults.armed(db, call.name)
    fault = faults.strike(db, candidates, "before", call)
    if fault is not None:
        _log(db, now, call, "prevented", f"before:{fault.error}")
        raise Struck(fault)
    # Matched before the effect, which may remove the thing whose name or key is to match.
    db.execute("SAVEPOINT after")
    fault = faults.strike(db, candidates, "after", call)
    try:
        effect = act(db, now)
    except CloudError:
        db.execute("ROLLBACK TO after")
        if logged:
            _log(db, now, call, "refused", "")
        raise
    if logged or fault is not None:
        outcome = "changed" if effect.changed else "unchanged"
        _log(db, now, call, outcome, f"after:{fault.error}" if fault else "")
    if fault is not None:
        raise Struck(fault)
    return Done(effect.value, max(0.0, effect.ends - now.now) / now.speed)


def _log(db: sqlite3.Connection, now: Moment, call: Call, outcome: str, fault: str) -> None:
    seq = db.execute(
        "INSERT INTO calls (at, process, call, subject, key, outcome, fault) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (now.now, os.getpid(), call.name, call.subject, call.key, outcome, fault),
    ).lastrowid
    if seq is not None and seq % _TRIM_EVERY == 0:
        db.execute("DELETE FROM calls WHERE seq <= ?", (seq - LOG_LIMIT,))
        db.execute("DELETE FROM commands WHERE seq <= (SELECT max(seq) FROM commands) - ?", (LOG_LIMIT,))
