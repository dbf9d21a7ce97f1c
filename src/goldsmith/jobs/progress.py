"""Workflows that tell how far they are: each checkpoint of a step is a progress event of the sub jobs behind it."""

from __future__ import annotations

from dataclasses import replace

from goldsmith.jobs.service import Jobs
from goldsmith.store import Tx
from goldsmith.workflows.definition import Record, Run, Step, Workflow


def reporting(workflow: Workflow, jobs: Jobs) -> Workflow:
    """The same workflow, whose steps report as their share of the whole weight is done or undone."""
    total = sum(step.weight for step in workflow.steps)
    done, steps = 0, list[Step]()
    for step in workflow.steps:
        before, done = done, done + step.weight
        steps.append(
            replace(
                step,
                record=_followed(step.record, jobs, step.name, "done", 100 * done // total),
                unrecord=_followed(step.unrecord, jobs, step.name, "undone", 100 * before // total),
            )
        )
    return replace(workflow, steps=tuple(steps))


def _followed(record: Record | None, jobs: Jobs, step: str, state: str, percent: int) -> Record:
    def both(tx: Tx, run: Run) -> None:
        if record is not None:
            record(tx, run)
        jobs.progressed(tx, run.id, step=step, state=state, percent=percent)

    return both
