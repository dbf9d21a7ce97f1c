"""The processes of one goldsmith: several that serve and several that work; whoever dies is started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import httpx
from tests.chaos.databases import Database
from tests.chaos.disks import with_children
from tests.service import PROGRAM, until


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Processes:
    """All of them, by name. `who` names one life of one of them: `worker-1.3` is its third."""

    def __init__(self, folder: Path, log: Path, settings: dict[str, str], workers: int) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
        self._environment = clean | settings
        self._log = log.open("a")
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: dict[str, int] = {}
        self.workers = [f"worker-{number}" for number in range(1, workers + 1)]
        self.ports: dict[str, int] = {}

    def use(self, database: Database, api_settings: dict[str, str]) -> None:
        """Say on which database they work, before any is started."""
        self._database, self._api_settings = database, api_settings
        self.ports = {f"api-{number}": _free_port() for number in range(1, database.apis + 1)}

    @property
    def apis(self) -> list[str]:
        """The names of those that serve."""
        return list(self.ports)

    def start(self, name: str) -> None:
        """Start one of them; nothing happens while it runs."""
        with self._lock:
            running = self._running.get(name)
            if running is not None and running.poll() is None:
                return
            self._lives[name] = self._lives.get(name, 0) + 1
            command, more = ["worker"], dict[str, str]()
            if name in self.ports:
                command, more = ["serve", "--listen", f"127.0.0.1:{self.ports[name]}"], self._api_settings
            self._running[name] = subprocess.Popen(
                [PROGRAM, *command, "--data-dir", self.folder], stdout=subprocess.DEVNULL, stderr=self._log,
                env=self._environment | more | self._database.settings(self.who(name)),
            )  # fmt: skip

    def revive(self) -> None:
        """Start whoever does not run."""
        for name in (*self.apis, *self.workers):
            self.start(name)

    def start_all(self) -> None:
        """All of them, and wait until every API answers."""

        def ready() -> bool:
            self.revive()
            return all(self.answers(name) for name in self.apis)

        until(ready, seconds=180, every=0.2)

    def who(self, name: str) -> str:
        """The present life of one of them."""
        return f"{name}.{self._lives[name]}"

    def answers(self, name: str, seconds: float = 2.0) -> bool:
        """Whether an API is ready."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=seconds, trust_env=False)
            return answer.status_code < 500
        return False

    def pid(self, name: str) -> int:
        """Its process id."""
        return self._running[name].pid

    def pids(self) -> list[int]:
        """The process ids of all."""
        return [pid for each in self._running.values() for pid in with_children(each.pid)]

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one of them."""
        with suppress(ProcessLookupError):
            self._running[name].send_signal(number)

    def kill(self, name: str) -> bool:
        """`kill -9`, and wait for its end; False when it had ended otherwise before."""
        self.signal(name, signal.SIGKILL)
        return self._running[name].wait() == -signal.SIGKILL

    def stop_all(self) -> None:
        """SIGTERM, and wait for the end of all; the APIs first, so that nobody asks for more."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            process.wait(120)
        self._log.close()
