"""A raw socket, for requests that no HTTP client would send, and a service to send them to."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.service import PROGRAM, Service, leftovers

WAIT = 10.0
LOGIN_PATH = "/v3/auth/tokens"


@dataclass(frozen=True)
class Answer:
    """One response as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = (value for key, value in self.headers if key == name)
        return value

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.headers)


class Wire:
    """A connection: bytes out, responses in."""

    def __init__(self, endpoint: str, context: ssl.SSLContext | None = None) -> None:
        host, port = endpoint.partition("://")[2].rsplit(":", 1)
        self.authority = f"{host}:{port}"
        self.socket = socket.create_connection((host, int(port)), timeout=WAIT)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.pending = b""

    def send(self, data: bytes | str) -> Wire:
        """Send bytes; text as latin-1."""
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def until(self, mark: bytes) -> bytes:
        """What comes before the mark; fails when the connection ends first."""
        while mark not in self.pending:
            data = self.socket.recv(65536)
            assert data, f"closed; got only {self.pending!r}"
            self.pending += data
        found, _, self.pending = self.pending.partition(mark)
        return found

    def answer(self, *, is_head: bool = False) -> Answer:
        """The next response."""
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        status = int(first.split()[1])
        length = 0 if status == 100 or is_head else int(dict(headers)["content-length"])
        while len(self.pending) < length:
            data = self.socket.recv(65536)
            assert data, "closed within a body"
            self.pending += data
        body, self.pending = self.pending[:length], self.pending[length:]
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the server ends the connection without another byte; waits for it."""
        return self.pending == b"" and self.socket.recv(1) == b""


Dial = Callable[[], Wire]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `goldsmith init` makes; to be copied, not to be used."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    subprocess.run([PROGRAM, "init", "--data-dir", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path, prepared: Path) -> Path:
    """A data folder of the test's own, called `data`."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Service]:
    """A service that waits for nobody longer than a second."""
    folder = tmp_path_factory.mktemp("guarded")
    service = Service(
        Path(shutil.copytree(prepared, folder / "data")),
        GOLDSMITH_LIMITS__HEADER_SECONDS="1",
        GOLDSMITH_LIMITS__BODY_SECONDS="1",
        GOLDSMITH_LIMITS__CONNECTIONS="20",
        GOLDSMITH_LOG_LEVEL="debug",
    ).start()
    yield service
    service.stop()
    assert "Traceback" not in service.log()
    assert leftovers(folder) == []


@pytest.fixture(scope="module")
def token(guarded: Service) -> str:
    """A token of the administrator for that service."""
    return guarded.token()


@pytest.fixture
def dial(guarded: Service) -> Iterator[Dial]:
    """Connections to that service, closed in the end."""
    with ExitStack() as stack:

        def connect() -> Wire:
            wire = Wire(guarded.endpoint)
            stack.callback(wire.socket.close)
            return wire

        yield connect
