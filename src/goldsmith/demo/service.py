"""`goldsmith serve` as a child process that writes to a log file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from goldsmith.demo.place import LISTENS_ON, Place
from goldsmith.demo.problems import DemoFailed

READY_WITHIN = 180.0
ENDS_WITHIN = 60.0
TAIL_LINES = 12


def program() -> str:
    """The `goldsmith` that belongs to this Python."""
    return str(Path(sys.executable).with_name("goldsmith"))


def initialise(place: Place, port: int, cloud: str) -> None:
    """Make the data folder, or complete it; what `goldsmith init` does is told on stderr."""
    command = [
        program(),
        "init",
        "--data-dir",
        str(place.folder),
        "--listen",
        f"{LISTENS_ON}:{port}",
        "--cloud",
        cloud,
    ]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise DemoFailed(f"goldsmith init failed in {place.folder}; it says why above")


class Service:
    """A running `goldsmith serve`, ended on leaving the `with` block."""

    def __init__(self, place: Place, port: int, cloud: str) -> None:
        self.endpoint = f"http://{LISTENS_ON}:{port}"
        self._log = place.log
        self._command = [
            program(), "serve",
            "--data-dir", str(place.folder),
            "--listen", f"{LISTENS_ON}:{port}",
            "--cloud", cloud,
        ]  # fmt: skip

    def __enter__(self) -> Service:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._child.pid

    def require_running(self) -> None:
        """Raise `DemoFailed` with the end of the log when the child has ended by itself."""
        code = self._child.poll()
        if code is not None:
            raise DemoFailed(f"goldsmith serve ended with code {code}:\n{self._tail()}\nThe whole log: {self._log}")

    def wait(self) -> None:
        """Wait until the child ends by itself, which it should not."""
        self._child.wait()
        self.require_running()

    def stop(self) -> None:
        """End the child, gently first."""
        self._child.terminate()
        try:
            self._child.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            self.require_running()
            if time.monotonic() > deadline:
                raise DemoFailed(f"goldsmith was not ready within {READY_WITHIN:.0f} s; its log: {self._log}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/readyz", timeout=5) as answer:  # noqa: S310 - always http
                return bool(answer.status == 200)
        except OSError:
            return False

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def keep_off_proxies() -> None:
    """Requests to this machine go straight there, whatever proxy the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), LISTENS_ON)))
