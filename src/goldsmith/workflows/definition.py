"""What a workflow is: a list of named steps, each with an effect, its undo, and why both may be repeated.

A step function gets a `Run` and does one thing to the world outside. Rows that must change together with the
step's checkpoint are changed by its `record` (after do) and `unrecord` (after undo), inside that transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from goldsmith.store import Tx

Output = Mapping[str, Any]


class Phase(StrEnum):
    """Forwards or back."""

    DO = "do"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class NotYet:
    """Returned by a step that waits: look again after `seconds`; the slot is free meanwhile."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retry:
    """Pauses after a `Transient` error: `pause` seconds, doubling up to `longest`, with jitter."""

    pause: float = 0.5
    longest: float = 30.0


@dataclass(slots=True)
class Run:
    """One workflow on its way: what it was asked (`parameters`) and what its steps have answered (`outputs`)."""

    id: str
    kind: str
    subject: str
    parameters: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self, step: str, phase: Phase = Phase.DO) -> str:
        """The key a driver call carries: the same however often the step is repeated."""
        return f"{self.id}/{step}/{phase}"


Do = Callable[[Run], Awaitable[Output | NotYet | None]]
Undo = Callable[[Run], Awaitable[None]]
Record = Callable[[Tx, Run], None]


@dataclass(frozen=True, slots=True)
class Permit:
    """What only so many may do at once: `kind` is the name of the limit, `of` tells what it is counted for."""

    kind: str
    of: Callable[[Run], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `effect`, `undo_effect` and `repeatable` are the sentences of the table a workflow file opens with.

    `timeout` (seconds) covers all attempts and waiting of `do`, but not the time until it gets its `permit`, which it
    shares with its neighbours that need the same. `weight` is the step's share of the progress.
    """

    name: str
    effect: str
    undo_effect: str
    repeatable: str
    do: Do
    undo: Undo | None = None
    record: Record | None = None
    unrecord: Record | None = None
    timeout: float = 120.0
    retry: Retry = Retry()
    weight: int = 1
    permit: Permit | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a workflow ended; `error` is "" on success, else the cause as users see it.

    `kept` when nothing was undone, so that somebody can look at it, and go on from the failed step.
    """

    error: str = ""
    kept: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether every step was done."""
        return not self.error


@dataclass(frozen=True, slots=True)
class Workflow:
    """A kind of workflow.

    `on_start` runs with the first claim's checkpoint, `on_undo` when undoing begins (with the cause), `on_end` with
    the last checkpoint. `keeps` says whether a run that failed is kept as it is instead of undone, and
    `on_resume` runs when somebody lets such a run go on. A workflow that `can_cancel` undoes everything when
    somebody asks it to.
    """

    kind: str
    steps: tuple[Step, ...]
    on_start: Record
    on_undo: Callable[[Tx, Run, str], None]
    on_end: Callable[[Tx, Run, Ending], None]
    keeps: Callable[[Run], bool] = lambda run: False
    on_resume: Record = lambda tx, run: None
    can_cancel: bool = False

    def step(self, name: str) -> Step:
        """The step with this name; `KeyError` when the list has changed since."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"workflow {self.kind} has no step {name}")
