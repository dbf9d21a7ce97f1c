"""Ids: decimal strings of 18 digits that grow with time, and UUIDs (contract: operations, section 0).

An id holds the milliseconds since 2020 (43 bits), a node (8 bits) and a sequence (12 bits): 18 digits until 2050.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque

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


_drawn: deque[bytes] = deque()
_DRAWN_AT_ONCE = 256
os.register_at_fork(after_in_child=_drawn.clear)


def new_hex() -> str:
    """A random UUID as 32 hexadecimal digits.

    Randomness is drawn for many at once: a call of the system lets go of the interpreter, and then has to wait for it.
    """
    while True:
        try:
            octets = bytearray(_drawn.popleft())
        except IndexError:
            block = os.urandom(16 * _DRAWN_AT_ONCE)
            _drawn.extend(block[start : start + 16] for start in range(0, len(block), 16))
            continue
        octets[6] = octets[6] & 0x0F | 0x40
        octets[8] = octets[8] & 0x3F | 0x80
        return octets.hex()


def new_uuid() -> str:
    """The same with hyphens."""
    found = new_hex()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"
