"""From the SIGKILL of a worker until another has begun all of its steps again.

A worker has begun as many workflows as it has slots; another is idle. The first is killed, at any moment between two
renewals of its leases; then the second is the one to be killed, and a third takes over from that.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from databases import KINDS, databases
from engine_worker import command, kinds
from goldsmith.store import Tx
from goldsmith.store.opening import Place, open_store
from harness import Ratio, Result, median, running, table, wait_until_ready

KILLS = 5
SLOTS = 16
LEASE_SECONDS = 2.0
GOAL = LEASE_SECONDS + 1
PATIENCE = 60.0


def measure(seconds: float) -> Result:
    """Some kills on both databases; `seconds` is not used."""
    with databases() as fresh:
        found = {kind: _kill_again_and_again(fresh(kind)) for kind in KINDS}
    rows = [[kind, median(each), min(each), max(each)] for kind, each in found.items()]
    table(
        f"Takeover of {SLOTS} workflows after SIGKILL ({KILLS} kills, lease {LEASE_SECONDS:g} s), seconds",
        ["", "median", "fastest", "slowest"],
        rows,
    )
    ratios = [Ratio(f"slowest takeover, {kind}", max(each), GOAL, False, " s") for kind, each in found.items()]
    figures: dict[str, Any] = {kind: {"seconds": each} for kind, each in found.items()}
    return Result("takeovers", figures, ratios)


def _kill_again_and_again(place: Place) -> list[float]:
    queue = kinds()

    def work(tx: Tx) -> None:
        for number in range(SLOTS):
            queue.put(tx, f"{number:018}", "long", "", {})

    with contextlib.closing(open_store(place)) as store:
        store.write_now(work)
    found = []
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as folder, contextlib.ExitStack() as stack:
        log = Path(folder) / "log"

        def start() -> subprocess.Popen[str]:
            process = stack.enter_context(running(command(place, SLOTS, LEASE_SECONDS), log))
            stack.callback(process.kill)  # it would wait for its steps
            wait_until_ready(process, log)
            return process

        worker = start()
        _last_begin(worker)
        for _ in range(KILLS):
            successor = start()
            time.sleep(random.uniform(LEASE_SECONDS / 3, LEASE_SECONDS))
            killed = time.monotonic()
            worker.kill()
            worker.wait()
            found.append(_last_begin(successor) - killed)
            worker = successor
    return found


def _last_begin(worker: subprocess.Popen[str]) -> float:
    """When the last of all workflows has begun there."""
    assert worker.stdout is not None
    impatience = threading.Timer(PATIENCE, worker.kill)
    impatience.start()
    times = []
    for _ in range(SLOTS):
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(f"not all workflows were taken over within {PATIENCE:g} s")
        times.append(float(line.split()[1]))
    impatience.cancel()
    return max(times)
