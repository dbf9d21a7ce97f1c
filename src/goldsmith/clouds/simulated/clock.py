"""Where the simulated cloud gets the time from.

A `Clock` tells *real* seconds; the world keeps how they map to simulated ones (`ledger.py`), so that
simulated time goes on while no process looks, and every process agrees on it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Real time: seconds since the epoch, and a way to let some pass."""

    def now(self) -> float:
        """Seconds since the epoch (any epoch, as long as all who share a world share it); thread-safe."""

    async def sleep(self, seconds: float) -> None:
        """Return once that many seconds have passed; at once when `seconds` is not positive."""


class RunningClock:
    """The clock on the wall."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        if seconds > 0:
            await asyncio.sleep(seconds)


class HeldClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """The second it was last moved to."""
        return self._now

    @property
    def sleepers(self) -> int:
        """How many sleeps have not ended: lets a test wait until the cloud waits for time."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return when `advance` has moved the clock by that much."""
        if seconds <= 0:
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, wake those whose sleep ends by then, and let them run once."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
        await asyncio.sleep(0)
