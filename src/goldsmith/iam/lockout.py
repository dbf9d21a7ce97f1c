"""Lock-out after repeated failures, per credential and source address.

Five failures in a row from one address shut that address out of that credential for five minutes. Others are not
affected: nobody can lock out anyone but themselves. Memory is bounded, and failures on credentials that do not
exist are remembered apart, so that inventing many of them lifts no lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

LIMIT = 5
LOCK_MS = 5 * 60 * 1000
SIZE = 8192


@lru_cache(maxsize=4096)
def origin(source_ip: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 network an IPv6 host may choose freely from."""
    try:
        address = ip_address(source_ip)
    except ValueError:
        return source_ip
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped is not None else str(ip_network((address, 64), strict=False))
    return source_ip


class Lockout:
    """Counts failures in this process; `clock` gives milliseconds."""

    def __init__(self, clock: Callable[[], int], size: int = SIZE) -> None:
        self._clock = clock
        self._size = size
        self._known: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._strangers: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)

    def is_locked(self, subject: str, source_ip: str) -> bool:
        """Whether this source failed too often on this credential within the last five minutes."""
        if not self._known and not self._strangers:
            return False
        return self._count((subject, origin(source_ip))) >= LIMIT

    def failed(self, subject: str, source_ip: str, *, exists: bool) -> None:
        """Note a failure; `exists` says whether there is such a credential."""
        key = (subject, origin(source_ip))
        pool = self._known if exists else self._strangers
        count = self._count(key) + 1
        pool[key] = (count, self._clock() + LOCK_MS)
        pool.move_to_end(key)
        while len(pool) > self._size:
            pool.popitem(last=False)

    def succeeded(self, subject: str, source_ip: str) -> None:
        """The row of failures is broken."""
        if self._known or self._strangers:
            self._forget((subject, origin(source_ip)))

    def _count(self, key: tuple[str, str]) -> int:
        entry = self._known.get(key) or self._strangers.get(key)
        if entry is None:
            return 0
        if entry[1] <= self._clock():
            self._forget(key)
            return 0
        return entry[0]

    def _forget(self, key: tuple[str, str]) -> None:
        self._known.pop(key, None)
        self._strangers.pop(key, None)
