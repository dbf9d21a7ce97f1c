"""`python -m tests.chaos.run --minutes 5`: chaos, and what the checker says of it (exit code 1 when it objects)."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker
from tests.chaos.clients import KINDS, Client, History
from tests.chaos.databases import Database, database_of
from tests.chaos.nemesis import Nemesis, evils_on
from tests.chaos.processes import Processes
from tests.chaos.record import Limits, Record, collect
from tests.chaos.turns import takeovers
from tests.leaks.finding import leaks_of
from tests.service import PROGRAM, Service, leftovers, until

from goldsmith.catalog.service import FILE_NAME, default_text
from goldsmith.clouds.simulated import CallRecord, World

LEASE = 1.5
LIMITS = Limits(servers=12, boots_per_host=2, jobs_per_project=6)
SETTINGS = {
    "GOLDSMITH_SIMULATED__SPEED": "10",
    "GOLDSMITH_SIMULATED__BOOT_SECONDS": str(LIMITS.boot_seconds),
    "GOLDSMITH_SIMULATED__ZONES": '["local-1a"]',
    "GOLDSMITH_WORKER__LEASE_SECONDS": str(LEASE),
    "GOLDSMITH_WORKER__SLOTS": "4",
    "GOLDSMITH_WORKER__BOOTS_PER_HOST": str(LIMITS.boots_per_host),
    "GOLDSMITH_WORKER__JOBS_PER_PROJECT": str(LIMITS.jobs_per_project),
    "GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0",
}
SETTLING = 240.0
"""Seconds that everything may take to come to its end once nothing goes wrong any more."""


@dataclass(frozen=True)
class Report:
    """How it went."""

    record: Record
    problems: list[str]
    disk: str

    def jobs(self) -> Counter[str]:
        """How the jobs ended."""
        return Counter(f"{row['job_type']} {row['status']}" for row in self.record.tables["jobs"])


class Watch(threading.Thread):
    """Keeps what the cloud was asked to do: it forgets old calls by itself."""

    def __init__(self, folder: Path, over: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._folder, self._over = folder, over
        self.calls: list[CallRecord] = []

    def run(self) -> None:
        """Look now and then."""
        with World(self._folder) as world:
            while not self._over.wait(1):
                self.look(world)

    def look(self, world: World) -> None:
        """Take over what is new."""
        self.calls += world.calls(after=self.calls[-1].seq if self.calls else 0)


def chaos(folder: Path, seconds: float, *, seed: int, database: str = "postgres", clients: int = 6,
          workers: int = 3) -> Report:  # fmt: skip
    """Run it in a new folder, for so long and until every evil was felt and every kind of call was acknowledged.

    The record stays in the folder.
    """
    with database_of(database, folder, lambda: processes.pids()) as (place, data_dir):
        processes = Processes(data_dir, folder / "processes.log", SETTINGS, workers)
        history, over = History(folder / "history.jsonl"), threading.Event()
        api_slots = {} if database == "sqlite" else {"GOLDSMITH_WORKER__SLOTS": "0"}
        processes.use(place, api_slots)
        _found(data_dir, place)
        watch = Watch(data_dir, over)
        try:
            processes.start_all()
            watch.start()
            crashes = _act(processes, place, history, seconds, seed, clients)
            until(lambda: _is_idle(processes, place), seconds=SETTLING, every=0.2)
        finally:
            over.set()
            processes.stop_all()
            history.close()
        watch.join()
        with World(data_dir) as world:
            watch.look(world)
        leaks = [str(leak) for leak in leaks_of(Service(data_dir, **SETTINGS, **place.settings("doctor")))]
        leaks += leftovers(data_dir)
        record = collect(folder, data_dir, place, LIMITS, evils_on(place.name), watch.calls, leaks)
        return Report(record, [*crashes, *checker.problems(record)], place.disk.description)


def _found(data_dir: Path, place: Database) -> None:
    """Make data folder and database, with a small quota, and watch every change from then on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
    command = [PROGRAM, "init", "--data-dir", data_dir]
    subprocess.run(command, check=True, capture_output=True, env=clean | place.settings("init"))
    text = default_text().replace("INSTANCES = 100000", f"INSTANCES = {LIMITS.servers}", 1)
    (data_dir / FILE_NAME).write_text(text)
    place.watch()


def _act(processes: Processes, place: Database, history: History, seconds: float, seed: int, clients: int) -> list[str]:
    over, calm = threading.Event(), threading.Event()
    nemesis = Nemesis(processes, place, history, calm, seed, LEASE)
    cast = [Client(number, processes, history, over, seed) for number in range(clients)]
    for thread in (*cast, nemesis):
        thread.start()
    time.sleep(seconds)  # as long as it was asked for
    calm.set()
    nemesis.join()
    with suppress(AssertionError):  # the checker names what is missing
        until(lambda: history.acknowledged >= KINDS, seconds=SETTLING)
    over.set()
    for client in cast:
        client.join()
    crashes = {each.name: each.crash for each in cast} | {nemesis.name: nemesis.crash}
    return [f"{name} crashed: {crash!r}" for name, crash in crashes.items() if crash is not None]


def _is_idle(processes: Processes, place: Database) -> bool:
    processes.revive()
    return not place.rows("SELECT id FROM workflows WHERE state IN ('queued', 'running') LIMIT 1")


def lines(report: Report) -> Iterator[str]:
    """The report for people."""
    record = report.record
    calls = Counter(f"{each['what']} {each['status']}" for each in record.history if "what" in each)
    evils = Counter(each["nemesis"] for each in record.history if "nemesis" in each and each["effect"])
    yield f"calls   {dict(sorted(calls.items()))}"
    yield f"jobs    {dict(sorted(report.jobs().items()))}"
    yield f"evils   {dict(sorted(evils.items()))}"
    yield f"disk    {report.disk}"
    yield f"record  {len(record.changes)} changes of rows, {len(record.calls)} calls of the cloud"
    yield f"leases  {takeovers(record)} were taken over when they had ended"
    yield from (f"PROBLEM {each}" for each in report.problems[:50])
    yield f"{len(report.problems)} problems" if report.problems else "everything holds"


def main() -> None:
    """Read the options, run, report."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="goldsmith-chaos-"))
    print(f"chaos for {options.minutes:g} minutes on {options.database} in {folder}, seed {options.seed}", flush=True)
    report = chaos(folder, options.minutes * 60, seed=options.seed, database=options.database)
    print("\n".join(lines(report)))
    print(f"SEED={options.seed} makes the same choices again")
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
