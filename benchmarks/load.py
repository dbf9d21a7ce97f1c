"""The load generator: sends prepared requests over keep-alive connections and notes how long each answer takes.

    python benchmarks/load.py HOST PORT FILE CONNECTIONS SECONDS

FILE holds complete HTTP requests, each with its length (4 bytes, big-endian) in front. Every connection sends its
next request when the last one is answered; a server that closes the connection gets a new one. Ends when the file
is used up or SECONDS are over and prints JSON. It runs in a process of its own, and signing was done before, so it
takes little of the machine it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path


def pack(requests: list[bytes]) -> bytes:
    """The content of FILE."""
    return b"".join(len(request).to_bytes(4, "big") + request for request in requests)


def unpack(content: bytes) -> Iterator[bytes]:
    """The requests in FILE."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


class Load:
    """What all connections share: the requests left, and what came back."""

    def __init__(self, requests: Iterator[bytes], seconds: float) -> None:
        self.requests = requests
        self.deadline = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.example = b""

    def next(self) -> bytes | None:
        """The request to send next; None when it is over."""
        return None if time.perf_counter() > self.deadline else next(self.requests, None)

    def note(self, answer: bytes, seconds: float) -> None:
        """Count one answer."""
        status = answer[9:12].decode("latin-1")
        self.latencies.append(seconds)
        self.statuses[status] += 1
        if status != "200":
            self.example = answer[-400:]


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, load: Load, request: bytes, done: asyncio.Future[bool]) -> None:
        self._load = load
        self._request: bytes | None = request
        self._done = done
        self._received = b""
        self._missing = -1
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._request is not None
        self._received, self._missing = b"", -1
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Collect the answer; once it is whole, note it and send the next request."""
        self._received += data
        if self._missing < 0:
            head, separator, _ = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            self._missing = len(head) + 4 + _content_length(head)
        if len(self._received) < self._missing:
            return
        self._load.note(self._received, time.perf_counter() - self._sent_at)
        closes = b"\r\nconnection: close" in self._received.lower()
        if closes:
            self._transport.close()
            return
        self._request = self._load.next()
        if self._request is None:
            self._done.set_result(True)
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """The server has closed: whoever waits opens another."""
        if not self._done.done():
            self._done.set_result(False)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"an answer without Content-Length: {head!r}")


async def _keep_sending(load: Load, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    while (request := load.next()) is not None:
        done: asyncio.Future[bool] = loop.create_future()
        await loop.create_connection(partial(Connection, load, request, done), host, port)
        if await done:
            return


async def _run(host: str, port: int, file: Path, connections: int, seconds: float) -> Load:
    load = Load(unpack(file.read_bytes()), seconds)
    await asyncio.gather(*(_keep_sending(load, host, port) for _ in range(connections)))
    return load


def main() -> None:
    """Read the command line, send, print."""
    host, port, file, connections, seconds = sys.argv[1:]
    cpu, started = time.process_time(), time.perf_counter()
    load = asyncio.run(_run(host, int(port), Path(file), int(connections), float(seconds)))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "client_cpu": time.process_time() - cpu,
                "latencies": load.latencies,
                "statuses": load.statuses,
                "example": load.example.decode("latin-1"),
            }
        )
    )


if __name__ == "__main__":
    main()
