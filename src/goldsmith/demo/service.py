"""`goldsmith serve` as a child process that writes to a log file."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldsmith.demo.place import LISTENS_ON, Place, Wishes, choose_port, is_free
from goldsmith.demo.problems import DemoFailed

READY_WITHIN = 180.0
ENDS_WITHIN = 60.0
TAIL_LINES = 12


def program() -> str:
    """The `goldsmith` that belongs to this Python."""
    return str(Path(sys.executable).with_name("goldsmith"))


def initialise(place: Place, cloud: str) -> None:
    """Make the data folder, or complete it; what `goldsmith init` does is told on stderr."""
    command = [program(), "init", "--data-dir", str(place.folder), "--cloud", cloud]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise DemoFailed(f"goldsmith init failed in {place.folder}; it says why above")


@contextmanager
def serving(place: Place, wishes: Wishes) -> Iterator[Service]:
    """A service on the wished port, on 8080, or on any free one if another demo was quicker to take that."""
    port = choose_port(wishes.port)
    service = Service(place, port, wishes.cloud)
    try:
        service.start()
    except DemoFailed:
        if wishes.port is not None or port == 0 or is_free(port):
            raise
        service = Service(place, 0, wishes.cloud)
        service.start()
    try:
        yield service
    finally:
        service.stop()


class Service:
    """A `goldsmith serve`; `endpoint` is what it says of itself."""

    def __init__(self, place: Place, port: int, cloud: str) -> None:
        self._log = place.log
        self._command = [
            program(), "serve",
            "--data-dir", str(place.folder),
            "--listen", f"{LISTENS_ON}:{port}",
            "--cloud", cloud,
        ]  # fmt: skip
        self.endpoint = ""

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        try:
            self.endpoint = self._first_line().split()[-1]
        except BaseException:
            self.stop()
            raise

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
        assert self._child.stdout is not None
        self._child.stdout.close()

    def _first_line(self) -> str:
        """What the child says on its standard output once it is ready."""
        assert self._child.stdout is not None
        readable, _, _ = select.select([self._child.stdout], [], [], READY_WITHIN)
        if not readable:
            raise DemoFailed(f"goldsmith was not ready within {READY_WITHIN:.0f} s; its log: {self._log}")
        line = self._child.stdout.readline()
        if not line:
            self._child.wait(ENDS_WITHIN)
            self.require_running()
        return line

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def keep_off_proxies() -> None:
    """Requests to this machine go straight there, whatever proxy the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), LISTENS_ON)))
