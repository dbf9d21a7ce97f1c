"""Whose turn it is: leasing workflows to a worker, project by project, and limits that are never exceeded.

Claims are made one after the other (`Tx.lock`), so counting and claiming cannot be interleaved by others. Each claim
goes round the projects that wait, from where the last one stopped, and takes the oldest workflow of each: a project
with a hundred thousand waits no less and no more than one with a single one.

Time is counted so that a clock that jumps harms nobody: a step's limit covers only what was worked and waited on
purpose, and what is put off further than anything ever is (`is_stranded`) was written before the clock was set back.

A `Permit` is held from the first to the last of neighbouring steps that ask for it, also while the workflow waits or
changes hands. Whoever finds none left queues behind the others; who gives one back wakes the oldest of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from sqlalchemy import ColumnElement, and_, bindparam, case, func, literal_column, select, update

from goldsmith.store import Row, Tx, prepare
from goldsmith.workflows.definition import Phase, Run
from goldsmith.workflows.models import workflow_steps, workflows

MOST_PROJECTS = 64
"""Projects that are looked at in one claim."""
PERMIT_LOOK_MS = 5000
"""How long one that waits for a permit sleeps when nobody wakes it."""
LONGEST_WAIT_MS = 60_000
"""No workflow waits longer until somebody looks at it again."""
LONGEST_LEASE_MS = 300_000
LATE_MS = 10_000
"""How much of the time that a workflow waited for a free slot, or for anybody to be there, counts for its step."""


Lease = tuple[str, int]
"""Id and epoch of a workflow."""
States = Mapping[tuple[str, str], str]
Place = tuple[Phase, str, int, int, bool, str, str, States, int]


@dataclass(slots=True)
class Claim:
    """A leased workflow: where it stands and the epoch that proves the lease. `permit` is "" when it holds none.

    `states` are those of every step that was begun, by name and phase; nobody else changes them while the lease lasts.
    """

    run: Run
    epoch: int
    phase: Phase
    step: str
    step_since: int
    attempts: int
    cancel: bool
    error: str
    project_id: str = ""
    permit: str = ""
    spent: int = 0
    """Milliseconds of the step's time limit that were used up before this claim."""
    states: States = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """All of it that a checkpoint changes."""
        return (self.phase, self.step, self.step_since, self.attempts, self.cancel, self.error, self.permit,
                self.states, self.spent)  # fmt: skip

    @place.setter
    def place(self, to: Place) -> None:
        (self.phase, self.step, self.step_since, self.attempts, self.cancel, self.error, self.permit,
         self.states, self.spent) = to  # fmt: skip


def _is(state: str) -> ColumnElement[bool]:
    # Written out: an index on the rows in one state cannot be used for a value that is handed over later.
    return workflows.c.state == literal_column(f"'{state}'")


_w, _s = workflows.c, workflow_steps.c
_NEXT = prepare(select(func.min(_w.run_at)).where(_is("queued")))
_NEXT_LEASE = prepare(select(func.min(_w.lease_until)).where(_is("running")))
_ENDED_LEASES = prepare(
    update(workflows)
    .where(
        _w.id.in_(
            select(_w.id).where(_is("running"), _w.lease_until < bindparam("now")).with_for_update(skip_locked=True)
        )
    )
    .values(state="queued", owner=None, run_at=case((_w.run_at > bindparam("now"), bindparam("now")), else_=_w.run_at))
)
_STRANDED = prepare(select(func.max(_w.run_at)).where(_is("queued")))
_STRANDED_LEASE = prepare(select(func.max(_w.lease_until)).where(_is("running")))
_CATCH_UP = prepare(
    update(workflows).where(_is("queued"), _w.run_at > bindparam("far")).values(run_at=bindparam("now"))
)
_END_FAR_LEASES = prepare(
    update(workflows).where(_is("running"), _w.lease_until > bindparam("far")).values(state="queued", owner=None)
)
_NEXT_PROJECT = prepare(select(func.min(_w.project_id)).where(_is("queued"), _w.project_id > bindparam("after")))
_FIRST_PROJECT = prepare(select(func.min(_w.project_id)).where(_is("queued")))
_OLDEST = prepare(
    select(_w.id)
    .where(_is("queued"), _w.project_id == bindparam("project"), _w.run_at <= bindparam("now"))
    .order_by(_w.run_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_RUNNING = prepare(select(func.count()).select_from(workflows).where(_is("running"), _w.project_id == bindparam("of")))
_CLAIM = prepare(
    update(workflows)
    .where(_w.id == bindparam("of"), _is("queued"))
    .values(state="running", owner=bindparam("me"), epoch=_w.epoch + 1, lease_until=bindparam("until"))
    .returning(workflows)
)
_STEPS = prepare(select(_s.name, _s.phase, _s.state, _s.output).where(_s.workflow_id == bindparam("id")))
_HELD = and_(_w.id == bindparam("of"), _w.epoch == bindparam("my_epoch"), _is("running"))
_RENEW = prepare(update(workflows).where(_HELD).values(lease_until=bindparam("until")))
_WAITING_FOR = and_(_w.permit == bindparam("name"), _w.has_permit == 0, _is("queued"))
_HOLDERS = prepare(
    select(func.count()).select_from(workflows).where(_w.permit == bindparam("name"), _w.has_permit == 1)
)
_WAKE_NEXT = prepare(
    update(workflows)
    .where(_w.id.in_(select(_w.id).where(_WAITING_FOR).order_by(_w.created_at, _w.id).limit(1)))
    .values(run_at=bindparam("at"))
)


def due(tx: Tx) -> float | None:
    """Seconds until something can be claimed, 0 for now; None: nothing waits."""
    times = [time for time in (tx.scalar(_NEXT), tx.scalar(_NEXT_LEASE)) if time is not None]
    return max(0.0, (min(times) - tx.now) / 1000) if times else None


def is_stranded(tx: Tx) -> bool:
    """Whether something is put off, or leased, for longer than anything ever is: the clock has been set back."""
    queued, leased = tx.scalar(_STRANDED), tx.scalar(_STRANDED_LEASE)
    return (queued or 0) > tx.now + 2 * LONGEST_WAIT_MS or (leased or 0) > tx.now + 2 * LONGEST_LEASE_MS


def catch_up(tx: Tx) -> None:
    """Let all of that be claimed now. Whoever is at work on it loses its lease, and does nothing more to it."""
    tx.lock("claim")
    tx.run(_END_FAR_LEASES, {"far": tx.now + 2 * LONGEST_LEASE_MS})
    tx.run(_CATCH_UP, {"far": tx.now + 2 * LONGEST_WAIT_MS, "now": tx.now})


def claim(tx: Tx, me: str, slots: int, lease_ms: int, *, most_of_project: int = 0, after: str = "") -> list[Claim]:
    """Lease up to `slots` workflows: queued ones that are due and running ones whose lease has ended.

    The first is of a project that comes after `after`. With `most_of_project` no project has more under way.
    """
    tx.lock("claim")
    now = tx.now
    tx.run(_ENDED_LEASES, {"now": now})
    found: list[list[str]] = []
    for project in _projects(tx, after):
        most = min(slots, most_of_project - tx.scalar(_RUNNING, {"of": project})) if most_of_project else slots
        rows = tx.rows(_OLDEST, {"project": project, "now": now, "most": most}) if most > 0 else ()
        if rows:
            found.append([row["id"] for row in rows])
        if len(found) == slots:  # nobody's second comes before anybody's first
            break
    turns = [each for turn in zip_longest(*found) for each in turn if each is not None]
    claims = []
    for workflow_id in turns[:slots]:
        row = tx.row(_CLAIM, {"of": workflow_id, "me": me, "until": now + lease_ms})
        if row is not None:
            claims.append(_claim_of(tx, row, now))
    return claims


def _projects(tx: Tx, after: str) -> Iterator[str]:
    """Projects with something queued, from the one after `after` and round to it."""
    first, project = None, tx.scalar(_NEXT_PROJECT, {"after": after})
    has_wrapped = False
    for _ in range(MOST_PROJECTS):
        if project is None and not has_wrapped:
            project, has_wrapped = tx.scalar(_FIRST_PROJECT), True
        if project is None or project == first or (has_wrapped and project > after):
            return
        first = project if first is None else first
        yield project
        project = tx.scalar(_NEXT_PROJECT, {"after": project})


def _claim_of(tx: Tx, row: Row, now: int) -> Claim:
    steps = tx.rows(_STEPS, {"id": row["id"]}) if row["epoch"] > 1 else []  # nobody has begun any before
    outputs = {each["name"]: json.loads(each["output"]) for each in steps if each["phase"] == Phase.DO}
    states = {(each["name"], each["phase"]): each["state"] for each in steps}
    run = Run(row["id"], row["kind"], row["subject"], json.loads(row["parameters"]), outputs)
    return Claim(run, row["epoch"], Phase(row["phase"]), row["step"], row["step_since"], row["attempts"],
                 bool(row["cancel"]), row["error"], row["project_id"],
                 row["permit"] if row["has_permit"] else "", _spent(row, now), states)  # fmt: skip


def _spent(row: Row, now: int) -> int:
    """What the row says was spent when it was put off, and a little for being late; see `Journal.wait`."""
    counted = max(row["run_at"], min(now, row["run_at"] + LATE_MS))
    spent: int = max(0, counted - row["step_since"])
    return spent


def renew(tx: Tx, held: Iterable[Lease], lease_ms: int) -> set[Lease]:
    """Extend these leases (id and epoch of workflows); those that are still held."""
    until = tx.now + lease_ms
    return {lease for lease in held if tx.run(_RENEW, {"of": lease[0], "my_epoch": lease[1], "until": until})}


def is_free(tx: Tx, permit: str, limit: int) -> bool:
    """Whether fewer than `limit` hold the permit; stays true until the end of this transaction."""
    tx.lock(f"permit {permit}")
    holders: int = tx.scalar(_HOLDERS, {"name": permit})
    return holders < limit


def given_back(tx: Tx, permit: str) -> None:
    """Somebody holds the permit no more: let the one that has waited longest look again."""
    tx.lock(f"permit {permit}")
    tx.run(_WAKE_NEXT, {"name": permit, "at": tx.now})


__all__ = ["Claim", "Lease", "catch_up", "claim", "due", "given_back", "is_free", "is_stranded", "renew"]
