"""A clock that jumps: nothing fails, nothing stands still, and a step's limit stays what it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from tests.workflows.test_engine import Busy, World
from tests.workflows.test_leases import Flaky, until, working

from goldsmith.errors import UNAVAILABLE
from goldsmith.events import leases
from goldsmith.events.models import leases as leases_table
from goldsmith.store import Store
from goldsmith.workflows import Engine, NotYet, Queue, Retry, Run
from goldsmith.workflows import engine as engine_module
from goldsmith.workflows import journal as books
from goldsmith.workflows.models import workflows

HOUR = 3600 * 1000


@pytest.fixture
def store(both_stores: Store, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    monkeypatch.setattr(engine_module, "CLOCK_LOOK", 0.1)
    return Flaky(both_stores)


async def jump(store: Store, milliseconds: int) -> None:
    """The clock has jumped: whatever was written before it lies so much further back, or ahead."""
    moved = {name: workflows.c[name] - milliseconds for name in ("run_at", "step_since", "lease_until")}
    await store.write(lambda tx: tx.run(update(workflows).values(**moved)))


class Waiting:
    """A workflow whose only step waits until it may go on."""

    def __init__(self) -> None:
        self.world, self.looks, self.may_go = World(), 0, False
        self.queue = Queue({"test": self.world.workflow(self.world.step("a", self._look, timeout=60))})

    async def _look(self, run: Run) -> NotYet | None:
        self.looks += 1
        return None if self.may_go else NotYet(0.02)


@pytest.mark.parametrize("milliseconds", [HOUR, -HOUR], ids=["forwards", "back"])
async def test_a_step_that_waits_goes_on_when_the_clock_has_jumped(store: Flaky, milliseconds: int) -> None:
    waiting = Waiting()
    await store.write(lambda tx: waiting.queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, waiting.queue, slots=1, lease_seconds=5)):
        await until(lambda: waiting.looks > 2)
        await jump(store, milliseconds)
        before = waiting.looks
        await until(lambda: waiting.looks > before + 2)
        assert waiting.world.endings == []
        waiting.may_go = True
        await until(lambda: waiting.world.endings)
    assert waiting.world.endings[0].succeeded


async def test_the_work_of_a_dead_worker_goes_on_when_the_clock_was_set_back(store: Flaky) -> None:
    world = World()
    queue = Queue({"test": world.workflow(world.step("a"))})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    assert len(await store.write(lambda tx: books.claim(tx, "dead", 1, 5000))) == 1
    await jump(store, -HOUR)
    async with working(Engine(store, queue, slots=1, lease_seconds=5)):
        await until(lambda: world.endings)
    assert world.effects == ["do a"]


async def test_a_limit_counts_what_was_waited_and_little_of_the_time_nobody_was_there(store: Flaky) -> None:
    waiting = Waiting()
    await store.write(lambda tx: waiting.queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, waiting.queue, slots=1, lease_seconds=5)):
        await until(lambda: waiting.looks > 9)
    await jump(store, HOUR)
    (claim,) = await store.write(lambda tx: books.claim(tx, "me", 1, 5000))
    assert 9 * 20 <= claim.spent <= 20_000 + 10_000


async def test_deliveries_go_on_when_the_clock_was_set_back(store: Flaky) -> None:
    assert await store.write(lambda tx: leases.acquire(tx, "webhooks", "dead", 10_000))
    assert not await store.write(lambda tx: leases.acquire(tx, "webhooks", "me", 10_000))
    later = update(leases_table).values(until=leases_table.c.until + HOUR)
    await store.write(lambda tx: tx.run(later))
    assert await store.write(lambda tx: leases.acquire(tx, "webhooks", "me", 10_000))


async def test_a_job_cancelled_in_an_attempt_does_not_wait_for_the_next_one(store: Flaky) -> None:
    world, begun, go_on = World(), asyncio.Event(), asyncio.Event()

    async def busy(run: Run) -> None:
        begun.set()
        await go_on.wait()
        raise Busy

    step = world.step("a", busy, timeout=600, retry=Retry(60, 60))
    queue = Queue({"test": replace(world.workflow(step), can_cancel=True)})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, queue, slots=1, lease_seconds=5)):
        await begun.wait()
        assert await store.write(lambda tx: queue.cancel(tx, "1", "not wanted"))
        go_on.set()
        await until(lambda: world.endings)
    assert (world.endings[0].error, world.effects) == ("not wanted", ["undo a"])


async def test_a_database_that_was_away_for_a_moment_fails_no_step(store: Flaky) -> None:
    world = World()

    async def read(run: Run) -> None:
        world.effects.append("read")
        if len(world.effects) == 1:
            raise UNAVAILABLE.error("The database cannot be used.")

    queue = Queue({"test": world.workflow(world.step("a", read))})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, queue, slots=1, lease_seconds=5)):
        await until(lambda: world.endings)
    assert (world.endings[0].error, world.effects) == ("", ["read", "read"])


async def test_the_heart_beats_on_whatever_goes_wrong_with_a_beat(store: Flaky) -> None:
    world, beats, write_now = World(), [0], store.write_now

    async def stay(run: Run) -> None:
        await until(lambda: beats[0] > 3)

    def beat(work: Any) -> Any:
        beats[0] += 1
        if beats[0] < 3:
            raise ValueError("something that nobody thought of")
        return write_now(work)

    store.write_now = beat  # type: ignore[method-assign]
    queue = Queue({"test": world.workflow(world.step("a", stay, timeout=60))})
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    async with working(Engine(store, queue, slots=1, lease_seconds=1.5)):
        await until(lambda: world.endings)
    assert world.endings[0].succeeded
