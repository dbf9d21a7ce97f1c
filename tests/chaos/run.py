"""`python -m tests.chaos.run --minutes 5`: chaos, and what the checker says of it (exit code 1 when it objects)."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker
from tests.chaos.cast import Client, History, Processes
from tests.chaos.nemesis import Nemesis, SmallDisk
from tests.database import rows
from tests.leaks.finding import leaks_of
from tests.service import PROGRAM, Service, leftovers, until

from goldsmith.catalog.service import FILE_NAME, default_text
from goldsmith.clouds.simulated import World

LEASE = 1.5
MOST_SERVERS = 12
SETTINGS = {
    "GOLDSMITH_SIMULATED__SPEED": "10",
    "GOLDSMITH_WORKER__LEASE_SECONDS": str(LEASE),
    "GOLDSMITH_WORKER__SLOTS": "4",
    "GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0",
}


@dataclass(frozen=True)
class Report:
    """How it went."""

    problems: list[str]
    evils: Counter[str]
    calls: Counter[str]
    jobs: Counter[str]
    most_servers: int


class Watch(threading.Thread):
    """Looks all the time how many machines there are and how much quota is used."""

    def __init__(self, folder: Path, over: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._folder, self._over = folder, over
        self.most, self.objections = 0, list[str]()

    def run(self) -> None:
        """Keep the highest number, and whatever is above a limit."""
        with World(self._folder) as world:
            while not self._over.wait(0.05):
                machines = len(world.servers())
                self.most = max(self.most, machines)
                sql = "SELECT used FROM quotas WHERE type = 'INSTANCES'"
                used = sum(row["used"] for row in rows(self._folder, sql))
                if max(machines, used) > MOST_SERVERS:
                    self.objections.append(f"{machines} machines, quota {used}, limit {MOST_SERVERS}")


def chaos(folder: Path, seconds: float, *, seed: int, clients: int = 6, workers: int = 3) -> Report:
    """Run it in a new folder; what it wrote stays there, but for what lay on the small disk."""
    history = History(folder / "history.jsonl")
    with SmallDisk(folder / "disk") as disk:
        data_dir = disk.folder / "data"
        subprocess.run([PROGRAM, "init", "--data-dir", data_dir], check=True, capture_output=True)
        text = default_text().replace("INSTANCES = 100000", f"INSTANCES = {MOST_SERVERS}", 1)
        (data_dir / FILE_NAME).write_text(text)
        processes = Processes(data_dir, folder / "processes.log", SETTINGS, workers)
        try:
            processes.start_all()
            evils, watch, objections = _act(processes, history, seconds, seed, clients, disk.is_small)
            until(lambda: processes.start_all() or _is_idle(data_dir), seconds=180, every=0.2)
        finally:
            processes.stop_all()
            history.close()
        known = checker.read(folder / "history.jsonl")
        leaks = [f"leak: {leak}" for leak in leaks_of(Service(data_dir, **SETTINGS))]
        left = [f"left over: {each}" for each in leftovers(data_dir)]
        problems = [*objections, *checker.problems(known, data_dir), *leaks, *left]
        jobs = Counter(f"{row['job_type']} {row['status']}" for row in rows(data_dir, "SELECT * FROM jobs"))
        calls = Counter(f"{each['what']} {each['status']}" for each in known if "what" in each)
    return Report(problems, evils, calls, jobs, watch)


def _act(
    processes: Processes, history: History, seconds: float, seed: int, clients: int, small_disk: bool
) -> tuple[Counter[str], int, list[str]]:
    over, calm = threading.Event(), threading.Event()
    nemesis = Nemesis(processes, history, calm, seed, LEASE, small_disk=small_disk)
    watch = Watch(processes.folder, over)
    cast = [Client(number, processes, history, over, seed) for number in range(clients)]
    for thread in (watch, *cast, nemesis):
        thread.start()
    time.sleep(seconds)  # as long as it was asked for
    calm.set()
    nemesis.join(60)
    over.set()
    for client in cast:
        client.join(60)
    watch.join(60)
    crashes = [f"{each.name} crashed: {each.crash!r}" for each in cast if each.crash is not None]
    return nemesis.done, watch.most, [*watch.objections, *crashes]


def _is_idle(data_dir: Path) -> bool:
    return not rows(data_dir, "SELECT id FROM workflows WHERE state IN ('queued', 'running') LIMIT 1")


def lines(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"calls   {dict(sorted(report.calls.items()))}"
    yield f"jobs    {dict(sorted(report.jobs.items()))}"
    yield f"evils   {dict(sorted(report.evils.items()))}"
    yield f"at most {report.most_servers} machines at once, limit {MOST_SERVERS}"
    yield from (f"PROBLEM {each}" for each in report.problems[:50])
    yield f"{len(report.problems)} problems" if report.problems else "everything holds"


def main() -> None:
    """Read the options, run, report."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="goldsmith-chaos-"))
    print(f"chaos for {options.minutes:g} minutes in {folder}, seed {options.seed}", flush=True)
    report = chaos(folder, options.minutes * 60, seed=options.seed)
    print("\n".join(lines(report)))
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
