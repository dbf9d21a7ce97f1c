"""Rows that say which process does what only one may do at a time."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, or_, select, update

from goldsmith.events.models import leases
from goldsmith.store import Tx, prepare

_l = leases.c
_RENEW = prepare(
    update(leases)
    .where(
        _l.name == bindparam("of"),
        or_(_l.owner == bindparam("me"), _l.until < bindparam("now"), _l.until > bindparam("far")),
    )
    .values(owner=bindparam("me"), until=bindparam("end"))
)
_INSERT = prepare(insert(leases))
_EXISTS = prepare(select(_l.name).where(_l.name == bindparam("of")))
_HELD = prepare(select(_l.until).where(_l.name == bindparam("of"), _l.owner == bindparam("me")))
_RELEASE = prepare(delete(leases).where(_l.name == bindparam("of"), _l.owner == bindparam("me")))
_RELEASE_ALIKE = prepare(delete(leases).where(_l.name == bindparam("of"), _l.owner.like(bindparam("pattern"))))


def acquire(tx: Tx, name: str, me: str, milliseconds: int) -> bool:
    """Take the lease, or keep it; whether it is mine now. One that would last for ages is of a clock since set back."""
    end, far = tx.now + milliseconds, tx.now + 10 * milliseconds
    if tx.run(_RENEW, {"of": name, "me": me, "now": tx.now, "end": end, "far": far}):
        return True
    if tx.row(_EXISTS, {"of": name}) is not None:
        return False
    tx.run(_INSERT, {"name": name, "owner": me, "until": end})
    return True


def holds(tx: Tx, name: str, me: str) -> bool:
    """Whether the lease is mine and has not ended."""
    return (tx.scalar(_HELD, {"of": name, "me": me}) or 0) > tx.now


def release(tx: Tx, name: str, me: str) -> None:
    """Give the lease back, if it is mine."""
    tx.run(_RELEASE, {"of": name, "me": me})


def release_alike(tx: Tx, name: str, prefix: str) -> None:
    """Give back the lease of a process with this prefix: for one that knows that it is dead."""
    tx.run(_RELEASE_ALIKE, {"of": name, "pattern": prefix + "%"})
