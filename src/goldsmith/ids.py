"""Ids: decimal strings of 18 digits that grow with time, and UUIDs (contract: operations, section 0).

An id holds the milliseconds since 2020 (43 bits), a node (8 bits) and a sequence (12 bits): 18 digits until 2050.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid

EPOCH_MS = 1_577_836_800_000
"""2020-01-01T00:00:00Z."""


class Snowflakes:
    """Hands out ids; each is larger than the one before. Safe to use from several threads.

    `node` (0 to 255) tells processes apart; by default one is drawn by chance, and the primary key of the table
    catches the rest.
    """

    def __init__(self, node: int | None = None) -> None:
        self._node = secrets.randbelow(256) if node is None else node % 256
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """The next id."""
        with self._lock:
            ms = time.time_ns() // 1_000_000 - EPOCH_MS
            floor = (ms << 20) | (self._node << 12)
            if floor <= self._last:
                # Within one millisecond, or after the clock went back, count on from the last one.
                floor = self._last + 1
            self._last = floor
            return str(floor)


def new_uuid() -> str:
    """A random UUID with hyphens."""
    return str(uuid.uuid4())
