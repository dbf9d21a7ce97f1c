"""Who may work on a workflow: leases are kept for what is under way, and for nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.workflows.test_engine import World

from goldsmith.errors import UNAVAILABLE
from goldsmith.store import Store
from goldsmith.workflows import Engine, Queue, Run
from goldsmith.workflows import journal as books


class Flaky:
    """A database that refuses the writes it is told to refuse."""

    refuses: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read, self.read_now, self.write_now, self.close = store.read, store.read_now, store.write_now, store.close

    async def write(self, work: Callable[..., Any]) -> Any:
        if self.refuses():
            raise UNAVAILABLE.error("The disk is full.")
        return await self._store.write(work)


@pytest.fixture
def store(both_stores: Store) -> Flaky:
    return Flaky(both_stores)


@asynccontextmanager
async def working(*engines: Engine) -> AsyncIterator[None]:
    running = [asyncio.create_task(engine.run()) for engine in engines]
    try:
        yield
    finally:
        for engine in engines:
            engine.stop()
        async with asyncio.timeout(30):
            await asyncio.gather(*running)


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


async def test_a_workflow_that_was_dropped_is_taken_up_again_however_busy_its_worker_is(store: Flaky) -> None:
    world, full, go_on = World(), [False], asyncio.Event()

    async def effect(run: Run) -> None:
        world.effects.append(f"do {run.id}")
        if run.id == "busy":
            await go_on.wait()
        elif world.effects.count("do dropped") == 1:
            full[0] = True

    store.refuses = lambda: full[0]
    queue = Queue({"test": world.workflow(world.step("a", effect, timeout=60))})
    engine = Engine(store, queue, slots=2, lease_seconds=0.6)
    async with working(engine):
        await store.write(lambda tx: queue.put(tx, "busy", "test", "subject", {}))
        await until(lambda: "do busy" in world.effects)
        await store.write(lambda tx: queue.put(tx, "dropped", "test", "other subject", {}))
        await until(lambda: full[0])
        await asyncio.sleep(0.1)
        full[0] = False
        await until(lambda: world.endings)
        assert world.effects == ["do busy", "do dropped", "do dropped"]
        go_on.set()
        await until(lambda: len(world.endings) == 2)
    assert all(ending.succeeded for ending in world.endings)


async def test_a_database_that_cannot_be_read_or_written_for_a_while_does_not_end_the_engine(store: Flaky) -> None:
    world, broken = World(), [True]
    queue = Queue({"test": world.workflow(world.step("a"))})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    read = store.read

    async def reading(work: Any) -> Any:
        if broken[0]:
            raise sqlite3.OperationalError("disk I/O error")
        return await read(work)

    store.read = reading  # type: ignore[method-assign]
    engine = Engine(store, queue, slots=1, lease_seconds=5)
    async with working(engine):
        await asyncio.sleep(0.1)
        broken[0], store.refuses = False, lambda: True
        await asyncio.sleep(0.7)
        store.refuses = lambda: False
        await until(lambda: world.endings)
    assert world.endings[0].succeeded


async def test_a_worker_that_dies_right_after_its_first_claim_does_not_take_the_beginning_with_it(store: Flaky) -> None:
    world, started = World(), []
    workflow = replace(world.workflow(world.step("a")), on_start=lambda tx, run: started.append(run.id))
    queue = Queue({"test": workflow})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    assert len(await store.write(lambda tx: books.claim(tx, "dead", 1, 50))) == 1
    async with working(Engine(store, queue, slots=1, lease_seconds=5)):
        await until(lambda: world.endings)
    assert started == ["1"]


async def test_a_worker_that_slept_past_its_lease_before_an_effect_leaves_it_to_the_other(store: Flaky) -> None:
    world, asleep = World(), asyncio.Event()

    class Slow:
        """Sleeps where the first engine is about to act, until the second has ended the workflow."""

        async def reached(self, run: Run, step: object, point: str) -> None:
            if point == "before_do" and not asleep.is_set():
                asleep.set()
                await until(lambda: world.endings)

    queue = Queue({"test": world.workflow(world.step("a", timeout=60))})
    first = Engine(store, queue, slots=1, lease_seconds=0.3, probe=Slow())
    first._renew = lambda under_way: None  # type: ignore[method-assign]
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    async with working(first):
        await asleep.wait()
        async with working(Engine(store, queue, slots=1, lease_seconds=5)):
            await until(lambda: world.endings)
    assert world.effects == ["do a"]


async def test_a_worker_drops_at_its_next_heartbeat_what_another_has_taken_over(store: Flaky) -> None:
    world, dropped, begun = World(), asyncio.Event(), asyncio.Event()

    async def hang(run: Run) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            dropped.set()
            raise

    queue = Queue({"test": world.workflow(world.step("a", hang, timeout=60))})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, queue, slots=1, lease_seconds=0.6)):
        await begun.wait()
        await store.write(lambda tx: books.release_alike(tx, "worker@"))
        (taken,) = await store.write(lambda tx: books.claim(tx, "another", 1, 60_000))
        async with asyncio.timeout(5):
            await dropped.wait()
    assert taken.epoch == 2
