"""The states of an image server and every legal move between them (contract: operations, section 1).

`docs/image-server-states.md` is generated from this module.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """ImageServerStatus of the contract."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    BUILDING = "BUILDING"
    BUILT = "BUILT"
    ERROR = "ERROR"
    DELETING = "DELETING"


class Event(StrEnum):
    """What moves an image server."""

    CREATED = "the machine is ready"
    CREATE_FAILED = "a step failed; everything was undone, or kept on request"
    RETRIED = "the job is retried from its failed step"
    DELETE_ASKED = "batch-delete"
    DELETE_FAILED = "the machine could not be removed"


MOVES: dict[tuple[Status, Event], Status] = {
    (Status.CREATING, Event.CREATED): Status.ACTIVE,
    (Status.CREATING, Event.CREATE_FAILED): Status.ERROR,
    (Status.ERROR, Event.RETRIED): Status.CREATING,
    (Status.ACTIVE, Event.DELETE_ASKED): Status.DELETING,
    (Status.BUILT, Event.DELETE_ASKED): Status.DELETING,
    (Status.ERROR, Event.DELETE_ASKED): Status.DELETING,
    (Status.DELETING, Event.DELETE_FAILED): Status.ERROR,
}
"""Where each event leads; what is not here cannot happen. The end of a deletion removes the record."""


def sources(event: Event) -> tuple[Status, ...]:
    """The states in which `event` may happen."""
    return tuple(status for status, each in MOVES if each is event)


def target(event: Event) -> Status:
    """The state `event` leads to."""
    (found,) = {status for (_, each), status in MOVES.items() if each is event}
    return found


def diagram() -> str:
    """The moves as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.CREATING}: create"]
    lines += [f"    {source} --> {goal}: {event}" for (source, event), goal in MOVES.items()]
    lines += [f"    {Status.DELETING} --> [*]: everything is removed"]
    return "\n".join(lines)
