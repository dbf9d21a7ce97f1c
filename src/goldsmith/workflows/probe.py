"""Fault points: named places around every checkpoint where a test may strike.

An engine has no probe unless it is given one. `goldsmith` itself has one only while its data folder holds a folder
`fault-points`: a file `WORKFLOW.STEP.POINT` in it makes the process that reaches that point kill itself, once.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from goldsmith.workflows.definition import Run, Step

FOLDER = "fault-points"
FIRED = ".fired"


class Point(StrEnum):
    """Where a run stands: the intent is on record, the effect has happened, the effect is on record."""

    BEFORE_DO = "before_do"
    AFTER_DO_BEFORE_RECORD = "after_do_before_record"
    AFTER_RECORD = "after_record"
    BEFORE_UNDO = "before_undo"
    AFTER_UNDO_BEFORE_RECORD = "after_undo_before_record"
    AFTER_UNDO_RECORD = "after_undo_record"


class Probe(Protocol):
    """Is told of every point that is reached; what it raises at the first four is the step's own failure."""

    async def reached(self, run: Run, step: Step, point: Point) -> None:
        """The run stands at this point of this step. A step that waits reaches BEFORE_DO at every look."""


class KillOnce:
    """Kills this process at the points that are armed in the folder, each once among all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def reached(self, run: Run, step: Step, point: Point) -> None:
        """Die if this point is armed. The renamed file, durable by then, tells that it fired."""
        armed = self._folder / f"{run.kind}.{step.name}.{point}"
        try:
            armed.rename(armed.with_name(armed.name + FIRED))
        except FileNotFoundError:
            return
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(handle)
        os.kill(os.getpid(), signal.SIGKILL)


def of(data_dir: Path) -> Probe | None:
    """The probe of a data folder: none where nobody has made the folder."""
    folder = data_dir / FOLDER
    return KillOnce(folder) if folder.is_dir() else None
