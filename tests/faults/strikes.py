"""What can go wrong at a step: each fault is a probe that strikes once, at one step, and tells whether it did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.house import Mortal

from goldsmith.clouds.port import Refused
from goldsmith.workflows import Run, Step
from goldsmith.workflows.probe import Point

INJECTED = "struck on purpose"
SHORT = 0.15
"""Seconds a step gets that is to run out of time."""


class Fault(StrEnum):
    """The columns of the matrix."""

    ERROR_BEFORE = "error before the effect"
    ERROR_AFTER = "error after the effect"
    TIME_OUT = "time-out after the effect"
    KILL_BEFORE = "kill -9 before the effect"
    KILL_AFTER = "kill -9 after the effect, before the record"
    KILL_RECORDED = "kill -9 after the record"
    REPEAT_DO = "do is repeated"
    REPEAT_UNDO = "undo is repeated"
    UNDO_FAILS = "undo fails once before its effect"
    UNDO_UNHEARD = "undo fails once after its effect"
    KILL_UNDO_AFTER = "kill -9 after the undo, before its record"
    KILL_UNDO_RECORDED = "kill -9 after the record of the undo"
    CANCEL = "cancel"


FORWARDS = frozenset({Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.KILL_RECORDED, Fault.REPEAT_DO})
"""Faults that a workflow survives: it succeeds all the same."""
DEADLY = frozenset(fault for fault in Fault if fault.value.startswith("kill"))
IN_UNDO = {
    Fault.REPEAT_UNDO: Point.BEFORE_UNDO,
    Fault.UNDO_FAILS: Point.BEFORE_UNDO,
    Fault.UNDO_UNHEARD: Point.AFTER_UNDO_BEFORE_RECORD,
    Fault.KILL_UNDO_AFTER: Point.AFTER_UNDO_BEFORE_RECORD,
    Fault.KILL_UNDO_RECORDED: Point.AFTER_UNDO_RECORD,
}
"""Faults that need a step that has failed, and where they strike then."""
AT = IN_UNDO | {
    Fault.ERROR_BEFORE: Point.BEFORE_DO,
    Fault.ERROR_AFTER: Point.AFTER_DO_BEFORE_RECORD,
    Fault.TIME_OUT: Point.AFTER_DO_BEFORE_RECORD,
    Fault.KILL_BEFORE: Point.BEFORE_DO,
    Fault.KILL_AFTER: Point.AFTER_DO_BEFORE_RECORD,
    Fault.KILL_RECORDED: Point.AFTER_RECORD,
    Fault.REPEAT_DO: Point.BEFORE_DO,
    Fault.CANCEL: Point.BEFORE_DO,
}


class Killed(BaseException):
    """The process is gone: not even `finally` counts for anything, since nothing it does arrives."""


@dataclass
class Strike:
    """A probe that strikes once. `cancel` asks for the cancellation of the run, by whatever way there is."""

    fault: Fault
    workflow_id: str
    step: str
    mortal: Mortal
    cancel: Callable[[], Awaitable[None]]
    fired: int = 0
    errors: int = 0

    async def reached(self, run: Run, step: Step, point: Point) -> None:
        """Strike if this is the place."""
        if run.id != self.workflow_id or step.name != self.step:
            return
        if self.fault in IN_UNDO and point is Point.AFTER_DO_BEFORE_RECORD and not self.errors:
            self.errors += 1
            raise Refused(f"{step.name} was {INJECTED}")
        if point is AT[self.fault] and not self.fired:
            self.fired += 1
            await self._strike(run, step)

    async def _strike(self, run: Run, step: Step) -> None:
        if self.fault in DEADLY:
            self.mortal.is_dead = True
            raise Killed
        if self.fault is Fault.TIME_OUT:
            await asyncio.Event().wait()
        elif self.fault is Fault.REPEAT_DO:
            await step.do(run)
        elif self.fault is Fault.REPEAT_UNDO:
            if step.undo is not None:
                await step.undo(run)
        elif self.fault is Fault.CANCEL:
            await self.cancel()
        else:
            raise Refused(f"{step.name} was {INJECTED}")
