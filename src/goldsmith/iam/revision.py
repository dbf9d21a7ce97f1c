"""One number that grows with every change to accounts, users, groups, policies and grants.

What is kept in memory is good for the revision it was read at, so a process that looks at the number now and then
knows when to look everything up again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import insert, select, update

from goldsmith.iam.models import revision
from goldsmith.store import Store, Tx, prepare

POLL_SECONDS = 0.25
"""How long another process's change may go unnoticed by what is kept per revision."""

_READ = prepare(select(revision.c.number))
_BUMP = prepare(update(revision).values(number=revision.c.number + 1))
_FIRST = prepare(insert(revision))


def bump(tx: Tx) -> None:
    """Say that something changed, in the transaction that changes it."""
    if tx.run(_BUMP) == 0:
        tx.run(_FIRST, {"id": 1, "number": 1})


def number_in(tx: Tx) -> int:
    """The revision this transaction sees."""
    return tx.scalar(_READ) or 0


class Revision:
    """The current revision, looked up at most every `POLL_SECONDS`."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._generation = 0
        self._polled: tuple[int, float, int] | None = None

    def forget(self) -> None:
        """Look again at once: something changed in this process. May be called from any thread."""
        self._generation += 1

    async def current(self) -> int:
        """The number; at most `POLL_SECONDS` old, and never older than a change in this process."""
        generation, now, polled = self._generation, self._clock(), self._polled
        if polled is not None and polled[0] == generation and now < polled[1]:
            return polled[2]
        number = await self._store.read(number_in)
        self._polled = (generation, now + POLL_SECONDS, number)
        return number
