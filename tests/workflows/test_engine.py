"""The engine on both databases, through its public doors: put a workflow, run an engine, look at rows and effects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from goldsmith.errors import CONFLICT, Transient
from goldsmith.store import Store, Tx
from goldsmith.workflows import Ending, Engine, NotYet, Queue, Retry, Run, Step, Workflow
from goldsmith.workflows.engine import pause_after
from goldsmith.workflows.models import workflow_steps, workflows


class Busy(Transient):
    pass


class World:
    """What the steps of a test do, and how the workflow ended."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.endings: list[Ending] = []

    def step(self, name: str, do: Callable[[Run], Awaitable[object]] | None = None, **options: object) -> Step:
        async def effect(run: Run) -> dict[str, str]:
            self.effects.append(f"do {name}")
            return {"made": name}

        async def undo(run: Run) -> None:
            self.effects.append(f"undo {name}")

        settings = {"undo": undo, "timeout": 5.0, "retry": Retry(0.01, 0.02)} | options
        return Step(name, f"do {name}", f"undo {name}", "counts", do or effect, **settings)  # type: ignore[arg-type]

    def workflow(self, *steps: Step) -> Workflow:
        return Workflow("test", steps, lambda *_: None, lambda *_: None, lambda tx, run, end: self.endings.append(end))


@pytest.fixture
def store(both_stores: Store) -> Store:
    return both_stores


async def run_to_end(store: Store, workflow: Workflow, world: World, *, lease: float = 5.0) -> None:
    queue = Queue({"test": workflow})
    engine = Engine(store, queue, slots=4, lease_seconds=lease)
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    running = asyncio.create_task(engine.run())
    async with asyncio.timeout(20):
        while not world.endings:
            await asyncio.sleep(0.005)
    engine.stop()
    await running


def state(tx: Tx) -> tuple[str, list[tuple[str, str, str]]]:
    steps = [(row["name"], row["phase"], row["state"]) for row in tx.rows(select(workflow_steps))]
    return tx.scalar(select(workflows.c.state)), sorted(steps)


async def test_steps_run_in_order_and_are_checkpointed(store: Store) -> None:
    world = World()
    await run_to_end(store, world.workflow(world.step("a"), world.step("b")), world)
    assert world.effects == ["do a", "do b"]
    assert await store.read(state) == ("done", [("a", "do", "done"), ("b", "do", "done")])


async def test_a_failed_step_undoes_everything_in_reverse_itself_included(store: Store) -> None:
    world = World()

    async def fail(run: Run) -> None:
        world.effects.append("do c")
        raise ValueError("broken")

    await run_to_end(store, world.workflow(world.step("a"), world.step("b"), world.step("c", fail)), world)
    assert world.effects == ["do a", "do b", "do c", "undo c", "undo b", "undo a"]
    assert world.endings[0].error.startswith("An internal error occurred (ValueError)")
    assert (await store.read(state))[0] == "failed"


async def test_a_transient_error_is_tried_again(store: Store) -> None:
    world, left = World(), [1, 1]

    async def busy(run: Run) -> None:
        world.effects.append("try")
        if left:
            left.pop()
            raise Busy

    await run_to_end(store, world.workflow(world.step("a", busy)), world)
    assert world.effects == ["try"] * 3
    assert world.endings[0].succeeded


async def test_a_step_that_stays_busy_is_given_up_at_its_limit(store: Store) -> None:
    world = World()

    async def busy(run: Run) -> None:
        world.effects.append("try")
        raise Busy

    step = world.step("a", busy, timeout=1.0, retry=Retry(0.01, 60))
    await run_to_end(store, world.workflow(step), world)
    assert world.endings[0].error.startswith("An internal error occurred (Busy)")
    assert 3 <= world.effects.count("try") <= 8


async def test_what_is_refused_is_not_tried_again(store: Store) -> None:
    world = World()

    async def refuse(run: Run) -> None:
        world.effects.append("try")
        raise CONFLICT.error("this cannot be")

    await run_to_end(store, world.workflow(world.step("a", refuse)), world)
    assert (world.effects, world.endings[0].error) == (["try", "undo a"], "this cannot be")


def test_pauses_grow_up_to_the_longest_and_differ() -> None:
    retry = Retry(0.5, 30)
    for attempts, wanted in ((0, 0.5), (1, 1), (5, 16), (6, 30), (1000, 30)):
        found = [pause_after(retry, attempts) for _ in range(50)]
        assert all(wanted * 0.75 <= each <= wanted * 1.25 for each in found)
        assert len(set(found)) > 1


async def test_waiting_gives_the_slot_back_and_comes_back(store: Store) -> None:
    world, left = World(), [1, 1, 1]

    async def wait(run: Run) -> NotYet | None:
        world.effects.append("look")
        if left:
            left.pop()
            return NotYet(0.01)
        return None

    await run_to_end(store, world.workflow(world.step("a", wait)), world)
    assert world.effects == ["look"] * 4
    assert world.endings[0].succeeded


async def test_a_step_that_waits_too_long_fails_with_its_effect_as_the_cause(store: Store) -> None:
    world = World()

    async def wait(run: Run) -> NotYet:
        return NotYet(0.05)

    await run_to_end(store, world.workflow(world.step("a", wait, timeout=0.2)), world)
    assert world.endings[0].error == "do a: not done within 0.2 seconds."


async def test_an_undo_that_fails_is_tried_again(store: Store) -> None:
    world, left = World(), [1]

    async def fail(run: Run) -> None:
        raise ValueError

    async def undo(run: Run) -> None:
        world.effects.append("undo")
        if left:
            left.pop()
            raise OSError("disk")

    await run_to_end(store, world.workflow(world.step("a", fail, undo=undo)), world)
    assert world.effects == ["undo", "undo"]
    assert (await store.read(state))[1] == [("a", "do", "intent"), ("a", "undo", "done")]


async def test_a_workflow_of_a_dead_worker_goes_on_elsewhere_from_its_last_checkpoint(store: Store) -> None:
    world, stuck = World(), asyncio.Event()

    async def hang_once(run: Run) -> None:
        world.effects.append("do b")
        if not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()

    queue = Queue({"test": world.workflow(world.step("a"), world.step("b", hang_once, timeout=60))})
    first = Engine(store, queue, slots=1, lease_seconds=0.5)
    first._renew = lambda under_way: None  # type: ignore[method-assign]  # it only believes that it renews: as good as frozen
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    frozen = asyncio.create_task(first.run())
    await stuck.wait()
    second = Engine(store, queue, slots=1, lease_seconds=5)
    running = asyncio.create_task(second.run())
    async with asyncio.timeout(20):
        while not world.endings:
            await asyncio.sleep(0.01)
    assert world.effects == ["do a", "do b", "do b"]
    for task in first._tasks:
        task.cancel()
    first.stop()
    second.stop()
    await asyncio.gather(frozen, running)


async def test_a_worker_that_wakes_up_late_writes_nothing(store: Store) -> None:
    world, held, released = World(), asyncio.Event(), asyncio.Event()

    async def hold_once(run: Run) -> dict[str, str]:
        if not held.is_set():
            held.set()
            await released.wait()
            return {"by": "late"}
        return {"by": "new"}

    queue = Queue({"test": world.workflow(world.step("a", hold_once, timeout=60))})
    first = Engine(store, queue, slots=1, lease_seconds=0.5)
    first._renew = lambda under_way: None  # type: ignore[method-assign]
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    late = asyncio.create_task(first.run())
    await held.wait()
    second = Engine(store, queue, slots=1, lease_seconds=5)
    running = asyncio.create_task(second.run())
    async with asyncio.timeout(20):
        while not world.endings:
            await asyncio.sleep(0.01)
    released.set()
    first.stop()
    second.stop()
    await asyncio.gather(late, running)
    output = await store.read(lambda tx: tx.scalar(select(workflow_steps.c.output)))
    assert output == '{"by": "new"}'
    assert len(world.endings) == 1


async def test_cancel_is_seen_at_the_next_checkpoint_and_undoes(store: Store) -> None:
    world, left = World(), [1, 1, 1, 1, 1, 1, 1, 1]
    queue = Queue()

    async def wait(run: Run) -> NotYet | None:
        if len(left) == 4:
            await store.write(lambda tx: queue.cancel(tx, run.id, "Cancelled by ann."))
        if left:
            left.pop()
            return NotYet(0.01)
        return None

    workflow = world.workflow(world.step("a"), world.step("b", wait))
    queue.add(workflow)
    engine = Engine(store, queue, slots=1, lease_seconds=5)
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    running = asyncio.create_task(engine.run())
    async with asyncio.timeout(20):
        while not world.endings:
            await asyncio.sleep(0.005)
    engine.stop()
    await running
    assert world.endings[0].error == "Cancelled by ann."
    assert world.effects == ["do a", "undo b", "undo a"]
    assert left


async def test_stopping_hands_the_work_back_at_once(store: Store) -> None:
    world, begun = World(), asyncio.Event()

    async def wait(run: Run) -> NotYet:
        begun.set()
        return NotYet(0.01)

    queue = Queue({"test": world.workflow(world.step("a", wait, timeout=60))})
    engine = Engine(store, queue, slots=1, lease_seconds=60)
    await store.write(lambda tx: queue.put(tx, "1", "test", "subject", {}))
    running = asyncio.create_task(engine.run())
    await begun.wait()
    engine.stop()
    await running
    assert await store.read(lambda tx: tx.scalar(select(workflows.c.state))) == "queued"


async def test_progress_shows_every_step(store: Store) -> None:
    world = World()
    workflow = world.workflow(world.step("a", weight=3), world.step("b"))
    await run_to_end(store, workflow, world)
    progress = await store.read(lambda tx: Queue({"test": workflow}).progress(tx, "1"))
    assert progress is not None
    assert (progress.percent, progress.current_step) == (100, "")
    assert [(step.name, step.state) for step in progress.steps] == [("a", "done"), ("b", "done")]


async def test_a_kept_workflow_goes_on_from_its_failed_step(store: Store) -> None:
    world, broken = World(), [1]

    async def fail_once(run: Run) -> None:
        world.effects.append("do b")
        if broken:
            broken.pop()
            raise ValueError

    plain = world.workflow(world.step("a"), world.step("b", fail_once))
    workflow = replace(plain, keeps=lambda run: True)
    await run_to_end(store, workflow, world)
    assert (world.effects, world.endings[0].kept) == (["do a", "do b"], True)
    world.endings.clear()
    queue = Queue({"test": workflow})
    engine = Engine(store, queue, slots=1, lease_seconds=5)
    assert await store.write(lambda tx: queue.resume(tx, "1"))
    running = asyncio.create_task(engine.run())
    async with asyncio.timeout(20):
        while not world.endings:
            await asyncio.sleep(0.005)
    engine.stop()
    await running
    assert world.effects == ["do a", "do b", "do b"]
    assert world.endings[0].succeeded
    assert not await store.write(lambda tx: queue.resume(tx, "1"))
