"""What goes wrong, one evil at a time; each goes on until it has had its effect, which is written down."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.chaos.clients import History
from tests.chaos.databases import Database
from tests.chaos.processes import Processes
from tests.service import until

from goldsmith.clouds.simulated import Fault, World

CALLS = ("create_port", "create_server", "start_server", "run_in_guest", "stop_server", "delete_server", "delete_port")
PATIENCE = 10.0
"""Seconds an effect may take before the evil is tried again elsewhere."""
STARTING = 90.0
"""Seconds that those who go on with the work of others may take, who may have to be started first."""
Held = list[dict[str, Any]]


def evils_on(database: str) -> set[str]:
    """The evils that have to happen."""
    known = {"kill -9 of a worker", "kill -9 of an API", "a worker frozen past its lease",
             "an API frozen past a lease", "the cloud fails", "the disk is full"}  # fmt: skip
    return known | ({"the database is stopped at once and started"} if database == "PostgreSQL" else set())


class Nemesis(threading.Thread):
    """Does evil until told to stop, and every evil at least once; leaves everything running and the disk with room."""

    def __init__(
        self, processes: Processes, database: Database, history: History, over: threading.Event, seed: int, lease: float
    ) -> None:
        super().__init__(name="nemesis", daemon=True)
        self._processes, self._database, self._history, self._over = processes, database, history, over
        self._dice, self._lease = random.Random(seed), lease
        self.done: Counter[str] = Counter()
        self.crash: BaseException | None = None
        self._evils: dict[str, Callable[[], str]] = {
            "kill -9 of a worker": self._kill_worker,
            "kill -9 of an API": self._kill_api,
            "a worker frozen past its lease": self._freeze_worker,
            "an API frozen past a lease": self._freeze_api,
            "the cloud fails": self._trouble,
            "the disk is full": self._fill_disk,
            "the database is stopped at once and started": database.restart,
        }
        self._evils = {name: self._evils[name] for name in sorted(evils_on(database.name))}

    def run(self) -> None:
        """Every evil once, in any order, then by chance."""
        first = self._dice.sample(list(self._evils), len(self._evils))
        try:
            while first or not self._over.is_set():
                name = first.pop() if first else self._dice.choice(list(self._evils))
                self._do(name)
                self._over.wait(self._dice.uniform(0.2, 0.8))
        except BaseException as error:
            self.crash = error
            raise

    def _do(self, name: str) -> None:
        began, effect = time.time(), ""
        deadline = time.monotonic() + 4 * STARTING
        while not effect and time.monotonic() < deadline:
            until(self._is_served, seconds=2 * STARTING)
            effect = self._evils[name]()
            self._processes.revive()
            self._database.recover()
        self._history.note(nemesis=name, effect=effect, began=began, ended=time.time())
        self.done[name] += bool(effect)

    def _is_served(self) -> bool:
        """Whether somebody is there for clients to ask: what strikes an empty house is felt by nobody."""
        self._processes.revive()
        return any(self._processes.answers(name) for name in self._processes.apis)

    def _held(self, name: str) -> Held:
        """The workflows that a process has leased."""
        sql = "SELECT id, epoch FROM workflows WHERE state = 'running' AND owner LIKE"
        return self._database.rows(f"{sql} '%#{self._processes.pid(name)}-%'")

    def _were_taken(self, held: Held, seconds: float) -> bool:
        """Whether others go on with all of them, within so many seconds."""
        wanted = ", ".join(f"'{each['id']}'" for each in held)
        known = {each["id"]: each["epoch"] for each in held}

        def are_taken() -> bool:
            self._processes.revive()
            found = self._database.rows(f"SELECT id, epoch, state FROM workflows WHERE id IN ({wanted})")
            return all(row["epoch"] > known[row["id"]] for row in found)

        with suppress(AssertionError):
            return until(are_taken, seconds=seconds)
        return False

    def _catch_at_work(self) -> tuple[str, Held]:
        """A worker that holds something, suspended; which one, and what. Nothing when none has anything to do."""
        for name in self._dice.sample(self._processes.workers, len(self._processes.workers)):
            self._processes.signal(name, signal.SIGSTOP)
            held = self._held(name)
            if held:
                return name, held
            self._processes.signal(name, signal.SIGCONT)
        time.sleep(0.05)
        return "", []

    def _kill_worker(self) -> str:
        name, held = self._catch_at_work()
        who = name and self._processes.who(name)
        if not name or not self._processes.kill(name) or not self._were_taken(held, STARTING):
            return ""
        return f"others went on with {len(held)} of {who}"

    def _freeze_worker(self) -> str:
        name, held = self._catch_at_work()
        if not name:
            return ""
        try:
            # What is frozen in a transaction on SQLite keeps everybody waiting; PostgreSQL ends it.
            taken = self._were_taken(held, STARTING if self._database.name == "PostgreSQL" else PATIENCE)
            self._over.wait(self._lease * self._dice.uniform(0, 1))
        finally:
            self._processes.signal(name, signal.SIGCONT)
        return f"others went on with {len(held)} of {self._processes.who(name)}, which woke up" if taken else ""

    def _kill_api(self) -> str:
        name = self._dice.choice(self._processes.apis)
        who = self._processes.who(name)
        is_killed = self._processes.kill(name)
        return f"{who} was dead" if is_killed and not self._processes.answers(name) else ""

    def _freeze_api(self) -> str:
        name = self._dice.choice(self._processes.apis)
        self._processes.signal(name, signal.SIGSTOP)
        try:
            answered = self._processes.answers(name, seconds=1)
            self._over.wait(self._lease * self._dice.uniform(1, 2))
        finally:
            self._processes.signal(name, signal.SIGCONT)
        return "" if answered else f"{self._processes.who(name)} did not answer"

    def _trouble(self) -> str:
        call, at = self._dice.choice(CALLS), self._dice.choice(("before", "after"))
        fault = Fault(call, at=at, error=self._dice.choice(("again", "refused", "crash")))  # type: ignore[arg-type]
        with World(self._processes.folder) as world:
            before = world.fired().get(fault, 0)
            world.inject(fault)
            with suppress(AssertionError):
                until(lambda: world.fired()[fault] > before, seconds=PATIENCE)
                return f"{fault.call} {fault.at} {fault.error}"
        return ""

    def _fill_disk(self) -> str:
        disk, sign = self._database.disk, self._database.sign_of_full_disk
        known = self._database.log().count(sign)

        def shows() -> bool:
            disk.fill()
            return self._database.log().count(sign) > known

        effect = ""
        try:
            with suppress(AssertionError):
                until(shows, seconds=2 * PATIENCE)
                effect = disk.description
            until_when = time.monotonic() + self._dice.choice((0.3, 4.0))
            while time.monotonic() < until_when:
                disk.fill()
                self._over.wait(0.05)
        finally:
            disk.empty()
        return effect
