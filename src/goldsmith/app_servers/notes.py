"""Notes of the service on a server, kept among its tags as system tags.

Keys that start with `_sys_` are the service's own (contract: operations, section 0): users can neither set nor see
them, so a note needs no column and never clashes with a user's tag.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PREFIX = "_sys_"
MAINTAINED = "_sys_maintained"
TASK = "_sys_task"
MAINTAINED_TEXT = json.dumps({"key": MAINTAINED})[:-1]
"""How the note begins in the stored text; no tag of a user can hold this."""


class Task(StrEnum):
    """What is being done to a server: values of `task_status`."""

    DELETING = "deleting"
    POWERING_ON = "powering-on"
    POWERING_OFF = "powering-off"
    REBOOTING = "rebooting"
    REBOOTING_HARD = "rebooting_hard"


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted on a server: whether it is under maintenance, the task at hand and the workflow that does it."""

    is_maintained: bool = False
    task: Task | None = None
    workflow_id: str = ""


def read(tags: str) -> Notes:
    """The notes among the stored tags."""
    found = {tag["key"]: tag.get("value") or "" for tag in json.loads(tags) if tag["key"].startswith(PREFIX)}
    task, _, workflow_id = found.get(TASK, "").partition(" ")
    return Notes(MAINTAINED in found, Task(task) if task else None, workflow_id)


def user_tags(tags: str) -> list[dict[str, Any]]:
    """The tags that are the user's own."""
    return [tag for tag in json.loads(tags) if not tag["key"].startswith(PREFIX)]


def write(tags: str, notes: Notes) -> str:
    """The stored tags with these notes instead of the former ones."""
    own: list[dict[str, Any]] = []
    if notes.is_maintained:
        own.append({"key": MAINTAINED, "value": "true"})
    if notes.task is not None:
        own.append({"key": TASK, "value": f"{notes.task} {notes.workflow_id}"})
    return json.dumps(user_tags(tags) + own, ensure_ascii=False)
