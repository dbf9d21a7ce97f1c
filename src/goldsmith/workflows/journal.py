"""Every statement the engine runs: claim, renew, checkpoint, release. Each write checks the epoch.

A `Claim` is the right to work on one workflow; a checkpoint that finds another epoch raises `Fenced`, and the
worker stops without writing anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update

from goldsmith.store import Row, Tx, prepare
from goldsmith.workflows.definition import Ending, Phase, Run, Step, Workflow
from goldsmith.workflows.models import workflow_steps, workflows


class Fenced(Exception):
    """Another worker owns the workflow by now."""


Lease = tuple[str, int]
"""Id and epoch of a workflow."""


@dataclass(slots=True)
class Claim:
    """A leased workflow: where it stands and the epoch that proves the lease."""

    run: Run
    epoch: int
    phase: Phase
    step: str
    step_since: int
    attempts: int
    cancel: bool
    error: str


_w, _s = workflows.c, workflow_steps.c
_CLAIMABLE = or_(
    and_(_w.state == "queued", _w.run_at <= bindparam("now")),
    and_(_w.state == "running", _w.lease_until < bindparam("now")),
)
_DUE = prepare(select(func.count()).select_from(select(_w.id).where(_CLAIMABLE).limit(1).subquery()))
_NEXT = prepare(select(func.min(_w.run_at)).where(_w.state == "queued"))
_NEXT_LEASE = prepare(select(func.min(_w.lease_until)).where(_w.state == "running"))
_CLAIM = prepare(
    update(workflows)
    .where(_w.id.in_(select(_w.id).where(_CLAIMABLE).order_by(_w.run_at).limit(bindparam("slots"))))
    .values(state="running", owner=bindparam("me"), epoch=_w.epoch + 1, lease_until=bindparam("until"))
    .returning(workflows)
)
_OUTPUTS = prepare(select(_s.name, _s.output).where(_s.workflow_id == bindparam("id"), _s.phase == "do"))
_BEGUN = prepare(select(_s.name, _s.phase, _s.state).where(_s.workflow_id == bindparam("id")))
_HELD = and_(_w.id == bindparam("of"), _w.epoch == bindparam("my_epoch"), _w.state == "running")
_MOVE = prepare(
    update(workflows)
    .where(_HELD)
    .values(
        phase=bindparam("to_phase"), step=bindparam("to_step"), step_since=bindparam("since"),
        attempts=bindparam("tries"), lease_until=bindparam("until"),
        error=case((bindparam("because") == "", _w.error), else_=bindparam("because")),
    )
    .returning(_w.cancel, _w.error)
)  # fmt: skip
_REQUEUE = prepare(
    update(workflows)
    .where(_HELD)
    .values(state="queued", owner=None, run_at=bindparam("at"), attempts=bindparam("tries"))
)
_END = prepare(
    update(workflows)
    .where(_HELD)
    .values(state=bindparam("to_state"), owner=None, ended_at=bindparam("at"), error=bindparam("because"))
)
_STEP_BEGIN = prepare(insert(workflow_steps))
_STEP_DONE = prepare(
    update(workflow_steps)
    .where(_s.workflow_id == bindparam("of"), _s.name == bindparam("step"), _s.phase == bindparam("at_phase"))
    .values(state="done", output=bindparam("result"), ended_at=bindparam("at"))
)
_RENEW = prepare(update(workflows).where(_HELD).values(lease_until=bindparam("until")))
_RELEASE = prepare(
    update(workflows)
    .where(_w.owner == bindparam("me"), _w.state == "running")
    .values(state="queued", owner=None, run_at=bindparam("at"))
)
_RELEASE_ALIKE = prepare(
    update(workflows)
    .where(_w.owner.like(bindparam("pattern")), _w.state == "running")
    .values(state="queued", owner=None, run_at=bindparam("at"))
)
_FORGET = prepare(delete(workflows).where(_w.id == bindparam("of")))


def due(tx: Tx) -> tuple[bool, int | None]:
    """Whether something can be claimed now, and else when (ms since 1970) to look again; None: nothing waits."""
    if tx.scalar(_DUE, {"now": tx.now}):
        return True, None
    times = [time for time in (tx.scalar(_NEXT), tx.scalar(_NEXT_LEASE)) if time is not None]
    return False, min(times) if times else None


def claim(tx: Tx, me: str, slots: int, lease_ms: int) -> list[Claim]:
    """Lease up to `slots` workflows: queued ones that are due and running ones whose lease has ended."""
    rows = tx.rows(_CLAIM, {"now": tx.now, "me": me, "until": tx.now + lease_ms, "slots": slots})
    return [_claim_of(tx, row) for row in rows]


def _claim_of(tx: Tx, row: Row) -> Claim:
    outputs = {each["name"]: json.loads(each["output"]) for each in tx.rows(_OUTPUTS, {"id": row["id"]})}
    run = Run(row["id"], row["kind"], row["subject"], json.loads(row["parameters"]), outputs)
    return Claim(run, row["epoch"], Phase(row["phase"]), row["step"], row["step_since"], row["attempts"],
                 bool(row["cancel"]), row["error"])  # fmt: skip


def renew(tx: Tx, held: Iterable[Lease], lease_ms: int) -> set[Lease]:
    """Extend these leases (id and epoch of workflows); those that are still held."""
    until = tx.now + lease_ms
    return {lease for lease in held if tx.run(_RENEW, {"of": lease[0], "my_epoch": lease[1], "until": until})}


def release(tx: Tx, me: str) -> int:
    """Hand back everything this worker still holds, to be claimed at once."""
    return tx.run(_RELEASE, {"me": me, "at": tx.now})


def release_alike(tx: Tx, prefix: str) -> int:
    """Hand back what workers with this prefix held: for a process that knows that they are dead."""
    return tx.run(_RELEASE_ALIKE, {"pattern": prefix + "%", "at": tx.now})


def begun(tx: Tx, workflow_id: str) -> dict[tuple[str, str], str]:
    """State of every step that was begun, by name and phase."""
    return {(row["name"], row["phase"]): row["state"] for row in tx.rows(_BEGUN, {"id": workflow_id})}


class Journal:
    """The checkpoints of one claim."""

    def __init__(self, claim: Claim, workflow: Workflow, lease_ms: int) -> None:
        self.claim = claim
        self.workflow = workflow
        self._lease_ms = lease_ms

    @property
    def _held(self) -> dict[str, object]:
        return {"of": self.claim.run.id, "my_epoch": self.claim.epoch}

    def begin(self, tx: Tx, step: Step, phase: Phase) -> None:
        """Intent before effect: the step is about to be done (or undone)."""
        known = begun(tx, self.claim.run.id)
        if not known:
            self.workflow.on_start(tx, self.claim.run)
        if known.get((step.name, phase)) is None:
            tx.run(
                _STEP_BEGIN,
                {"workflow_id": self.claim.run.id, "name": step.name, "phase": phase.value, "state": "intent",
                 "output": "{}", "started_at": tx.now, "ended_at": None},
            )  # fmt: skip
        self._move(tx, phase, step.name, tx.now, 0)

    def finish(self, tx: Tx, step: Step, phase: Phase, output: dict[str, object]) -> None:
        """The step is done (or undone): its output, and the rows that change with it."""
        self._move(tx, phase, step.name, self.claim.step_since, self.claim.attempts)
        tx.run(_STEP_DONE, {"of": self.claim.run.id, "step": step.name, "at_phase": phase.value,
                            "result": json.dumps(output), "at": tx.now})  # fmt: skip
        record = step.record if phase is Phase.DO else step.unrecord
        if record is not None:
            record(tx, self.claim.run)

    def turn_back(self, tx: Tx, error: str) -> None:
        """From here on undo, because of `error`."""
        self.claim.error = error
        self._move(tx, Phase.UNDO, self.claim.step, tx.now, 0)
        self.workflow.on_undo(tx, self.claim.run, error)

    def wait(self, tx: Tx, seconds: float, attempts: int) -> None:
        """Give the slot back and look again later."""
        at = tx.now + int(seconds * 1000)
        self._check(tx.run(_REQUEUE, {**self._held, "at": at, "tries": attempts}))

    def end(self, tx: Tx, ending: Ending) -> bool:
        """The last checkpoint; False, and back, when somebody was promised meanwhile that everything is undone."""
        if self.claim.phase is Phase.DO and self.workflow.can_cancel:
            self._move(tx, Phase.DO, self.claim.step, self.claim.step_since, self.claim.attempts)
            if self.claim.cancel:
                self.turn_back(tx, self.claim.error)
                return False
        state = "done" if ending.succeeded else "kept" if ending.kept else "failed"
        self._check(tx.run(_END, {**self._held, "to_state": state, "at": tx.now, "because": ending.error}))
        self.workflow.on_end(tx, self.claim.run, ending)
        return True

    def _move(self, tx: Tx, phase: Phase, step: str, since: int, attempts: int) -> None:
        claim = self.claim
        row = tx.row(_MOVE, {**self._held, "to_phase": phase.value, "to_step": step, "since": since,
                             "tries": attempts, "until": tx.now + self._lease_ms, "because": claim.error})  # fmt: skip
        if row is None:
            raise Fenced(claim.run.id)
        claim.phase, claim.step, claim.step_since, claim.attempts = phase, step, since, attempts
        claim.cancel, claim.error = bool(row["cancel"]), row["error"]

    def _check(self, changed: int) -> None:
        if not changed:
            raise Fenced(self.claim.run.id)


def forget(tx: Tx, workflow_id: str) -> None:
    """Remove an ended workflow with its steps."""
    tx.run(_FORGET, {"of": workflow_id})


__all__: Sequence[str] = [
    "Claim", "Fenced", "Journal", "begun", "claim", "due", "forget", "release", "release_alike", "renew",
]  # fmt: skip
