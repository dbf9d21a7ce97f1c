"""What was looked up a moment ago: bounded, and forgotten after a second or at once when it changed here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

STALE_SECONDS = 1.0
"""How long another process's change may go unnoticed."""


class Recent(Generic[K, V]):
    """A dictionary that keeps at most `size` entries, each for `STALE_SECONDS`.

    Note `generation` before a lookup and hand it to `put`: an answer that was on its way while something
    changed is then not kept. `forget` may be called from any thread.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._entries: dict[K, tuple[float, V]] = {}
        self.generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, or None when it is unknown or too old."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    def put(self, key: K, value: V, generation: int) -> None:
        """Keep a value looked up since `generation`; the oldest entry makes room."""
        entries = self._entries
        if generation != self.generation:
            return
        entries.pop(key, None)
        while len(entries) >= self._size:
            entries.pop(next(iter(entries)))
        entries[key] = (self._clock() + STALE_SECONDS, value)

    def forget(self) -> None:
        """Drop everything."""
        self.generation += 1
        self._entries = {}
