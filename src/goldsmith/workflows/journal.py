"""Every statement the engine runs: claim, renew, checkpoint, release. Each write checks the epoch.

A `Claim` is the right to work on one workflow; a checkpoint that finds another epoch raises `Fenced`, and the
worker stops without writing anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import and_, bindparam, case, delete, insert, literal_column, update

from goldsmith.store import Tx, prepare
from goldsmith.workflows.claims import (
    LONGEST_WAIT_MS,
    PERMIT_LOOK_MS,
    Claim,
    Lease,
    catch_up,
    claim,
    due,
    given_back,
    is_free,
    is_stranded,
    renew,
)  # fmt: skip
from goldsmith.workflows.definition import Ending, Phase, Step, Workflow
from goldsmith.workflows.models import workflow_steps, workflows


class Fenced(Exception):
    """Another worker owns the workflow by now."""


_w, _s = workflows.c, workflow_steps.c
_HELD = and_(_w.id == bindparam("of"), _w.epoch == bindparam("my_epoch"), _w.state == literal_column("'running'"))
_MOVE = prepare(
    update(workflows)
    .where(_HELD)
    .values(
        phase=bindparam("to_phase"), step=bindparam("to_step"), step_since=bindparam("since"),
        attempts=bindparam("tries"), permit=bindparam("holds"),
        has_permit=bindparam("does_hold"),
        error=case((bindparam("because") == "", _w.error), else_=bindparam("because")),
    )
    .returning(_w.cancel, _w.error)
)  # fmt: skip
_REQUEUE = prepare(
    update(workflows)
    .where(_HELD)
    .values(
        state="queued", owner=None, attempts=bindparam("tries"), step_since=bindparam("since"),
        run_at=case((and_(_w.cancel == 1, _w.phase == literal_column("'do'")), bindparam("now")),
                    else_=bindparam("later")),
    )
)  # fmt: skip
_QUEUE_UP = prepare(
    update(workflows)
    .where(_HELD)
    .values(
        state="queued",
        owner=None,
        permit=bindparam("wanted"),
        has_permit=0,
        run_at=case((_w.cancel == 1, bindparam("now")), else_=bindparam("later")),
    )
)
_END = prepare(
    update(workflows)
    .where(_HELD)
    .values(
        state=bindparam("to_state"),
        owner=None,
        ended_at=bindparam("at"),
        error=bindparam("because"),
        permit="",
        has_permit=0,
    )
)
_STEP_BEGIN = prepare(insert(workflow_steps))
_STEP_DONE = prepare(
    update(workflow_steps)
    .where(_s.workflow_id == bindparam("of"), _s.name == bindparam("step"), _s.phase == bindparam("at_phase"))
    .values(state="done", output=bindparam("result"), ended_at=bindparam("at"))
)
_NOW_DUE = case((_w.run_at > bindparam("at"), bindparam("at")), else_=_w.run_at)
_RELEASE = prepare(
    update(workflows)
    .where(_w.owner == bindparam("me"), _w.state == "running")
    .values(state="queued", owner=None, run_at=_NOW_DUE)
)
_RELEASE_ALIKE = prepare(
    update(workflows)
    .where(_w.owner.like(bindparam("pattern")), _w.state == "running")
    .values(state="queued", owner=None, run_at=_NOW_DUE)
)
_FORGET = prepare(delete(workflows).where(_w.id == bindparam("of")))


def release(tx: Tx, me: str) -> int:
    """Hand back everything this worker still holds, to be claimed at once."""
    return tx.run(_RELEASE, {"me": me, "at": tx.now})


def release_alike(tx: Tx, prefix: str) -> int:
    """Hand back what workers with this prefix held: for a process that knows that they are dead."""
    return tx.run(_RELEASE_ALIKE, {"pattern": prefix + "%", "at": tx.now})


class Journal:
    """The checkpoints of one claim. None extends the lease: the heartbeat does, and every write to an index costs."""

    def __init__(self, claim: Claim, workflow: Workflow, limits: Mapping[str, int] = MappingProxyType({})) -> None:
        self.claim = claim
        self.workflow = workflow
        self._limits = limits
        self._known = claim.place

    def _start(self, tx: Tx) -> None:
        """Begin at the last checkpoint that was kept: a transaction may have run before, in vain."""
        self.claim.place = self._known
        tx.after_commit(self._keep)

    def _keep(self) -> None:
        self._known = self.claim.place

    @property
    def _held(self) -> dict[str, object]:
        return {"of": self.claim.run.id, "my_epoch": self.claim.epoch}

    def permit_of(self, step: Step | None) -> str:
        """What the step holds while it is done; "" when that is not limited."""
        if step is None or step.permit is None or not self._limits.get(step.permit.kind):
            return ""
        return f"{step.permit.kind} {step.permit.of(self.claim.run)}"

    def begin(self, tx: Tx, step: Step, phase: Phase) -> bool:
        """Intent before effect: the step is about to be done (or undone). False when it must wait for its permit."""
        self._start(tx)
        if phase is Phase.DO and not self._has_permit(tx, step):
            return False
        if not self.claim.states:
            self.workflow.on_start(tx, self.claim.run)
        self._note_intent(tx, step, phase)
        self._move(tx, phase, step.name, tx.now, 0)
        return True

    def _note_intent(self, tx: Tx, step: Step, phase: Phase) -> None:
        if (step.name, phase) not in self.claim.states:
            tx.run(
                _STEP_BEGIN,
                {"workflow_id": self.claim.run.id, "name": step.name, "phase": phase.value, "state": "intent",
                 "output": "{}", "started_at": tx.now, "ended_at": None},
            )  # fmt: skip
            self._set(step, phase, "intent")

    def _set(self, step: Step, phase: Phase, state: str) -> None:
        self.claim.states = {**self.claim.states, (step.name, phase.value): state}

    def _has_permit(self, tx: Tx, step: Step) -> bool:
        """Take the step's permit for what follows, or queue up for it."""
        claim, wanted = self.claim, self.permit_of(step)
        if claim.permit == wanted or claim.cancel:
            return True
        if wanted and step.permit is not None and not is_free(tx, wanted, self._limits[step.permit.kind]):
            times = {"now": tx.now, "later": tx.now + PERMIT_LOOK_MS}
            self._check(tx.run(_QUEUE_UP, {**self._held, "wanted": wanted, **times}))
            return False
        claim.permit = wanted
        return True

    def _give_back_unless(self, tx: Tx, step: Step, phase: Phase) -> None:
        """Give the permit back unless the step that follows needs it, too."""
        steps = self.workflow.steps if phase is Phase.DO else self.workflow.steps[::-1]
        after = next(iter(steps[steps.index(step) + 1 :]), None)
        given, self.claim.permit = self.claim.permit, ""
        if given and given == self.permit_of(after):
            self.claim.permit = given
        elif given:
            tx.at_end(lambda: given_back(tx, given))

    def finish(
        self, tx: Tx, step: Step, phase: Phase, output: dict[str, object], following: Step | None = None
    ) -> bool:
        """The step is done (or undone): its output, and the rows that change with it.

        The intent of the step that is `following` goes on record with it, unless that has to get a permit first. True
        when it was the last step of all, and the workflow has ended with it.
        """
        self._start(tx)
        self._give_back_unless(tx, step, phase)
        if following is not None and self.claim.permit != self.permit_of(following):
            following = None
        if following is None:
            self._move(tx, phase, step.name, self.claim.step_since, self.claim.attempts)
        else:
            self._move(tx, phase, following.name, tx.now, 0)
        self._set(step, phase, "done")
        tx.run(_STEP_DONE, {"of": self.claim.run.id, "step": step.name, "at_phase": phase.value,
                            "result": json.dumps(output), "at": tx.now})  # fmt: skip
        record = step.record if phase is Phase.DO else step.unrecord
        if record is not None:
            record(tx, self.claim.run)
        if self.claim.cancel and self.workflow.can_cancel:
            return False
        if following is not None:
            self._note_intent(tx, following, phase)
        is_last = phase is Phase.DO and step.name == self.workflow.steps[-1].name
        if is_last:
            self._end(tx, Ending())
        return is_last

    def turn_back(self, tx: Tx, error: str) -> None:
        """From here on undo, because of `error`."""
        self._start(tx)
        self._turn_back(tx, error)

    def _turn_back(self, tx: Tx, error: str) -> None:
        self.claim.error = error
        self._move(tx, Phase.UNDO, self.claim.step, tx.now, 0)
        self.workflow.on_undo(tx, self.claim.run, error)

    def wait(self, tx: Tx, seconds: float, attempts: int, spent: float = 0.0) -> None:
        """Give the slot back and look again later, or at once when somebody has cancelled meanwhile.

        `spent` seconds of the step's limit are used up: the row keeps them as if the step had begun so long ago.
        """
        later = tx.now + min(int(seconds * 1000), LONGEST_WAIT_MS)
        values = {"now": tx.now, "later": later, "since": tx.now - int(spent * 1000), "tries": attempts}
        self._check(tx.run(_REQUEUE, {**self._held, **values}))

    def end(self, tx: Tx, ending: Ending) -> bool:
        """The last checkpoint; False, and back, when somebody was promised meanwhile that everything is undone."""
        self._start(tx)
        if self.claim.phase is Phase.DO and self.workflow.can_cancel:
            self._move(tx, Phase.DO, self.claim.step, self.claim.step_since, self.claim.attempts)
            if self.claim.cancel:
                self._turn_back(tx, self.claim.error)
                return False
        if self.claim.permit:
            permit = self.claim.permit
            tx.at_end(lambda: given_back(tx, permit))
        self._end(tx, ending)
        return True

    def _end(self, tx: Tx, ending: Ending) -> None:
        state = "done" if ending.succeeded else "kept" if ending.kept else "failed"
        self._check(tx.run(_END, {**self._held, "to_state": state, "at": tx.now, "because": ending.error}))
        self.workflow.on_end(tx, self.claim.run, ending)

    def _move(self, tx: Tx, phase: Phase, step: str, since: int, attempts: int) -> None:
        claim = self.claim
        row = tx.row(_MOVE, {**self._held, "to_phase": phase.value, "to_step": step, "since": since,
                             "tries": attempts, "because": claim.error,
                             "holds": claim.permit, "does_hold": int(bool(claim.permit))})  # fmt: skip
        if row is None:
            raise Fenced(claim.run.id)
        claim.phase, claim.step, claim.step_since, claim.attempts, claim.spent = phase, step, since, attempts, 0
        claim.cancel, claim.error = bool(row["cancel"]), row["error"]

    def _check(self, changed: int) -> None:
        if not changed:
            raise Fenced(self.claim.run.id)


def forget(tx: Tx, workflow_id: str) -> None:
    """Remove an ended workflow with its steps."""
    tx.run(_FORGET, {"of": workflow_id})


__all__: Sequence[str] = [
    "Claim", "Fenced", "Journal", "Lease", "catch_up", "claim", "due", "forget", "is_stranded", "release",
    "release_alike", "renew",
]  # fmt: skip
