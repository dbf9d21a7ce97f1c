"""A subscriber that reads a stream as EventSource does, and a receiver of webhooks that misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from tests.service import PROJECT, Service, until

EVENTS = f"/v1/{PROJECT}/events"


@dataclass(frozen=True)
class Seen:
    """One block of a stream, and when it was here."""

    id: str
    name: str
    data: dict[str, Any]
    at: float


class Subscriber:
    """Reads a stream in a thread until it ends; `with` waits until it is ready and cuts it off in the end."""

    def __init__(
        self, service: Service, query: str = "", *, last: str = "", path: str = EVENTS, token: str = ""
    ) -> None:
        self.blocks: list[Seen] = []
        headers = {"X-Auth-Token": token or service.token(), "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        self._client = httpx.Client(timeout=None, trust_env=False)
        self._request = self._client.build_request("GET", f"{service.endpoint}{path}{query}", headers=headers)
        self.ended = threading.Event()
        self._response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Subscriber:
        self._thread.start()
        until(lambda: any(each.name == "ready" for each in self.blocks))
        return self

    def __exit__(self, *_: object) -> None:
        if self._response is not None and not self.ended.is_set():
            stream = self._response.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(2)
        self._thread.join(10)
        self._client.close()
        assert self.ended.is_set()

    @property
    def events(self) -> list[Seen]:
        """What is neither `ready` nor `gap`."""
        return [each for each in tuple(self.blocks) if each.name.startswith("goldsmith.")]

    @property
    def last(self) -> str:
        return self.blocks[-1].id

    def until(self, name: str, count: int = 1, **data: Any) -> list[Seen]:
        """Wait for so many events of a type."""

        def found() -> list[Seen] | None:
            seen = [each for each in self.events if each.name == name and data.items() <= each.data["data"].items()]
            return seen if len(seen) >= count else None

        return until(found, seconds=120)

    def _read(self) -> None:
        try:
            self._response = self._client.send(self._request, stream=True)
            assert self._response.status_code == 200, self._response.read()
            parts: dict[str, str] = {}
            for line in self._response.iter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    parts[name] = value
                elif "data" in parts:
                    self.blocks.append(Seen(parts["id"], parts["event"], json.loads(parts["data"]), time.time()))
                    parts = {}
        except (httpx.HTTPError, OSError):
            pass  # the other side was killed, or we were cut off
        finally:
            self.ended.set()


@dataclass
class Received:
    """A request at the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """A local HTTP server: it answers as `answers` says, one after the other, then 204."""

    server: ThreadingHTTPServer
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}/hook?a=1"

    @property
    def ids(self) -> list[str]:
        """Ids of the events that were taken, in order."""
        return [each.event["id"] for each in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.received.append(Received(self.path, headers, body, time.time()))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("Location", "http://localhost:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    made = Receiver(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()
