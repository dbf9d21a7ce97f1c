"""What a crash may leave beside whole machines: folders half made, processes without a folder, half a reservation.

Nothing here waits or changes anything; what an operation is at work on, which holds the machine's lock, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from goldsmith.clouds.qemu import process
from goldsmith.clouds.qemu.locks import Locks
from goldsmith.clouds.qemu.shelf import Shelf

FOLDER, PROCESS, RESERVATION = "unfinished folder", "process", "reservation file"


def find(shelf: Shelf, ports: Path, locks: Locks) -> list[tuple[str, str, str]]:
    """Kind, name and reason of each; blocks for one look at all processes."""
    whole = set(shelf.ids())
    found = [(FOLDER, each, "a machine was being made or removed when a process died") for each in shelf.leftovers()]
    found += [
        (PROCESS, each, "QEMU runs for a machine that has no folder")
        for each in sorted(process.running_in(shelf.root) - whole)
    ]
    idle = [each for each in found if _is_free(locks, each[1])]
    return idle + [(RESERVATION, name, why) for name, why in _half_reservations(ports)]


def _is_free(locks: Locks, server_id: str) -> bool:
    with locks.if_free(server_id) as free:
        return free


def _half_reservations(ports: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(ports.glob(".*.new")):
        yield file.name, "a reservation was being written when a process died"
    for file in sorted(ports.glob("taken/*")):
        if _links(file) == 1:
            yield f"taken/{file.name}", "the address is held, but no reservation is left"


def _links(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_nlink
    return 0


def clear_reservation(ports: Path, name: str) -> None:
    """Remove half a reservation; a whole one stays."""
    file = ports / name
    if name.endswith(".new") or _links(file) == 1:
        file.unlink(missing_ok=True)
