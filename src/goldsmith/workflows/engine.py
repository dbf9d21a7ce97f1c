"""The engine: claims workflows, drives their steps, checkpoints, undoes, and stops when it has lost its lease.

One engine runs in one event loop with a number of slots. A thread that does nothing else renews the leases; when
it could not for as long as a lease lasts, everything under way is dropped, because somebody else has it by then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from goldsmith import telemetry
from goldsmith.errors import UNAVAILABLE, ServiceError, Transient
from goldsmith.store import Store
from goldsmith.workflows import journal as books
from goldsmith.workflows.definition import Ending, NotYet, Output, Phase, Retry, Run, Step, Workflow
from goldsmith.workflows.journal import Claim, Fenced, Journal, Lease
from goldsmith.workflows.probe import Point, Probe
from goldsmith.workflows.queue import Queue

log = logging.getLogger(__name__)

LONGEST_NAP = 0.25
"""Seconds between looks for work of other processes; work of this process wakes the engine at once."""
CLOCK_LOOK = 5.0
"""Seconds between looks whether the clock was set back."""
LONGEST_GATHERING = 0.1
"""Seconds a free slot waits for others to become free while more is queued than fits."""
LAST_LOOK = 5.0
"""Seconds a step gets whose limit has passed already."""
CANCELLED = "The job was cancelled."


@dataclass(slots=True, eq=False)
class Held:
    """A workflow under way: its lease, certain to last until `deadline` on this process's steady clock, and its task.

    The deadline is that of the latest renewal, not of the checkpoints since: it errs on the safe side.
    """

    lease: Lease
    deadline: float
    task: asyncio.Task[None] | None = None


class Engine:
    """Works on the workflows of a queue until told to stop."""

    def __init__(
        self, store: Store, queue: Queue, *, slots: int, lease_seconds: float, role: str = "worker",
        probe: Probe | None = None, limits: Mapping[str, int] | None = None, jobs_per_project: int = 0,
        drain_seconds: float = 20.0,
    ) -> None:  # fmt: skip
        self._store = store
        self._queue = queue
        self._slots = slots
        self._lease_ms = int(lease_seconds * 1000)
        self.name = f"{role}@{socket.gethostname()}#{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._probe = probe
        self._limits, self._jobs_per_project, self._drain_seconds = dict(limits or {}), jobs_per_project, drain_seconds
        self._last_project, self._is_more_likely, self._clock_look_at = "", False, 0.0
        self._tasks: dict[asyncio.Task[None], Held] = {}
        self._awake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._heart_stop = threading.Event()

    def wake(self) -> None:
        """Look for work now; may be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._awake.set)

    async def run(self) -> None:
        """Work until `stop`; then let what runs come to its next checkpoint and hand back the rest."""
        self._loop = asyncio.get_running_loop()
        self._queue.listen(self.wake)
        heart = threading.Thread(target=self._beat, name="lease-heartbeat", daemon=True)
        heart.start()
        try:
            while not self._stopping:
                self._awake.clear()
                try:
                    nap = await self._claim_some()
                except Exception as error:
                    log.error("no work can be claimed: %s", cause_of(error), exc_info=not is_explained(error))
                    nap = LONGEST_NAP
                if nap > 0 and not self._stopping:
                    await self._nap(nap)
        finally:
            await self._wind_down()
            self._heart_stop.set()
            await asyncio.to_thread(heart.join)

    def stop(self) -> None:
        """Stop claiming; `run` returns once everything is at a checkpoint."""
        self._stopping = True
        self.wake()

    async def _claim_some(self) -> float:
        """Claim what fits; seconds to wait before the next look."""
        if self._is_more_likely:
            await self._gather_slots()
        free = self._slots - len(self._tasks)
        if free <= 0:
            return LONGEST_NAP
        await self._mind_the_clock()
        hopes_for_more = self._is_more_likely
        if not hopes_for_more:
            seconds = await self._store.read(books.due)
            if seconds is None or seconds > 0:
                return LONGEST_NAP if seconds is None else min(LONGEST_NAP, max(0.005, seconds))
        deadline = time.monotonic() + self._lease_ms / 1000
        after, most = self._last_project, self._jobs_per_project
        claims = await self._store.write(
            lambda tx: books.claim(tx, self.name, free, self._lease_ms, most_of_project=most, after=after)
        )
        self._is_more_likely = len(claims) == free  # then asking first whether anything is due would be in vain
        if claims:
            self._last_project = claims[-1].project_id
        for claim in claims:
            held = Held((claim.run.id, claim.epoch), deadline)
            held.task = asyncio.create_task(self._drive(claim, held), name=f"workflow {claim.run.id}")
            self._tasks[held.task] = held
            held.task.add_done_callback(self._task_ended)
        telemetry.RUNNING.set(len(self._tasks))
        return 0 if claims or hopes_for_more else LONGEST_NAP

    async def _mind_the_clock(self) -> None:
        if time.monotonic() < self._clock_look_at:
            return
        self._clock_look_at = time.monotonic() + CLOCK_LOOK
        if await self._store.read(books.is_stranded):
            log.warning("the clock was set back: what waited for a time that is far away by now goes on at once")
            await self._store.write(books.catch_up)

    async def _gather_slots(self) -> None:
        """While much waits, claim several at once: let some slots become free first, but none be free for long."""
        deadline = time.monotonic() + LONGEST_GATHERING
        while self._slots - len(self._tasks) < self._slots // 4 and not self._stopping:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._awake.clear()
            await self._nap(left)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        telemetry.RUNNING.set(len(self._tasks))
        if not task.cancelled() and task.exception() is not None:
            log.error("%s was dropped; its lease will end", task.get_name(), exc_info=task.exception())
        self._awake.set()

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass

    async def _drive(self, claim: Claim, held: Held) -> None:
        """Work on one workflow until it ends, waits, or is lost."""
        workflow = self._queue.kinds[claim.run.kind]
        journal = Journal(claim, workflow, self._limits)
        try:
            going = True
            while going and not self._stopping:
                going = await (self._forwards(journal, held) if claim.phase is Phase.DO else self._back(journal, held))
        except Fenced:
            log.warning("workflow %s was taken over by another worker", claim.run.id)

    async def _forwards(self, journal: Journal, held: Held) -> bool:
        """Do the next step; False when the workflow has ended or waits."""
        claim, workflow = journal.claim, journal.workflow
        step, following = _next_two(workflow, claim)
        if step is None:
            has_ended = await self._store.write(lambda tx: journal.end(tx, Ending()))
            telemetry.WORKFLOWS.labels(workflow.kind, "done").inc(has_ended)
            return not has_ended
        is_begun = (step.name, "do") in claim.states and claim.step == step.name
        is_ready = is_begun and claim.permit == journal.permit_of(step)
        if not is_ready and not await self._store.write(lambda tx: journal.begin(tx, step, Phase.DO)):
            return False
        if claim.cancel:
            await self._store.write(lambda tx: journal.turn_back(tx, claim.error or CANCELLED))
            return True
        # Counted by this process's steady clock: the database's may be set forward or back at any time.
        began = time.monotonic() - claim.spent / 1000
        try:
            # Even when the limit has passed, the step is looked at once more.
            async with asyncio.timeout(max(began + step.timeout - time.monotonic(), min(step.timeout, LAST_LOOK))):
                outcome = await self._do(step, claim.run, held)
        except Exception as error:
            return await self._failed(journal, step, error, time.monotonic() - began)
        if isinstance(outcome, NotYet):
            return await self._not_yet(journal, step, outcome, time.monotonic() - began)
        output = dict(outcome or {})
        claim.run.outputs[step.name] = output
        has_ended = await self._store.write(lambda tx: journal.finish(tx, step, Phase.DO, output, following))
        if self._probe is not None:
            await self._probe.reached(claim.run, step, Point.AFTER_RECORD)
        telemetry.STEPS.labels(workflow.kind, step.name, "do", "done").inc()
        telemetry.WORKFLOWS.labels(workflow.kind, "done").inc(has_ended)
        return not has_ended

    async def _do(self, step: Step, run: Run, held: Held) -> Output | NotYet | None:
        """The step's effect, unless the lease has ended: then somebody else may be at it, or far beyond it."""
        if self._probe is not None:
            await self._probe.reached(run, step, Point.BEFORE_DO)
        _require(held)
        outcome = await step.do(run)
        if self._probe is not None and not isinstance(outcome, NotYet):
            await self._probe.reached(run, step, Point.AFTER_DO_BEFORE_RECORD)
        return outcome

    async def _undo(self, step: Step, run: Run, held: Held) -> None:
        if self._probe is not None:
            await self._probe.reached(run, step, Point.BEFORE_UNDO)
        if step.undo is not None:
            _require(held)
            await step.undo(run)
        if self._probe is not None:
            await self._probe.reached(run, step, Point.AFTER_UNDO_BEFORE_RECORD)

    async def _not_yet(self, journal: Journal, step: Step, outcome: NotYet, spent: float) -> bool:
        if step.timeout - spent <= outcome.seconds:
            return await self._give_up(journal, step, f"{step.effect}: not done within {step.timeout:g} seconds.")
        await self._store.write(lambda tx: journal.wait(tx, outcome.seconds, 0, spent))
        return False

    async def _failed(self, journal: Journal, step: Step, error: Exception, spent: float) -> bool:
        claim = journal.claim
        if isinstance(error, Fenced):
            raise error
        pause = pause_after(step.retry, claim.attempts)
        if is_transient(error) and step.timeout - spent > pause:
            log.info("workflow %s: %s will be tried again: %s", claim.run.id, step.name, error)
            telemetry.STEPS.labels(claim.run.kind, step.name, "do", "again").inc()
            await self._store.write(lambda tx: journal.wait(tx, pause, claim.attempts + 1, spent))
            return False
        if isinstance(error, TimeoutError):
            return await self._give_up(journal, step, f"{step.effect}: not done within {step.timeout:g} seconds.")
        return await self._give_up(journal, step, cause_of(error), error)

    async def _give_up(self, journal: Journal, step: Step, cause: str, error: Exception | None = None) -> bool:
        """Turn back, or end where the workflow is kept as it is; False when it has ended."""
        run = journal.claim.run
        expected = error is None or isinstance(error, ServiceError) or is_explained(error)
        log.warning("workflow %s: %s failed: %s", run.id, step.name, cause, exc_info=None if expected else error)
        telemetry.STEPS.labels(run.kind, step.name, "do", "failed").inc()
        if journal.workflow.keeps(run):
            return not await self._store.write(lambda tx: journal.end(tx, Ending(cause, kept=True)))
        await self._store.write(lambda tx: journal.turn_back(tx, cause))
        return True

    async def _back(self, journal: Journal, held: Held) -> bool:
        """Undo the latest step that was begun and is not undone; False when all are, or when it must wait."""
        claim, workflow = journal.claim, journal.workflow
        states = claim.states
        step = next(
            (
                each
                for each in reversed(workflow.steps)
                if (each.name, "do") in states and states.get((each.name, "undo")) != "done"
            ),
            None,
        )
        if step is None:
            await self._store.write(lambda tx: journal.end(tx, Ending(claim.error)))
            telemetry.WORKFLOWS.labels(workflow.kind, "failed").inc()
            return False
        if states.get((step.name, "undo")) is None or claim.step != step.name:
            await self._store.write(lambda tx: journal.begin(tx, step, Phase.UNDO))
        try:
            async with asyncio.timeout(step.timeout):
                await self._undo(step, claim.run, held)
        except Fenced:
            raise
        except Exception as error:
            # An undo is never given up: what it would leave behind belongs to nobody.
            pause = pause_after(step.retry, claim.attempts)
            log.warning("workflow %s: undoing %s will be tried again: %s", claim.run.id, step.name, cause_of(error))
            telemetry.STEPS.labels(claim.run.kind, step.name, "undo", "again").inc()
            await self._store.write(lambda tx: journal.wait(tx, pause, claim.attempts + 1))
            return False
        await self._store.write(lambda tx: journal.finish(tx, step, Phase.UNDO, {}))
        if self._probe is not None:
            await self._probe.reached(claim.run, step, Point.AFTER_UNDO_RECORD)
        telemetry.STEPS.labels(workflow.kind, step.name, "undo", "done").inc()
        return True

    async def _wind_down(self) -> None:
        """Give running steps time to reach a checkpoint, then drop them and hand everything back."""
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._store.write(lambda tx: books.release(tx, self.name))
        except ServiceError as error:
            log.error("work could not be handed back, its leases will end: %s", error)

    def _beat(self) -> None:
        while not self._heart_stop.wait(self._lease_ms / 3000):
            under_way = list(self._tasks.values())
            if under_way:
                self._renew(under_way)

    def _renew(self, under_way: list[Held]) -> None:
        """Renew every lease, and drop the workflows whose lease could not be renewed for too long, or is another's."""
        started = time.monotonic()
        leases = [held.lease for held in under_way]
        try:
            renewed = self._store.write_now(lambda tx: books.renew(tx, leases, self._lease_ms))
        except Exception as error:  # whatever it was: without a heartbeat nothing could be done any more
            log.error("leases could not be renewed: %s", error, exc_info=not isinstance(error, ServiceError))
            lost = [held for held in under_way if time.monotonic() > held.deadline]
        else:
            for held in under_way:
                if held.lease in renewed:
                    held.deadline = started + self._lease_ms / 1000
            lost = [held for held in under_way if held.lease not in renewed]
        for held in lost:
            held.deadline = 0.0
            if self._loop is not None and held.task is not None:
                self._loop.call_soon_threadsafe(held.task.cancel)


def _next_two(workflow: Workflow, claim: Claim) -> tuple[Step | None, Step | None]:
    """The step that comes next, and the one after it."""
    left = [step for step in workflow.steps if claim.states.get((step.name, "do")) != "done"]
    return left[0] if left else None, left[1] if len(left) > 1 else None


def _require(held: Held) -> None:
    if time.monotonic() > held.deadline:
        raise Fenced(held.lease[0])


def pause_after(retry: Retry, attempts: int) -> float:
    """Seconds to wait before the next attempt: doubling, with up to a quarter of jitter either way."""
    pause: float = min(retry.pause * 2.0 ** min(attempts, 20), retry.longest)
    return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, protects nothing


def is_transient(error: BaseException) -> bool:
    """Whether the step may succeed the next time: the cloud says so, or the database was away for a moment."""
    return isinstance(error, Transient) or (isinstance(error, ServiceError) and error.kind is UNAVAILABLE)


def is_explained(error: BaseException) -> bool:
    """Whether the error's text is written for users (a driver's refusal), not a fault of the code."""
    return type(error).__module__.startswith("goldsmith.")


def cause_of(error: BaseException) -> str:
    """The cause as shown in the job."""
    if isinstance(error, ServiceError):
        return error.message
    if is_explained(error) and str(error):
        return str(error)
    return f"An internal error occurred ({type(error).__name__}); the log of the service has the details."


__all__ = ["CANCELLED", "Engine", "Workflow", "cause_of", "is_explained", "is_transient", "pause_after"]
