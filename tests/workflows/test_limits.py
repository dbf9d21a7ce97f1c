"""Taking turns and keeping limits, with many claimers at once, on both databases."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from tests.workflows.test_engine import World
from tests.workflows.test_leases import until, working

from goldsmith.store import Store, Tx
from goldsmith.store.opening import Place, open_store
from goldsmith.workflows import Engine, NotYet, Permit, Queue, Run
from goldsmith.workflows import journal as books
from goldsmith.workflows.models import workflows

CLAIMERS = 6
LEASE_MS = 60_000


@pytest.fixture
def store(both_stores: Store) -> Store:
    return both_stores


def queue_of(world: World) -> Queue:
    return Queue({"test": world.workflow(world.step("a"))})


def put_many(store: Store, queue: Queue, *counts: tuple[str, int]) -> None:
    def work(tx: Tx) -> None:
        for project, count in counts:
            for number in range(count):
                queue.put(tx, f"{project}-{number:03}", "test", "subject", {}, project_id=project)

    store.write_now(work)


def claimed(store: Store, slots: int, **options: object) -> list[str]:
    claims = store.write_now(lambda tx: books.claim(tx, "me", slots, LEASE_MS, **options))  # type: ignore[arg-type]
    return [claim.run.id for claim in claims]


def test_the_oldest_goes_first(store: Store) -> None:
    queue = queue_of(World())
    for name in ("b", "a", "c"):
        store.write_now(lambda tx, name=name: queue.put(tx, name, "test", "subject", {}, project_id="p"))
        threading.Event().wait(0.003)
    assert claimed(store, 2) == ["b", "a"]
    assert claimed(store, 2) == ["c"]
    assert claimed(store, 2) == []


def test_projects_take_turns_however_much_one_of_them_has_queued(store: Store) -> None:
    put_many(store, queue_of(World()), ("greedy", 50), ("modest", 2), ("other", 3))
    assert [each.partition("-")[0] for each in claimed(store, 6)] == ["greedy", "modest", "other"] * 2
    assert [each.partition("-")[0] for each in claimed(store, 3, after="greedy")] == ["other", "greedy", "greedy"]


def test_with_one_slot_the_next_claim_goes_on_where_the_last_one_stopped(store: Store) -> None:
    put_many(store, queue_of(World()), ("", 3), ("a", 3), ("b", 1))
    seen, after = [], ""
    for _ in range(7):
        (workflow_id,) = claimed(store, 1, after=after)
        after = workflow_id.rpartition("-")[0]
        seen.append(after)
    assert seen == ["a", "b", "", "a", "", "a", ""]


def test_the_limit_of_a_project_is_never_exceeded_by_claimers_at_the_same_time(place: Place) -> None:
    with SixStores(place) as stores:
        put_many(stores[0], queue_of(World()), ("a", 40), ("b", 40))
        start = threading.Barrier(CLAIMERS)

        def claim(store: Store) -> list[str]:
            start.wait()
            return list(itertools.chain(*(claimed(store, 3, most_of_project=4) for _ in range(5))))

        with ThreadPoolExecutor(CLAIMERS) as pool:
            found = list(itertools.chain(*pool.map(claim, stores)))
    assert len(found) == len(set(found))
    assert Counter(each[0] for each in found) == {"a": 4, "b": 4}


class SixStores:
    """Six stores on one database, as six processes have them."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> list[Store]:
        self._stores = [open_store(self._place) for _ in range(CLAIMERS)]
        return self._stores

    def __exit__(self, *_: object) -> None:
        for store in self._stores:
            store.close()


class Rooms:
    """Counts who is in a room, whose door lets in only so many."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.world = World()
        permit = Permit("room", lambda run: str(run.parameters["room"]))
        self.looks: Counter[str] = Counter()
        steps = (
            self.world.step("before"),
            self.world.step("enter", self._enter, permit=permit),
            self.world.step("stay", self._stay, permit=permit),
            self.world.step("after"),
        )
        self.queue = Queue({"test": self.world.workflow(*steps)})

    async def _enter(self, run: Run) -> None:
        room = run.parameters["room"]
        self.inside[room] += 1
        self.most[room] = max(self.most[room], self.inside[room])

    async def _stay(self, run: Run) -> NotYet | None:
        self.looks[run.id] += 1
        if self.looks[run.id] < 3:
            return NotYet(0.01)
        self.inside[run.parameters["room"]] -= 1
        return None

    def put(self, store: Store, count: int) -> None:
        def work(tx: Tx) -> None:
            for number in range(count):
                self.queue.put(tx, f"{number:03}", "test", "subject", {"room": "xy"[number % 2]})

        store.write_now(work)


async def test_a_permit_is_held_by_no_more_than_its_limit_whoever_works(place: Place) -> None:
    rooms = Rooms()
    async with AsyncExitStack() as stack:
        stores = [stack.enter_context(closing(open_store(place))) for _ in range(CLAIMERS)]
        rooms.put(stores[0], 40)
        engines = [Engine(store, rooms.queue, slots=8, lease_seconds=5, limits={"room": 2}) for store in stores]
        async with working(*engines):
            await until(lambda: len(rooms.world.endings) == 40)
        held = await stores[0].read(lambda tx: tx.scalar(select(func.count()).where(workflows.c.permit != "")))
    assert all(ending.succeeded for ending in rooms.world.endings)
    assert rooms.most == {"x": 2, "y": 2}
    assert held == 0


async def test_who_is_cancelled_while_waiting_for_a_permit_is_undone_and_blocks_nobody(store: Store) -> None:
    rooms, closed = Rooms(), asyncio.Event()
    kind = rooms.queue.kinds["test"]

    async def stay(run: Run) -> None:
        await closed.wait()

    steps = tuple(replace(step, do=stay) if step.name == "stay" else step for step in kind.steps)
    rooms.queue.add(replace(kind, steps=steps, can_cancel=True))
    rooms.put(store, 5)
    async with working(Engine(store, rooms.queue, slots=8, lease_seconds=5, limits={"room": 1})):
        waiting = select(workflows.c.id).where(workflows.c.permit != "", workflows.c.has_permit == 0)
        await until(lambda: len(store.read_now(lambda tx: tx.rows(waiting))) == 3)
        first = store.read_now(lambda tx: tx.rows(waiting))[0]["id"]
        assert await store.write(lambda tx: rooms.queue.cancel(tx, first, "not wanted"))
        await until(lambda: rooms.world.endings)
        assert rooms.world.endings[0].error == "not wanted"
        assert rooms.world.effects.count("undo before") == 1
        closed.set()
        await until(lambda: len(rooms.world.endings) == 5)
    assert sum(ending.succeeded for ending in rooms.world.endings) == 4


async def test_a_permit_goes_with_the_workflow_to_the_next_worker(store: Store) -> None:
    rooms = Rooms()
    rooms.put(store, 3)
    frozen = asyncio.Event()

    async def stay(run: Run) -> None:
        frozen.set()
        await asyncio.Event().wait()

    kind = rooms.queue.kinds["test"]
    steps = tuple(replace(step, do=stay) if step.name == "stay" else step for step in kind.steps)
    first = Engine(store, Queue({"test": replace(kind, steps=steps)}), slots=1, lease_seconds=0.5, limits={"room": 1},
                   drain_seconds=0)  # fmt: skip
    first._renew = lambda under_way: None  # type: ignore[method-assign]  # as good as frozen
    async with working(first):
        await frozen.wait()
        async with working(Engine(store, rooms.queue, slots=4, lease_seconds=5, limits={"room": 1})):
            await until(lambda: len(rooms.world.endings) == 3)
    assert rooms.most == {"x": 1, "y": 1}
