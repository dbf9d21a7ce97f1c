"""A worker process: goldsmith's own engine, with its checkpoints, on a database that is handed over.

    python benchmarks/engine_worker.py PLACE SLOTS LEASE_SECONDS

PLACE is a file or a `postgresql://` URL. Works until SIGTERM. Workflows of the kind `empty` have five steps that do
nothing, those of the kind `noted` tell when their only step begins, and those of the kind `long` do so and then take
longer than any benchmark: `ID SECONDS` on standard output, on the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop

from goldsmith.store.opening import Place, open_store
from goldsmith.workflows import Engine, Queue, Run, Step, Workflow

STEPS = 5


async def nothing(run: Run) -> None:
    """An empty step."""


async def note(run: Run) -> None:
    """Tell that the step begins."""
    print(run.id, time.monotonic(), flush=True)


async def take_long(run: Run) -> None:
    """Tell that the step begins, and do not end."""
    await note(run)
    await asyncio.sleep(3600)


def _workflow(kind: str, *steps: Step) -> Workflow:
    return Workflow(kind, steps, lambda *_: None, lambda *_: None, lambda *_: None)


def kinds() -> Queue:
    """A queue that knows the three kinds."""
    empty = [Step(f"step{number}", "nothing", "nothing", "nothing", nothing) for number in range(STEPS)]
    noted = Step("note", "prints", "nothing", "prints again", note)
    long = Step("long", "prints and waits", "nothing", "prints again", take_long, timeout=7200)
    found = (_workflow("empty", *empty), _workflow("noted", noted), _workflow("long", long))
    return Queue({workflow.kind: workflow for workflow in found})


def command(place: Place, slots: int, lease_seconds: float) -> list[str | Path]:
    """What starts such a process."""
    return [sys.executable, Path(__file__), str(place), str(slots), str(lease_seconds)]


async def work(place: Place, slots: int, lease_seconds: float) -> None:
    """Work until SIGTERM."""
    store = open_store(place)
    try:
        engine = Engine(store, kinds(), slots=slots, lease_seconds=lease_seconds)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
        print("ready", flush=True)
        await engine.run()
    finally:
        store.close()


if __name__ == "__main__":
    where, slots, lease_seconds = sys.argv[1:]
    uvloop.run(work(where if where.startswith("postgresql://") else Path(where), int(slots), float(lease_seconds)))
