"""From a change until a subscriber to the event stream has it.

The change is made by the process that serves the stream (a create, counted from the moment it is asked for, so this
is more than the time since its commit), or by another process on the same database (counted from the commit), as
workers of their own do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from databases import KINDS, Fresh, database_of, databases
from goldsmith.events.service import Events
from goldsmith.events.types import EventType, Subject
from goldsmith.settings import DATABASE
from goldsmith.store import Store, Tx
from goldsmith.store.opening import open_store
from harness import NO_WORKERS, Ratio, Result, Server, create_body, data_folder, goldsmith, percentile, table

TURNS = 80
LONGEST_PAUSE = 0.2
PATIENCE = 30.0
GOAL_MS = 200
Seen = queue.SimpleQueue[tuple[str, float]]


def measure(seconds: float) -> Result:
    """Both ways on both databases; `seconds` is not used, since a number of events is measured."""
    found: dict[str, list[float]] = {}
    with databases() as fresh:
        for kind in KINDS:
            found |= _measure(kind, fresh)
    figures: dict[str, Any] = {
        name: {"p50_ms": percentile(each, 0.5) * 1e3, "p99_ms": percentile(each, 0.99) * 1e3}
        for name, each in found.items()
    }
    rows = [[name, *each.values()] for name, each in figures.items()]
    table(f"From a change to its subscriber ({TURNS} events each)", ["", "p50 ms", "p99 ms"], rows)
    ratios = [
        Ratio(f"p99 of an event, {name}", each["p99_ms"], GOAL_MS, False, " ms") for name, each in figures.items()
    ]
    return Result("pushes", figures, ratios)


def _measure(kind: str, fresh: Fresh) -> dict[str, list[float]]:
    settings = NO_WORKERS | database_of(kind, fresh)
    own, others = list[float](), list[float]()
    with data_folder() as folder, goldsmith(folder, **settings) as server:
        place = settings.get("GOLDSMITH_DATABASE", folder / DATABASE)
        with contextlib.closing(open_store(place)) as store, _subscribed(server) as seen:
            for number in range(TURNS):
                time.sleep(random.uniform(0, LONGEST_PAUSE))
                asked = time.monotonic()
                server.call("POST", server.project("/image-servers"), create_body(f"push {number}"))
                own.append(_until(seen, f"push {number}") - asked)
                committed = _change(store, server.credentials["project_id"], f"elsewhere {number}")
                others.append(_until(seen, f"elsewhere {number}") - committed)
    return {f"{kind}, same process": own, f"{kind}, another process": others}


def _change(store: Store, project_id: str, name: str) -> float:
    """Record an event as workers do; when that was committed."""
    committed: list[float] = []

    def work(tx: Tx) -> None:
        tx.after_commit(lambda: committed.append(time.monotonic()))
        subject = Subject(project_id, "1", "0", resource_id="1")
        Events().emit(tx, EventType.IMAGE_SERVER_RENAMED, subject, {"id": "1", "name": name})

    store.write_now(work)
    return committed[-1]


@contextlib.contextmanager
def _subscribed(server: Server) -> Iterator[Seen]:
    """The names in what a stream tells of image servers, and when they came."""
    seen: Seen = queue.SimpleQueue()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(server.signed("GET", server.project("/events?resource_type=image_server")))
        answer = http.client.HTTPResponse(connection, method="GET")
        answer.begin()
        if answer.status != 200:
            raise RuntimeError(f"no stream: {answer.status} {answer.read()!r}")
        reader = threading.Thread(target=_read, args=(answer, seen), daemon=True)
        reader.start()
        _until(seen, "ready")
        yield seen
        connection.shutdown(socket.SHUT_RDWR)
        reader.join()


def _read(answer: http.client.HTTPResponse, seen: Seen) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        while line := answer.readline():
            now = time.monotonic()
            if line == b"event: ready\n":
                seen.put(("ready", now))
            elif line.startswith(b"data: "):
                seen.put((json.loads(line[6:]).get("data", {}).get("name", ""), now))


def _until(seen: Seen, name: str) -> float:
    """When this name came."""
    while True:
        found, at = seen.get(timeout=PATIENCE)
        if found == name:
            return at
