"""The record of events: written with the change it tells of, read in order, pruned in the end.

`Events.emit` is the only place that writes events, always inside the transaction of the change, at its end and under a
lock that lasts until COMMIT. So numbers grow in the order of the commits, and whoever has read up to a number misses
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from goldsmith.events.models import events, events_pruned
from goldsmith.events.types import EventType, Subject
from goldsmith.store import Row, Tx, document, prepare

PAGE = 200
BATCH = 500
"""Events removed in one transaction, so that nobody waits long behind it."""

_e, _p = events.c, events_pruned.c
_INSERT = prepare(
    insert(events).values({column.name: bindparam(column.name) for column in _e if column.name != "sequence"})
)
_NEWEST = prepare(select(func.max(_e.sequence)))
_NEWEST_OF = prepare(select(func.max(_e.sequence)).where(_e.project_id == bindparam("project")))
_PROJECTS = prepare(select(_e.project_id).where(_e.sequence > bindparam("after")).distinct())
_PRUNED = prepare(select(_p.sequence).where(_p.project_id == bindparam("project")))
_OLDEST = prepare(
    select(_e.sequence, _e.project_id, _e.time)
    .where(_e.sequence < bindparam("newest"))
    .order_by(_e.sequence)
    .limit(BATCH)
)
_REMOVE = prepare(delete(events).where(_e.sequence <= bindparam("last")))
_NOTE_PRUNED = prepare(
    update(events_pruned).where(_p.project_id == bindparam("project")).values(sequence=bindparam("last"))
)
_FIRST_PRUNED = prepare(insert(events_pruned))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters; empty ones let everything pass. `resource_id` finds what an image server, a job or a sub job is about
    or belongs to."""

    types: Sequence[str] = ()
    resource_type: str = ""
    resource_id: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events between `after` and `until` (included) may have been missed: they are not kept any more."""

    after: int
    until: int


class Events:
    """The events of all projects; every function runs inside the caller's transaction."""

    def __init__(self) -> None:
        self._wake: Callable[[], None] = lambda: None

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` (from any thread) whenever events have been committed in this process."""
        self._wake = wake

    def emit(self, tx: Tx, event_type: EventType, subject: Subject, data: Mapping[str, Any]) -> None:
        """Record that something has happened, durable with the caller's transaction."""
        values = {
            "project_id": subject.project_id, "time": tx.now, "type": event_type.value,
            "subject_kind": event_type.kind, "subject_id": subject.id, "job_id": subject.job_id,
            "resource_type": subject.resource_type, "resource_id": subject.resource_id,
            "enterprise_project_id": subject.enterprise_project_id, "data": document(data),
        }  # fmt: skip

        def write() -> None:
            tx.lock("events")
            tx.run(_INSERT, values)

        tx.at_end(write)
        tx.after_commit(self._wake)

    def newest(self, tx: Tx) -> int:
        """The number of the newest event of all; 0 when there is none."""
        return tx.scalar(_NEWEST) or 0

    def newest_of(self, tx: Tx, project_id: str) -> int:
        """The number of a project's newest event; 0 when there is none."""
        return tx.scalar(_NEWEST_OF, {"project": project_id}) or 0

    def projects_after(self, tx: Tx, sequence: int) -> list[str]:
        """The projects in which something has happened since."""
        return [row["project_id"] for row in tx.rows(_PROJECTS, {"after": sequence})]

    def after(self, tx: Tx, project_id: str, sequence: int, wanted: Wanted, limit: int = PAGE) -> list[Row]:
        """The next events of a project, oldest first."""
        query = select(events).where(_e.project_id == project_id, _e.sequence > sequence)
        if wanted.types:
            query = query.where(_e.type.in_([str(each) for each in wanted.types]))
        if wanted.resource_type:
            query = query.where(_e.subject_kind == wanted.resource_type)
        if wanted.resource_id:
            of = wanted.resource_id
            query = query.where(or_(_e.subject_id == of, _e.resource_id == of, _e.job_id == of))
        return list(tx.rows(query.order_by(_e.sequence).limit(limit)))

    def gap(self, tx: Tx, project_id: str, sequence: int) -> Gap | None:
        """What somebody who has seen everything up to `sequence` has missed for ever; None when nothing.

        A number that was never given out belongs to another database, or to one restored from a backup: what has
        happened since then is unknown.
        """
        newest = self.newest(tx)
        if sequence > newest:
            return Gap(sequence, newest)
        pruned = tx.scalar(_PRUNED, {"project": project_id}) or 0
        return Gap(sequence, pruned) if sequence < pruned else None

    def prune(self, tx: Tx, *, keep_ms: int, keep_count: int) -> int:
        """Remove the oldest events that are too old or too many, `BATCH` at most; how many were removed.

        The newest event always stays, so that its number is not given out again.
        """
        newest, now = self.newest(tx), tx.now
        pruned: dict[str, int] = {}
        removed, last = 0, 0
        for row in tx.rows(_OLDEST, {"newest": newest}):
            if row["sequence"] > newest - keep_count and row["time"] >= now - keep_ms:
                break
            last = pruned[row["project_id"]] = row["sequence"]
            removed += 1
        if removed:
            tx.run(_REMOVE, {"last": last})
        for project_id, sequence in pruned.items():
            if not tx.run(_NOTE_PRUNED, {"project": project_id, "last": sequence}):
                tx.run(_FIRST_PRUNED, {"project_id": project_id, "sequence": sequence})
        return removed
