"""Finding leaks while work goes on, and clearing them away.

The cloud is asked first and the rows are read after it: whatever work makes is claimed in a row before it is made, and
that row goes after it, so an owner that is missing twice is really missing. What comes and goes between the two looks
is seen in one look only; a leak is what is found in every one of several looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from goldsmith.clouds.port import Cloud, CloudError
from goldsmith.leaks import books, machines, records, work
from goldsmith.leaks.suspects import Leak, Suspect
from goldsmith.store import Store, Tx

LOOKS = 3
PAUSE = 0.1
"""Seconds between two looks."""
ROUNDS = 3
"""Clearing one leak away can bring another to light: a counter that counted it."""
Found = dict[tuple[str, str], Suspect]


@dataclass(frozen=True, slots=True)
class Repair:
    """A leak and what became of it; `problem` is "" when it was cleared away."""

    leak: Leak
    problem: str = ""


Note = Callable[[Tx, Repair], None]
"""Keeps a record of a repair within a transaction."""


async def find(store: Store, cloud: Cloud, *, looks: int = LOOKS, pause: float = PAUSE) -> list[Leak]:
    """Every leak; safe while workflows run."""
    return [suspect.leak for suspect in (await _confirmed(store, cloud, looks, pause)).values()]


async def repair(
    store: Store, cloud: Cloud, *, looks: int = LOOKS, pause: float = PAUSE, note: Note = lambda _tx, _repair: None
) -> list[Repair]:
    """Clear away what can be; the rest stays, with the reason. Safe while workflows run.

    `note` keeps a record of each attempt: of rows in the transaction that repairs them.
    """
    done: dict[tuple[str, str], Repair] = {}
    last: set[tuple[str, str]] = set()
    for _ in range(ROUNDS):
        found = await _confirmed(store, cloud, looks, pause)
        if set(found) == last:
            break
        last = set(found)
        await _repair_rows(store, found, note)
        for key, suspect in found.items():
            done[key] = await _outcome(suspect)
            if suspect.in_cloud is not None:
                await store.write(partial(_noted, note, done[key]))
    return list(done.values())


async def _confirmed(store: Store, cloud: Cloud, looks: int, pause: float) -> Found:
    found = await _look(store, cloud)
    for _ in range(looks - 1):
        if not found:
            break
        await asyncio.sleep(pause)
        again = await _look(store, cloud)
        found = {key: again[key] for key in found if key in again}
    return found


async def _look(store: Store, cloud: Cloud) -> Found:
    seen = await machines.look(cloud)

    def compare(tx: Tx) -> list[Suspect]:
        kept = books.read(tx)
        return [*records.suspects(kept), *work.suspects(tx, kept), *machines.suspects(kept, seen, cloud)]

    return {each.leak.key: each for each in await store.read(compare)}


async def _repair_rows(store: Store, found: Found, note: Note) -> None:
    """Repair in the transaction that sees each leak once more: what changed meanwhile is left alone."""

    def mend(tx: Tx) -> None:
        kept = books.read(tx)
        for each in [*records.suspects(kept), *work.suspects(tx, kept)]:
            if each.leak.key in found and each.in_rows is not None:
                each.in_rows(tx)
                note(tx, Repair(each.leak))

    await store.write(mend)


def _noted(note: Note, repair: Repair, tx: Tx) -> None:
    note(tx, repair)


async def _outcome(suspect: Suspect) -> Repair:
    if suspect.in_cloud is None:
        return Repair(suspect.leak, "" if suspect.in_rows else suspect.leak.repair)
    try:
        await suspect.in_cloud()
    except CloudError as error:
        return Repair(suspect.leak, str(error))
    return Repair(suspect.leak)
