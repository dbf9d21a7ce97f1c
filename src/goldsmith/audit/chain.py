"""The chain: how a record is appended, and how one that was changed, moved or taken away is found.

A record's hash is SHA-256 over the canonical JSON (keys sorted, no spaces, ASCII only) of all its columns but the
hash itself; among them are its sequence number, which has no gaps, and the hash of the record before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from goldsmith.audit.models import audit_head, audit_records
from goldsmith.store import Row, Tx, prepare
from goldsmith.store.interface import Reader

if TYPE_CHECKING:
    from goldsmith.http.auditing import Entry

START = "0" * 64
"""What the first record has for the hash of the one before it."""
BATCH = 1000
COLUMNS = tuple(audit_records.c.keys())
GIVEN = tuple(name for name in COLUMNS if name not in {"sequence", "time", "previous_hash", "hash"})
"""What comes from outside; the rest is the chain's own."""

_HEAD = prepare(select(audit_head.c.count, audit_head.c.hash).where(audit_head.c.id == 1))
_BEGIN = prepare(insert(audit_head))
_MOVE = prepare(
    update(audit_head).where(audit_head.c.id == 1).values(count=bindparam("new_count"), hash=bindparam("new_hash"))
)
_APPEND = prepare(insert(audit_records))
_NEXT = prepare(
    select(audit_records)
    .where(audit_records.c.sequence > bindparam("after"))
    .order_by(audit_records.c.sequence)
    .limit(bindparam("most"))
)
_HASH = prepare(select(audit_records.c.hash).where(audit_records.c.sequence == bindparam("of")))
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Fault:
    """The first record that is not as it was written; for one that is gone, the number it had."""

    sequence: int
    reason: str

    def __str__(self) -> str:
        return f"record {self.sequence}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Head:
    """Where the trail ends."""

    count: int
    hash: str


def digest(record: dict[str, Any]) -> str:
    """The hash of a record without its `hash`."""
    return sha256(_encode(record).encode("ascii")).hexdigest()


def append(tx: Tx, entry: Entry) -> None:
    """Add the entry to the trail; it stands or falls with the transaction."""
    tx.lock("audit")
    head = tx.row(_HEAD)
    if head is None:
        tx.run(_BEGIN, {"id": 1, "count": 0, "hash": START})
        count, previous = 0, START
    else:
        count, previous = head["count"], head["hash"]
    record: dict[str, Any] = {name: getattr(entry, name) for name in GIVEN}
    record["sequence"], record["time"], record["previous_hash"] = count + 1, tx.now, previous
    record["hash"] = digest(record)
    tx.run(_APPEND, record)
    tx.run(_MOVE, {"new_count": count + 1, "new_hash": record["hash"]})


def head_of(store: Reader) -> Head:
    """Where the trail ends now."""
    return store.read_now(_head)


def verify(store: Reader) -> Fault | None:
    """Walk the whole trail; the first fault, or None. Records that arrive meanwhile are looked at, too."""
    expected, previous = 1, START
    while True:
        head, rows = store.read_now(_batch(expected - 1))
        for row in rows:
            fault = _fault_of(row, expected, previous)
            if fault is not None:
                return fault
            expected, previous = expected + 1, row["hash"]
        if len(rows) < BATCH:
            return _fault_of_end(head, expected - 1, previous)


def verify_known(store: Reader, sequence: int, known_hash: str) -> Fault | None:
    """Whether a record that was noted elsewhere is still there: finds a trail that was written anew as a whole."""
    found = store.read_now(lambda tx: tx.scalar(_HASH, {"of": sequence}))
    return None if found == known_hash else Fault(sequence, "its hash is not the one that was noted")


def _batch(after: int) -> Callable[[Tx], tuple[Head, Sequence[Row]]]:
    return lambda tx: (_head(tx), tx.rows(_NEXT, {"after": after, "most": BATCH}))


def _head(tx: Tx) -> Head:
    row = tx.row(_HEAD)
    return Head(0, START) if row is None else Head(row["count"], row["hash"])


def _fault_of(row: Row, expected: int, previous: str) -> Fault | None:
    if row["sequence"] != expected:
        return Fault(expected, "it is missing")
    record = {name: row[name] for name in COLUMNS}
    written = record.pop("hash")
    if _hash_or_none(record) != written:
        return Fault(expected, "it is not as it was written")
    if record["previous_hash"] != previous:
        return Fault(expected, "it does not follow from the record before it; one of the two was replaced")
    return None


def _hash_or_none(record: dict[str, Any]) -> str | None:
    try:
        return digest(record)
    except TypeError:  # a column that holds bytes, which nothing of ours ever wrote
        return None


def _fault_of_end(head: Head, count: int, last: str) -> Fault | None:
    if head.count > count:
        return Fault(count + 1, f"it is missing, as is all after it: {head.count} records were written")
    if head.count < count:
        return Fault(head.count + 1, f"it was not written by goldsmith, which wrote {head.count} records")
    return None if head.hash == last else Fault(count, "it is not the record that was written last")
