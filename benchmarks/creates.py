"""Accepted creates per second, next to moto's RunInstances and the same server with one bare insert, on both databases.

All take turns for several rounds, so that whatever else the machine does meets them alike. Each moto is fresh
and gets a fixed number of calls, since it slows down as instances pile up.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from databases import POSTGRES, database_of, databases
from harness import (
    HERE,
    NO_WORKERS,
    Measured,
    Ratio,
    Result,
    Server,
    create_body,
    data_folder,
    goldsmith,
    median,
    send,
    summary,
    table,
)

ROUNDS = 5
CONNECTIONS = 32
MOTO_CALLS = 150
MOTO_CONNECTIONS = 4
"""moto works on one request at a time; with more connections they only wait longer."""
WARM_UP = 300
FASTEST = 6000
"""Requests prepared for each second; more than any server here answers."""

ACCEPT, WITH_WORKERS, BARE, MOTO = "goldsmith", "goldsmith, workers on", "one bare insert", "moto EC2 RunInstances"
PG_ACCEPT, PG_BARE = f"{ACCEPT}, {POSTGRES}", f"{BARE}, {POSTGRES}"


def measure(seconds: float) -> Result:
    """Alternate between the servers; `seconds` is the length of one turn."""
    with databases() as fresh, contextlib.ExitStack() as stack:

        def started(command: Sequence[str | Path] = (), **settings: str) -> Server:
            return stack.enter_context(goldsmith(stack.enter_context(data_folder()), command, **settings))

        bare: list[str | Path] = [sys.executable, HERE / "bare.py"]
        servers = {
            ACCEPT: started(**NO_WORKERS),
            BARE: started(bare, **NO_WORKERS),
            WITH_WORKERS: started(),
            PG_ACCEPT: started(**NO_WORKERS, **database_of(POSTGRES, fresh)),
            PG_BARE: started(bare, **NO_WORKERS, **database_of(POSTGRES, fresh)),
        }
        rounds: dict[str, list[Measured]] = {name: [] for name in (*servers, MOTO)}
        for name, server in servers.items():
            turn(server, f"warm {len(name)}", 30.0, WARM_UP)
        for number in range(ROUNDS):
            for name, server in servers.items():
                rounds[name].append(turn(server, f"round {number}", seconds, int(FASTEST * seconds)))
            rounds[MOTO].append(_moto_turn(stack.enter_context(data_folder())))
    return _result(rounds)


def turn(server: Server, prefix: str, seconds: float, count: int) -> Measured:
    """Creates with names of their own, for some seconds."""
    path = server.project("/image-servers")
    requests = [server.signed("POST", path, create_body(f"{prefix} {number}")) for number in range(count)]
    return send(server, requests, connections=CONNECTIONS, seconds=seconds)


def _moto_turn(folder: Path) -> Measured:
    from moto_server import moto, run_instances

    with moto(folder) as server:
        send(server, [run_instances(server, number) for number in range(5)], connections=1)
        requests = [run_instances(server, number) for number in range(MOTO_CALLS)]
        return send(server, requests, connections=MOTO_CONNECTIONS)


def _result(rounds: dict[str, list[Measured]]) -> Result:
    figures = summary(rounds)
    table(
        f"Accepted creates (durable, authenticated; {CONNECTIONS} connections, moto {MOTO_CONNECTIONS}; "
        f"medians of {ROUNDS} alternating rounds)",
        ["", "per second", "slowest", "fastest", "p50 ms", "p99 ms", "server CPU us"],
        [[name, *list(figures[name].values())[:6]] for name in rounds],
    )

    def ratio(above: str, below: str) -> float:
        return median([a.rate / b.rate for a, b in zip(rounds[above], rounds[below], strict=True)])

    ratios = [
        Ratio("accepted creates beside moto RunInstances", ratio(ACCEPT, MOTO), 10, at_least=True),
        Ratio("the same with workers on", ratio(WITH_WORKERS, MOTO), 10, at_least=True),
        Ratio("accepted creates beside one bare insert", ratio(ACCEPT, BARE), 0.5, at_least=True),
        Ratio("accepted creates beside moto RunInstances, PostgreSQL", ratio(PG_ACCEPT, MOTO), 10, at_least=True),
        Ratio("accepted creates beside one bare insert, PostgreSQL", ratio(PG_ACCEPT, PG_BARE), 0.5, at_least=True),
    ]
    return Result("creates", figures, ratios)
