"""Wakes those who wait for events: at once for changes of this process, within a tenth of a second for others'.

Nothing is handed over: whoever is woken reads the database from where it stands. So a slow reader costs no memory,
and waking somebody once too often does no harm. While nobody waits, nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from goldsmith.events.service import Events
from goldsmith.store import Store, Tx

log = logging.getLogger(__name__)
POLL_SECONDS = 0.08


class Subscription:
    """Someone who waits; `news` is set when there may be something to read."""

    __slots__ = ("news", "project_id")

    def __init__(self, project_id: str | None) -> None:
        self.project_id = project_id
        self.news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for news, but not longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self.news.wait()


class Feed:
    """Watches the record of events for all subscriptions of this process."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store, self._events = store, events
        self._subscriptions: set[Subscription] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = asyncio.Event()
        self._is_signalled = False
        self._newest = 0
        self.is_closed = False
        events.listen(self.wake)

    def wake(self) -> None:
        """Look for events now; may be called from any thread."""
        loop = self._loop
        if self._is_signalled or loop is None:
            return
        self._is_signalled = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._awake.set)

    def wake_everyone(self) -> None:
        """Let every subscriber look; may be called from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake_all)

    def close(self) -> None:
        """End every stream; call it in the event loop."""
        self.is_closed = True
        self._wake_all()

    @contextlib.contextmanager
    def subscribe(self, project_id: str | None = None) -> Iterator[Subscription]:
        """Be woken for a project, or for all (None)."""
        subscription = Subscription(project_id)
        self._subscriptions.add(subscription)
        if self._watcher is None:
            self._loop = asyncio.get_running_loop()
            self._watcher = self._loop.create_task(self._watch(), name="watch events")
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions and self._watcher is not None:
                self._watcher.cancel()
                self._watcher, self._loop = None, None

    def _wake_all(self) -> None:
        for subscription in self._subscriptions:
            subscription.news.set()

    async def _watch(self) -> None:
        self._is_signalled = False
        while True:
            self._awake.clear()
            self._is_signalled = False
            try:
                await self._look()
            except Exception:  # a database that is gone comes back
                log.exception("events could not be read; trying again")
                await asyncio.sleep(1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._awake.wait()

    async def _look(self) -> None:
        def read(tx: Tx) -> tuple[int, set[str] | None]:
            newest = self._events.newest(tx)
            if newest == self._newest:
                return newest, set()
            return newest, set(self._events.projects_after(tx, self._newest)) if newest > self._newest > 0 else None

        self._newest, projects = await self._store.read(read)
        for subscription in self._subscriptions:
            if projects is None or subscription.project_id in projects or (projects and not subscription.project_id):
                subscription.news.set()
