"""Handing work to the engine, and looking at how far it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from goldsmith.store import Tx, document, prepare
from goldsmith.workflows.definition import Run, Workflow
from goldsmith.workflows.models import workflow_steps, workflows

_INSERT = prepare(insert(workflows))
_STEPS = prepare(select(workflow_steps).where(workflow_steps.c.workflow_id == bindparam("id")))
_WORKFLOW = prepare(select(workflows).where(workflows.c.id == bindparam("id")))
_CANCEL = prepare(
    update(workflows)
    .where(workflows.c.id == bindparam("of"), workflows.c.state.in_(["queued", "running"]))
    .values(cancel=1, run_at=bindparam("at"), error=bindparam("because"))
)
_RESUME = prepare(
    update(workflows)
    .where(workflows.c.id == bindparam("of"), workflows.c.state == "kept")
    .values(
        state="queued", run_at=bindparam("at"), step_since=bindparam("at"), attempts=0, error="", ended_at=None,
        cancel=0,
    )
)  # fmt: skip
_ABANDON = prepare(
    update(workflows).where(workflows.c.id == bindparam("of"), workflows.c.state == "kept").values(state="failed")
)
_STATE = prepare(
    select(workflows.c.state, workflows.c.kind, workflows.c.phase).where(workflows.c.id == bindparam("of"))
)


_ALIVE = prepare(
    select(workflows.c.id)
    .where(workflows.c.id == bindparam("of"), workflows.c.state.in_(["queued", "running"]))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step as shown: `state` is pending, running, done, undoing, undone or failed; `seconds` it took so far."""

    name: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workflow is: percentage of its weight done, name of the step at hand, and every step."""

    percent: int
    current_step: str
    steps: tuple[StepProgress, ...]


class Queue:
    """Where domains put workflows; engines in this process listen and wake at once."""

    def __init__(self, kinds: Mapping[str, Workflow] | None = None) -> None:
        self.kinds: dict[str, Workflow] = dict(kinds or {})
        self._listeners: list[Callable[[], None]] = []

    def add(self, workflow: Workflow) -> None:
        """Make a kind of workflow known."""
        self.kinds[workflow.kind] = workflow

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` (from any thread) whenever work has been added and committed."""
        self._listeners.append(wake)

    def wake(self) -> None:
        """Tell every engine of this process to look for work."""
        for listener in self._listeners:
            listener()

    def put(
        self, tx: Tx, workflow_id: str, kind: str, subject: str, parameters: Mapping[str, Any], *, project_id: str = ""
    ) -> None:
        """Add a workflow, durable with the caller's transaction. `subject` is the id of what it changes.

        Projects take turns; those without one count as a project of their own.
        """
        first = self.kinds[kind].steps[0].name
        now = tx.now
        tx.run(
            _INSERT,
            {
                "id": workflow_id, "kind": kind, "subject": subject, "project_id": project_id,
                "parameters": document(parameters), "permit": "", "has_permit": 0,
                "state": "queued", "phase": "do", "step": first, "step_since": now, "attempts": 0, "run_at": now,
                "owner": None, "epoch": 0, "lease_until": 0, "cancel": 0, "error": "", "created_at": now,
                "ended_at": None,
            },
        )  # fmt: skip
        tx.after_commit(self.wake)

    def cancel(self, tx: Tx, workflow_id: str, reason: str) -> bool:
        """Ask a workflow to stop and undo, which it does at its next checkpoint; False when it has ended already."""
        found = tx.run(_CANCEL, {"of": workflow_id, "at": tx.now, "because": reason}) > 0
        tx.after_commit(self.wake)
        return found

    def can_cancel(self, tx: Tx, workflow_id: str) -> bool:
        """Whether the workflow is of a kind that can be cancelled, and still goes forwards."""
        row = tx.row(_STATE, {"of": workflow_id})
        return (
            row is not None
            and row["state"] in {"queued", "running"}
            and row["phase"] == "do"
            and self.kinds[row["kind"]].can_cancel
        )

    def keep_alive(self, tx: Tx, workflow_id: str) -> bool:
        """Whether the workflow is under way; if so it does not end before this transaction."""
        return tx.row(_ALIVE, {"of": workflow_id}) is not None

    def kind_of(self, tx: Tx, workflow_id: str) -> str:
        """The kind of a workflow; "" when there is none with this id."""
        row = tx.row(_STATE, {"of": workflow_id})
        return "" if row is None else str(row["kind"])

    def resume(self, tx: Tx, workflow_id: str) -> bool:
        """Go on with a kept workflow from its failed step; False when it is not kept (any more)."""
        if tx.run(_RESUME, {"of": workflow_id, "at": tx.now}) == 0:
            return False
        row = tx.row(_WORKFLOW, {"id": workflow_id})
        assert row is not None
        run = Run(workflow_id, row["kind"], row["subject"], json.loads(row["parameters"]))
        self.kinds[row["kind"]].on_resume(tx, run)
        tx.after_commit(self.wake)
        return True

    def abandon(self, tx: Tx, workflow_id: str) -> None:
        """A kept workflow will never go on: what it made is being removed by another."""
        tx.run(_ABANDON, {"of": workflow_id})

    def progress(self, tx: Tx, workflow_id: str) -> Progress | None:
        """How far the workflow is; None when there is none with this id."""
        row = tx.row(_WORKFLOW, {"id": workflow_id})
        if row is None or row["kind"] not in self.kinds:
            return None
        rows = {(step["name"], step["phase"]): step for step in tx.rows(_STEPS, {"id": workflow_id})}
        steps = self.kinds[row["kind"]].steps
        shown = tuple(_step_progress(step.name, row, rows, tx.now) for step in steps)
        total = sum(step.weight for step in steps)
        done = sum(step.weight for step, seen in zip(steps, shown, strict=True) if seen.state == "done")
        ended = row["state"] in {"done", "failed", "kept"}
        return Progress(100 * done // total, "" if ended else row["step"], shown)


def _step_progress(name: str, row: Mapping[str, Any], rows: Mapping[tuple[str, str], Any], now: int) -> StepProgress:
    do, undo = rows.get((name, "do")), rows.get((name, "undo"))
    if do is None:
        return StepProgress(name, "pending", 0.0)
    seconds = round(((do["ended_at"] or row["ended_at"] or now) - do["started_at"]) / 1000, 3)
    if undo is not None:
        state = "undone" if undo["state"] == "done" else "undoing"
    elif do["state"] == "done":
        state = "done"
    else:
        state = "failed" if row["phase"] == "undo" or row["state"] == "kept" else "running"
    return StepProgress(name, state, seconds)
