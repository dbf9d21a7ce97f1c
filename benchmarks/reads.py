"""Showing and listing image servers: does it take longer when there are a hundred thousand of them?"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import psycopg
from sqlalchemy import Connection, insert, text

from databases import KINDS, Fresh, database_of, databases
from goldsmith.ids import Snowflakes
from goldsmith.image_servers.models import image_server_counts, image_servers
from goldsmith.settings import DATABASE
from goldsmith.store.opening import Place
from goldsmith.store.schema_version import connected
from harness import NO_WORKERS, Measured, Ratio, Result, Server, data_folder, goldsmith, median, send, summary, table

READS = ("show", "list")
FEW, MANY = 100, 100_000
ROUNDS = 8
REQUESTS = 300
CONNECTIONS = 2
GOAL = 1.3


def measure(seconds: float) -> Result:
    """Alternate between a service with few and one with many rows; `seconds` is ignored."""
    rounds: dict[str, list[Measured]] = {}
    with databases() as fresh:
        for kind in KINDS:
            with contextlib.ExitStack() as stack:
                servers = {count: _service_with(count, stack, fresh, kind) for count in (FEW, MANY)}
                for _ in range(ROUNDS):
                    for what in READS:
                        for count, (server, ids) in servers.items():
                            rounds.setdefault(_name(kind, what, count), []).append(_turn(server, what, ids))
    figures = summary(rounds)
    rows = [[name, *(found[key] for key in ("p50_ms", "p99_ms", "server_cpu_us"))] for name, found in figures.items()]
    table(f"Reads ({CONNECTIONS} connections, medians of {ROUNDS} alternating rounds)",
          ["", "p50 ms", "p99 ms", "server CPU us"], rows)  # fmt: skip
    return Result("reads", figures, [_ratio(rounds, kind, what) for kind in KINDS for what in READS])


def _name(kind: str, what: str, count: int) -> str:
    return f"{kind}, {what} at {count:,}"


def _ratio(rounds: dict[str, list[Measured]], kind: str, what: str) -> Ratio:
    """Of the medians of many short rounds, so that a round in which the machine did something else does not count."""
    many, few = (median([each.ms(0.99) for each in rounds[_name(kind, what, count)]]) for count in (MANY, FEW))
    return Ratio(f"p99 of {what} at {MANY:,} image servers beside {FEW}, {kind}", many / few, GOAL, at_least=False)


def _service_with(count: int, stack: contextlib.ExitStack, fresh: Fresh, kind: str) -> tuple[Server, list[str]]:
    folder = stack.enter_context(data_folder())
    settings = NO_WORKERS | database_of(kind, fresh)
    with goldsmith(folder, **settings):
        pass  # makes the data folder
    project_id = json.loads((folder / "credentials.json").read_text())["project_id"]
    ids = _fill(settings.get("GOLDSMITH_DATABASE", folder / DATABASE), project_id, count)
    return stack.enter_context(goldsmith(folder, **settings)), ids


def _fill(place: Place, project_id: str, count: int) -> list[str]:
    """Insert rows as creates leave them."""
    ids, now = Snowflakes(), int(time.time() * 1000)
    ref = {"id": "image", "image_type": "gold", "spce_code": "code", "product_id": "product"}
    accounts = [{"account": "administrator", "account_type": "USER"}]
    rows = [
        {
            "id": ids.next(), "project_id": project_id, "name": f"read {number}", "description": "",
            "status": "ACTIVE", "image_ref": json.dumps(ref), "authorize_accounts": json.dumps(accounts),
            "enterprise_project_id": "0", "spec": json.dumps({"filler": "x" * 1200}), "server_group_id": "group",
            "app_group_id": "app", "server_id": "server", "instance_id": "machine", "image_id": "",
            "workflow_id": "workflow", "create_time": now, "update_time": now,
        }
        for number in range(count)
    ]  # fmt: skip
    with connected(place) as connection:
        _insert(connection, rows)
        connection.execute(insert(image_server_counts), {"project_id": project_id, "servers": count})
        connection.execute(text("ANALYZE image_servers"))
        connection.commit()
    return [str(row["id"]) for row in rows]


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(insert(image_servers), rows)
        return
    # A hundred thousand INSERTs would take PostgreSQL minutes.
    copy = f"COPY image_servers ({', '.join(rows[0])}) FROM STDIN"
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor, cursor.copy(copy.encode()) as to:
        for row in rows:
            to.write_row(tuple(row.values()))


def _turn(server: Server, what: str, ids: list[str]) -> Measured:
    step = max(1, len(ids) // REQUESTS)
    targets = ["?limit=10"] * REQUESTS if what == "list" else [f"/{ids[n * step % len(ids)]}" for n in range(REQUESTS)]
    requests = [server.signed("GET", server.project(f"/image-servers{target}")) for target in targets]
    return send(server, requests, connections=CONNECTIONS)
