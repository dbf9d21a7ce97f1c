"""Delivering events to webhooks, in order for each, at least once, from one process at a time.

A lease row says which process delivers. Each enabled webhook has a task that sends the event after its cursor and
moves the cursor with the log entry in one transaction, which checks the lease. After `kill -9` the next process goes
on from the cursor: an event whose receipt was not recorded is sent again, with the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from goldsmith.errors import ServiceError
from goldsmith.events import leases
from goldsmith.events.feed import Feed, Subscription
from goldsmith.events.schemas import event_text
from goldsmith.events.sending import Outcome, Sender
from goldsmith.events.service import Events, Gap
from goldsmith.events.webhooks import Webhooks, wanted_by
from goldsmith.iam.keys import KeyFileProblem
from goldsmith.iam.secrets import SecretBox
from goldsmith.settings import EventsSettings, WebhooksSettings
from goldsmith.store import Row, Store, Tx

log = logging.getLogger(__name__)
LEASE = "webhooks"
LEASE_SECONDS = 10.0
LOOK_SECONDS = 2.0
"""Between looks for webhooks that other processes have changed, and for the lease."""
KEEP_HOUSE_SECONDS = 300.0
AT_ONCE = 16
DAY_MS = 24 * 3600 * 1000


class LeaseLost(Exception):
    """Another process delivers by now."""


@dataclass(frozen=True, slots=True)
class Next:
    """What is to be done for a webhook: `event` is None when there is nothing up to the `newest` of the project."""

    webhook: Row
    event: Row | None
    newest: int
    now: int
    gap: Gap | None


class Deliverer:
    """Delivers, and prunes old events, while it holds the lease."""

    def __init__(
        self, store: Store, events: Events, webhooks: Webhooks, feed: Feed, sender: Sender, box: SecretBox, *,
        kept: EventsSettings, settings: WebhooksSettings, region: str, role: str,
    ) -> None:  # fmt: skip
        self._store, self._events, self._webhooks, self._feed = store, events, webhooks, feed
        self._sender, self._box, self._kept, self._settings, self._region = sender, box, kept, settings, region
        self.name = f"{role}@{socket.gethostname()}#{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._keep_house_at = self._renew_at = 0.0
        self._look = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        webhooks.listen(self.look_now)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping = True
        self.look_now()

    def look_now(self) -> None:
        """Webhooks have changed; may be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._look.set)
        self._feed.wake_everyone()

    async def run(self) -> None:
        """Deliver until `stop`, whenever the lease is ours."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._stopping:
                self._look.clear()
                with contextlib.suppress(ServiceError):  # a database that is gone comes back
                    await self._work()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._look.wait()
        finally:
            await self._end_tasks()
            await self._sender.close()
            with contextlib.suppress(ServiceError):
                await self._store.write(lambda tx: leases.release(tx, LEASE, self.name))

    async def _work(self) -> None:
        """See to it that every webhook has its task; without anything to do not even the lease is renewed."""
        enabled = await self._store.read(self._webhooks.enabled)
        is_due = time.monotonic() >= self._keep_house_at
        if not enabled and not is_due:
            return
        if not await self._has_lease():
            await self._end_tasks()
            return
        self._start_tasks(enabled)
        if is_due:
            self._keep_house_at = time.monotonic() + KEEP_HOUSE_SECONDS
            await self._keep_house()

    async def _has_lease(self) -> bool:
        if time.monotonic() < self._renew_at:
            return True
        is_mine = await self._store.write(lambda tx: leases.acquire(tx, LEASE, self.name, int(LEASE_SECONDS * 1000)))
        self._renew_at = time.monotonic() + LEASE_SECONDS / 3 if is_mine else 0.0
        return is_mine

    def _start_tasks(self, enabled: list[str]) -> None:
        for webhook_id in enabled:
            task = self._tasks.get(webhook_id)
            if task is None or task.done():
                self._tasks[webhook_id] = asyncio.create_task(self._serve(webhook_id), name=f"webhook {webhook_id}")
        self._tasks = {each: task for each, task in self._tasks.items() if not task.done()}

    async def _end_tasks(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, webhook_id: str) -> None:
        """Deliver to one webhook until it is removed or disabled, or the lease is lost."""
        webhook = await self._store.read(lambda tx: self._webhooks.find(tx, webhook_id))
        if webhook is None:
            return
        with self._feed.subscribe(webhook["project_id"]) as subscription:
            try:
                while await self._step(webhook_id, subscription):
                    pass
            except LeaseLost:
                log.warning("webhook %s: another process delivers by now", webhook_id)
            except ServiceError as error:
                log.warning("webhook %s: delivering pauses: %s", webhook_id, error)
            except KeyFileProblem as problem:
                log.error("webhook %s: %s", webhook_id, problem)
                await asyncio.sleep(KEEP_HOUSE_SECONDS)
            except Exception:
                log.exception("webhook %s: delivering pauses", webhook_id)

    async def _step(self, webhook_id: str, subscription: Subscription) -> bool:
        """Deliver the next event, or wait for one; False when there is nothing more to do here."""
        subscription.news.clear()
        found = await self._store.read(lambda tx: self._next(tx, webhook_id))
        if found is None:
            return False
        gap, pause = found.gap, (found.webhook["next_at"] - found.now) / 1000
        if gap is not None:
            await self._write(lambda tx: self._webhooks.skip(tx, found.webhook, gap.until, is_gap=True))
        elif 0 < pause <= 2 * self._settings.longest_retry_seconds:  # longer: the clock has been set back since
            await subscription.wait(min(pause, LOOK_SECONDS))
        elif found.event is not None:
            await self._deliver(found.webhook, found.event)
        else:
            await subscription.wait(LOOK_SECONDS)
            if not subscription.news.is_set() and found.newest > found.webhook["cursor"]:
                await self._write(lambda tx: self._webhooks.skip(tx, found.webhook, found.newest))
        return True

    def _next(self, tx: Tx, webhook_id: str) -> Next | None:
        webhook = self._webhooks.find(tx, webhook_id)
        if webhook is None or not webhook["enabled"]:
            return None
        rows = self._events.after(tx, webhook["project_id"], webhook["cursor"], wanted_by(webhook), 1)
        gap = self._events.gap(tx, webhook["project_id"], webhook["cursor"])
        return Next(webhook, rows[0] if rows else None, self._events.newest_of(tx, webhook["project_id"]), tx.now, gap)

    async def _deliver(self, webhook: Row, event: Row) -> None:
        body = event_text(event, self._region)
        async with self._slots:
            secret = self._box.open(webhook["secret"])
            outcome = await self._sender.send(webhook["id"], webhook["url"], secret, body)
        await self._write(lambda tx: self._note(tx, webhook, event, outcome))

    def _note(self, tx: Tx, webhook: Row, event: Row, outcome: Outcome) -> None:
        if not outcome.error and outcome.status is not None:
            self._webhooks.delivered(tx, webhook, event, outcome.status)
            return
        pause = pause_after(self._settings, webhook["attempts"])
        self._webhooks.failed(
            tx, webhook, event, status=outcome.status, error=outcome.error, pause_ms=int(pause * 1000),
            give_up_ms=int(self._settings.give_up_hours * 3600 * 1000),
        )  # fmt: skip

    async def _write(self, work: Callable[[Tx], None]) -> None:
        def fenced(tx: Tx) -> None:
            if not leases.holds(tx, LEASE, self.name):
                raise LeaseLost
            work(tx)

        await self._store.write(fenced)

    async def _keep_house(self) -> None:
        keep = {"keep_ms": int(self._kept.keep_days * DAY_MS), "keep_count": self._kept.keep_count}
        while await self._store.write(lambda tx: self._events.prune(tx, **keep)) and not self._stopping:
            pass
        while await self._store.write(lambda tx: self._webhooks.prune_log(tx, **keep)) and not self._stopping:
            pass


def pause_after(settings: WebhooksSettings, attempts: int) -> float:
    """Seconds to wait after a failed attempt: doubling, with up to a quarter of jitter either way."""
    pause: float = min(settings.first_retry_seconds * 2.0 ** min(attempts, 30), settings.longest_retry_seconds)
    return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, protects nothing


def take_over(tx: Tx, role: str) -> None:
    """End the lease of this role's former process on this host, which is known to be dead."""
    leases.release_alike(tx, LEASE, f"{role}@{socket.gethostname()}#")
