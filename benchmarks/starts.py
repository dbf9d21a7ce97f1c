"""From the commit that adds a workflow until its first step begins: the engine in the same process, and in another.

An engine is woken by what its own process adds, and looks four times a second for what others do. Workflows are added
one by one, at times that have nothing to do with those looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from databases import KINDS, databases
from engine_worker import command, kinds
from goldsmith.store import Store, Tx
from goldsmith.store.opening import Place, open_store
from goldsmith.workflows import Engine, Queue, Run, Step, Workflow
from harness import Result, percentile, running, table, wait_until_ready

TURNS = 60
SLOTS = 16
LEASE_SECONDS = 10.0
LONGEST_PAUSE = 0.3


def measure(seconds: float) -> Result:
    """Both ways on both databases; `seconds` is not used, since a number of workflows is measured."""
    found: dict[str, list[float]] = {}
    with databases() as fresh:
        for kind in KINDS:
            found[f"{kind}, same process"] = asyncio.run(_in_this_process(fresh(kind)))
            found[f"{kind}, another process"] = _in_another(fresh(kind))
    figures: dict[str, Any] = {
        name: {"p50_ms": percentile(each, 0.5) * 1e3, "p99_ms": percentile(each, 0.99) * 1e3}
        for name, each in found.items()
    }
    rows = [[name, *each.values()] for name, each in figures.items()]
    table(f"From a commit to the first step ({TURNS} workflows each)", ["", "p50 ms", "p99 ms"], rows)
    return Result("starts", figures, [])


async def _in_this_process(place: Place) -> list[float]:
    began: asyncio.Queue[float] = asyncio.Queue()

    async def note(run: Run) -> None:
        began.put_nowait(time.monotonic())

    step = Step("note", "notes the time", "nothing", "notes another", note)
    queue = Queue({"noted": Workflow("noted", (step,), lambda *_: None, lambda *_: None, lambda *_: None)})
    found = []
    with contextlib.closing(open_store(place)) as store:
        engine = Engine(store, queue, slots=SLOTS, lease_seconds=LEASE_SECONDS)
        working = asyncio.create_task(engine.run())
        for number in range(TURNS):
            added = await asyncio.to_thread(_add, store, queue, number)
            found.append(await began.get() - added)
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
        engine.stop()
        await working
    return found


def _in_another(place: Place) -> list[float]:
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as folder,
        contextlib.closing(open_store(place)) as store,
    ):
        log = Path(folder) / "log"
        with running(command(place, SLOTS, LEASE_SECONDS), log) as process:
            wait_until_ready(process, log)
            assert process.stdout is not None
            for number in range(TURNS):
                added = _add(store, kinds(), number)
                _, began = process.stdout.readline().split()
                found.append(float(began) - added)
                time.sleep(random.uniform(0, LONGEST_PAUSE))
    return found


def _add(store: Store, queue: Queue, number: int) -> float:
    """Add a workflow; when that was committed, on the clock that all processes share."""
    committed: list[float] = []

    def work(tx: Tx) -> None:
        tx.after_commit(lambda: committed.append(time.monotonic()))
        queue.put(tx, f"{number:018}", "noted", "", {})

    store.write_now(work)
    return committed[-1]
