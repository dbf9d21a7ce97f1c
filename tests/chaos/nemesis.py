"""What goes wrong: processes die, freeze past their lease, and the disk fills up, one evil at a time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos.cast import History, Processes

from goldsmith.clouds.simulated import Fault, World

CALLS = ("create_port", "create_server", "start_server", "run_in_guest", "stop_server", "delete_server", "delete_port")


class Nemesis(threading.Thread):
    """Does evil until told to stop, and leaves everything running and every disk with room behind."""

    def __init__(
        self, processes: Processes, history: History, over: threading.Event, seed: int, lease: float, *,
        small_disk: bool,
    ) -> None:  # fmt: skip
        super().__init__(name="nemesis", daemon=True)
        self._processes, self._history, self._over = processes, history, over
        self._dice, self._lease = random.Random(seed), lease
        self.done: Counter[str] = Counter()
        self._evils: list[Callable[[], str]] = [
            self._kill_worker, self._kill_worker, self._kill_api, self._freeze_worker, self._freeze_api, self._trouble,
        ]  # fmt: skip
        if small_disk:
            self._evils.append(self._fill_disk)

    def run(self) -> None:
        """Every evil once, in any order, then by chance."""
        first = self._dice.sample(self._evils, len(self._evils))
        while not self._over.wait(self._dice.uniform(0.2, 0.8)):
            evil = first.pop() if first else self._dice.choice(self._evils)
            self._history.note(nemesis=evil.__name__.strip("_"))
            self.done[evil()] += 1
            for name in ("api", *self._processes.workers):
                self._processes.start(name)

    def _kill_worker(self) -> str:
        self._processes.kill(self._dice.choice(self._processes.workers))
        return "kill -9 of a worker"

    def _kill_api(self) -> str:
        self._processes.kill("api")
        return "kill -9 of the API"

    def _freeze(self, name: str) -> None:
        self._processes.signal(name, signal.SIGSTOP)
        self._over.wait(self._lease * self._dice.uniform(1.2, 2.5))
        self._processes.signal(name, signal.SIGCONT)

    def _freeze_worker(self) -> str:
        self._freeze(self._dice.choice(self._processes.workers))
        return "a worker frozen past its lease"

    def _freeze_api(self) -> str:
        self._freeze("api")
        return "the API frozen past its lease"

    def _trouble(self) -> str:
        call, at = self._dice.choice(CALLS), self._dice.choice(("before", "after"))
        error = self._dice.choice(("again", "refused", "crash"))
        with World(self._processes.folder) as world:
            world.inject(Fault(call, at=at, error=error))  # type: ignore[arg-type]
        return "the cloud fails"

    def _fill_disk(self) -> str:
        balloon = self._processes.folder / "balloon"
        with balloon.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        self._over.wait(self._dice.uniform(0.5, 2.0))
        balloon.unlink()
        return "the disk is full"


class SmallDisk:
    """A folder on a disk of its own that is soon full, where we may mount one; else just a folder."""

    def __init__(self, folder: Path, mib: int = 96) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "goldsmith-chaos", str(folder)]
        self.is_small = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_small:
            subprocess.run(["umount", str(self.folder)], check=True)
