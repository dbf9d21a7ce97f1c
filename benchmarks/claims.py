"""How long a claim takes with little and with 100,000 workflows queued, on SQLite and on PostgreSQL.

Half of what is queued belongs to one project, the rest to nine others. Each turn claims one workflow, and the two
databases of a kind take turns, so that both see the same machine.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from sqlalchemy import insert, text

from databases import KINDS, databases
from goldsmith.store import Store, Tx
from goldsmith.store.opening import Place, open_store
from goldsmith.store.schema_version import connected
from goldsmith.workflows import journal as books
from goldsmith.workflows.models import workflows
from harness import Ratio, Result, percentile, table

FEW, MANY = 100, 100_000
PROJECTS = 10
TURNS = 300
GOAL = 2.0


def measure(seconds: float) -> Result:
    """Both databases; `seconds` is not used, since a number of claims is measured."""
    figures: dict[str, Any] = {}
    ratios = []
    with databases() as fresh:
        for kind in KINDS:
            found = _measure((fresh(kind), fresh(kind)))
            figures[kind] = {str(count): found[count] for count in (FEW, MANY)}
            ratio = found[MANY]["p50_ms"] / found[FEW]["p50_ms"]
            ratios.append(Ratio(f"claim with {MANY:,} queued beside {FEW}, {kind}", ratio, GOAL, at_least=False))
    table(
        f"One claim ({TURNS} turns)",
        ["", "queued", "p50 ms", "p99 ms"],
        [[kind, count, each["p50_ms"], each["p99_ms"]] for kind, of in figures.items() for count, each in of.items()],
    )
    return Result("claims", figures, ratios)


def _measure(places: tuple[Place, Place]) -> dict[int, dict[str, float]]:
    stores = {}
    for count, place in zip((FEW, MANY), places, strict=True):
        stores[count] = open_store(place)
        _fill(stores[count], place, count)
    times: dict[int, list[float]] = {FEW: [], MANY: []}
    try:
        for turn in range(TURNS + 10):
            for count, store in stores.items():
                elapsed = _claim_one(store)
                if turn >= 10:
                    times[count].append(elapsed * 1e3)
    finally:
        for store in stores.values():
            store.close()
    return {count: {"p50_ms": percentile(each, 0.5), "p99_ms": percentile(each, 0.99)} for count, each in times.items()}


def _claim_one(store: Store) -> float:
    """The time that looking and claiming takes; what was claimed is queued again."""
    started = time.perf_counter()
    assert store.read_now(books.due) == 0
    (claim,) = store.write_now(lambda tx: books.claim(tx, "bench", 1, 60_000))
    elapsed = time.perf_counter() - started
    assert claim.epoch > 0
    store.write_now(lambda tx: books.release(tx, "bench"))
    return elapsed


def _fill(store: Store, place: Place, count: int) -> None:
    def row(number: int, now: int) -> dict[str, Any]:
        return {
            "id": f"{number:018}", "kind": "bench", "subject": "", "project_id": f"p{number % (2 * PROJECTS):02}"
            if number % 2 else "p00", "parameters": "{}", "state": "queued", "phase": "do", "step": "a",
            "step_since": now, "attempts": 0, "run_at": now - count + number, "owner": None, "epoch": 0,
            "lease_until": 0, "cancel": 0, "permit": "", "has_permit": 0, "error": "", "created_at": now,
            "ended_at": None,
        }  # fmt: skip

    def work(first: int, tx: Tx) -> None:
        rows = [row(number, tx.now) for number in range(first, min(first + 500, count))]
        tx.run(insert(workflows).values(rows))

    for first in range(0, count, 500):
        store.write_now(partial(work, first))
    if isinstance(place, str):
        with connected(place) as connection:
            connection.execute(text("ANALYZE workflows"))
            connection.commit()
