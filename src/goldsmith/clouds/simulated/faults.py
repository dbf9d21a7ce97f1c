"""What can go wrong in a simulated world, and the ledger of what is to go wrong and what did.

A `Fault` strikes a call of the driver a number of times. A `Behaviour` stays, and makes machines misbehave
from the moment they are started.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

CallName = Literal[
    "hosts", "find_image", "create_port", "delete_port", "create_server", "start_server", "stop_server",
    "delete_server", "describe_server", "list_servers", "list_ports", "guest_ready", "run_in_guest",
    "screenshot",
]  # fmt: skip
Point = Literal["before", "after"]
FaultError = Literal["again", "refused", "hang", "crash"]
BehaviourKind = Literal["guest_never_answers", "machine_dies_during_boot"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One call of the driver goes wrong, `times` times.

    `call` is the name of a method of `Cloud`; `at` says whether its effect has happened when the fault
    strikes. `error` is what the caller meets: `again` raises `TryAgainLater`, `refused` raises `Refused`,
    `hang` never returns, `crash` kills the calling process with SIGKILL. `match` narrows it to calls where it
    is part of the id of the server, port or image, of its name, of a key (the call's, or the one the thing
    was created with) or of the command line. Raises `ValueError` for what could never strike.
    """

    call: CallName
    at: Point = "before"
    error: FaultError = "again"
    times: int = 1
    match: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        for name, known in (("call", CallName), ("at", Point), ("error", FaultError)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is unknown; it is one of {', '.join(get_args(known))}"
                )
        if self.times < 1:
            raise ValueError(f"times is {self.times}, but a fault strikes at least once")

    @property
    def text(self) -> str:
        """What the user is told: `message`, or a sentence that says it was on purpose."""
        return self.message or f"Injected fault: {self.call} fails {self.at} its effect."


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Machines of servers whose name contains `match` misbehave, from their next start, until it is cleared.

    `guest_never_answers`: the machine runs, its agent stays silent. `machine_dies_during_boot`: the machine
    stops half way through its boot, with `message` as the reason. Raises `ValueError` for an unknown `kind`.
    """

    kind: BehaviourKind
    match: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(BehaviourKind):
            raise ValueError(f"kind {self.kind!r} is unknown; it is one of {', '.join(get_args(BehaviourKind))}")

    @property
    def text(self) -> str:
        """The reason a user is told."""
        return self.message or "The machine stopped during its boot (simulated)."


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way: what is called, the id of the thing, its key, and other texts a fault may match."""

    name: CallName
    subject: str = ""
    key: str = ""
    labels: tuple[str, ...] = ()


class Struck(Exception):
    """A fault fired; its firing is already on record."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def inject(db: sqlite3.Connection, fault: Fault) -> None:
    """Arm the fault for all processes that share the world."""
    db.execute(
        "INSERT INTO faults (call, at, error, times, match, message) VALUES (?, ?, ?, ?, ?, ?)",
        (fault.call, fault.at, fault.error, fault.times, fault.match, fault.message),
    )


def fired(db: sqlite3.Connection) -> dict[Fault, int]:
    """Every injected fault, and how often it fired; equal faults are counted together."""
    counts: dict[Fault, int] = {}
    for *parts, count in db.execute("SELECT call, at, error, times, match, message, fired FROM faults ORDER BY id"):
        fault = Fault(*parts)
        counts[fault] = counts.get(fault, 0) + count
    return counts


def armed(db: sqlite3.Connection, call: CallName) -> list[tuple[int, Fault]]:
    """The faults that may strike this call, oldest first, with their row ids."""
    rows = db.execute(
        "SELECT id, call, at, error, times, match, message FROM faults WHERE call = ? AND fired < times ORDER BY id",
        (call,),
    ).fetchall()
    return [(row, Fault(*parts)) for row, *parts in rows]


def strike(db: sqlite3.Connection, candidates: Sequence[tuple[int, Fault]], at: Point, call: Call) -> Fault | None:
    """Fire the first candidate that strikes here: count it and return it; None when there is none."""
    for row, fault in candidates:
        if fault.at == at and _matches(db, fault.match, call):
            db.execute("UPDATE faults SET fired = fired + 1 WHERE id = ?", (row,))
            return fault
    return None


def behaviours(db: sqlite3.Connection, server_name: str) -> list[Behaviour]:
    """What a machine of this server does wrong."""
    rows = db.execute("SELECT kind, match, message FROM behaviours ORDER BY rowid").fetchall()
    return [Behaviour(*row) for row in rows if row[1] in server_name]


def _matches(db: sqlite3.Connection, match: str, call: Call) -> bool:
    if not match or any(match in text for text in (call.subject, call.key, *call.labels)):
        return True
    stored = db.execute(
        "SELECT name || char(10) || key FROM servers WHERE id = :id UNION ALL SELECT key FROM ports WHERE id = :id",
        {"id": call.subject},
    ).fetchall()
    return any(match in text for (text,) in stored)
