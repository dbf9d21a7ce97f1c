"""Workflows of five empty steps in a second, beside DBOS Transact on the same kind of database.

Both engines take turns, each turn with a fresh database and new processes that find a queue they cannot empty; what
is counted is what ends within a window after they have warmed up. Both get the same number of slots.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from sqlalchemy import Connection, text

from databases import KINDS, databases
from engine_worker import STEPS, command, kinds
from goldsmith.store import Tx
from goldsmith.store.opening import Place, open_store
from goldsmith.store.schema_version import connected
from harness import HERE, Ratio, Result, median, running, table, wait_until_ready

ROUNDS = 3
WORKERS = (1, 2)
SLOTS = 50
LEASE_SECONDS = 10
WARM_UP = 100
"""Workflows that end before the window begins."""
GOAL = 3.0
OWN, DBOS = "goldsmith", "DBOS Transact"


@dataclass(frozen=True, slots=True)
class Turn:
    """What ended in one window, and what the worker processes used for it."""

    rate: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Contender:
    """How an engine's queue is filled, its workers are started, and its ended workflows are told from others.

    `fastest` is about what it ends in a second: a backlog made accordingly that proves too short is doubled.
    """

    fastest: int
    fill: Callable[[Place, int], None]
    command: Callable[[Place, int], list[str | Path]]
    table: Callable[[Place], str]
    is_ended: str

    def count(self, connection: Connection, place: Place, *, ended: bool) -> int:
        """How many workflows have ended, or have not."""
        of = f"SELECT count(*) FROM {self.table(place)} WHERE {'' if ended else 'NOT'} {self.is_ended}"
        found: int = connection.execute(text(of)).scalar_one()
        connection.rollback()
        return found


def measure(seconds: float) -> Result:
    """Both engines, both databases, one and two workers; `seconds` is the length of a window."""
    turns: dict[tuple[str, int], dict[str, list[Turn]]] = {}
    with databases() as fresh:
        for _ in range(ROUNDS):
            for kind in KINDS:
                for workers in WORKERS:
                    for name, contender in CONTENDERS.items():
                        found = _turn(contender, partial(fresh, kind), workers, seconds)
                        turns.setdefault((kind, workers), {}).setdefault(name, []).append(found)
    return _result(turns)


def _turn(contender: Contender, fresh: Callable[[], Place], workers: int, seconds: float) -> Turn:
    backlog = int(contender.fastest * workers * (2 + seconds))
    while True:
        found = _attempt(contender, fresh(), backlog, workers, seconds)
        if found is not None:
            return found
        backlog *= 2


def _attempt(contender: Contender, place: Place, backlog: int, workers: int, seconds: float) -> Turn | None:
    """None when the backlog came to an end within the window."""
    contender.fill(place, backlog)
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as folder, contextlib.ExitStack() as stack:
        log = Path(folder) / "log"
        processes = [stack.enter_context(running(contender.command(place, number), log)) for number in range(workers)]
        for process in processes:
            wait_until_ready(process, log)
        with connected(place) as connection:
            return _window(contender, place, connection, processes, seconds)


def _window(
    contender: Contender, place: Place, connection: Connection, processes: list[subprocess.Popen[str]], seconds: float
) -> Turn | None:
    deadline = time.monotonic() + 60
    while contender.count(connection, place, ended=True) < WARM_UP:
        if time.monotonic() > deadline:
            raise RuntimeError("nothing is worked on")
        time.sleep(0.05)
    before, started, used = contender.count(connection, place, ended=True), time.monotonic(), _cpu_seconds(processes)
    time.sleep(seconds)
    count, elapsed = contender.count(connection, place, ended=True) - before, time.monotonic() - started
    used = _cpu_seconds(processes) - used
    if contender.count(connection, place, ended=False) < SLOTS * len(processes):
        return None
    return Turn(count / elapsed, used / count * 1e3)


def _cpu_seconds(processes: list[subprocess.Popen[str]]) -> float:
    return sum(sum(psutil.Process(process.pid).cpu_times()[:2]) for process in processes)


def _fill_own(place: Place, count: int) -> None:
    queue = kinds()

    def work(first: int, tx: Tx) -> None:
        for number in range(first, min(first + 500, count)):
            queue.put(tx, f"{number:018}", "empty", "", {}, project_id=f"p{number % 10}")

    with contextlib.closing(open_store(place)) as store:
        for first in range(0, count, 500):
            store.write_now(partial(work, first))


def _fill_dbos(place: Place, count: int) -> None:
    subprocess.run([*_dbos_command(place, 9), str(count)], check=True, stdout=subprocess.DEVNULL)


def _own_command(place: Place, number: int) -> list[str | Path]:
    return command(place, SLOTS, LEASE_SECONDS)


def _dbos_command(place: Place, number: int) -> list[str | Path]:
    return [sys.executable, HERE / "dbos_worker.py", str(place), f"worker{number}", str(SLOTS)]


CONTENDERS = {
    OWN: Contender(1500, _fill_own, _own_command, lambda place: "workflows", "state = 'done'"),
    DBOS: Contender(
        250, _fill_dbos, _dbos_command,
        lambda place: "workflow_status" if isinstance(place, Path) else "dbos.workflow_status", "status = 'SUCCESS'",
    ),
}  # fmt: skip


def _result(turns: dict[tuple[str, int], dict[str, list[Turn]]]) -> Result:
    ratios: list[Ratio] = []
    figures: dict[str, dict[str, float]] = {}
    head = ("per second", "slowest", "fastest", "workers' CPU ms each")
    for (kind, workers), found in turns.items():
        place = f"{kind}, {workers} worker{'s' * (workers > 1)}"
        for name, each in found.items():
            rates = [turn.rate for turn in each]
            numbers = (median(rates), min(rates), max(rates), median([turn.cpu_ms for turn in each]))
            figures[f"{place}, {name}"] = dict(zip(head, numbers, strict=True))
        beside = [own.rate / dbos.rate for own, dbos in zip(found[OWN], found[DBOS], strict=True)]
        ratios.append(Ratio(f"workflows beside {DBOS}, {place}", median(beside), GOAL, at_least=True))
    title = f"Workflows of {STEPS} empty steps (medians of {ROUNDS} alternating rounds, {SLOTS} slots each)"
    table(title, ["", *head], [[name, *found.values()] for name, found in figures.items()])
    return Result("engines", figures, ratios)
