"""Memory of an idle service: after its start, and after a thousand image servers have been made."""

from __future__ import annotations

import time

from creates import turn
from harness import Ratio, Result, Server, data_folder, goldsmith, table

CREATES = 1000
GOAL_MIB = 150


def measure(seconds: float) -> Result:
    """Start, look, create, wait until the work is done, look again; `seconds` is ignored."""
    with data_folder() as folder, goldsmith(folder) as server:
        time.sleep(2)
        after_start = server.memory_mib()
        turn(server, "memory", 600.0, CREATES)
        _wait_until_idle(server)
        after_work = server.memory_mib()
    rows = [["after start", *after_start.values()], [f"after {CREATES} creates", *after_work.values()]]
    table("Memory of an idle service, MiB", ["", "RSS", "PSS"], rows)
    worst = max(after_start["rss"], after_work["rss"])
    figures = {"after_start": after_start, "after_work": after_work}
    return Result("memory", figures, [Ratio("resident memory of an idle service", worst, GOAL_MIB, False, " MiB")])


def _wait_until_idle(server: Server) -> None:
    target = server.project("/image-server-jobs?job_type=CREATE_SERVER&status=RUNNING&limit=1")
    while server.call("GET", target)["count"] > 0:
        time.sleep(0.5)
    time.sleep(2)
