"""What app servers and their groups ask of the rooms above them, without knowing those.

The arrow points from image servers to these rooms, so they hand themselves in (`image_servers/belongings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from goldsmith.store import Row, Tx


@dataclass(frozen=True, slots=True)
class Owner:
    """The image server whose record exists; `is_busy` while a job of it works on the machine."""

    id: str
    status: str
    is_busy: bool

    @property
    def advice(self) -> str:
        """What to do instead of removing a part of it."""
        return f"It belongs to image server {self.id}; delete that image server instead."


class Finder(Protocol):
    """Finds server groups, whose room stands above those of app servers and app groups."""

    def find(self, tx: Tx, project_id: str, group_id: str) -> Row | None:
        """The group, or None when this project has none with this id."""


class Owners(Protocol):
    """Finds owners, and gives back what a machine claimed."""

    def of_server(self, tx: Tx, project_id: str, server_id: str) -> Owner | None:
        """The image server an app server belongs to."""

    def of_server_group(self, tx: Tx, project_id: str, group_id: str) -> Owner | None:
        """The image server a server group belongs to."""

    def of_app_group(self, tx: Tx, project_id: str, group_id: str) -> Owner | None:
        """The image server an app group belongs to."""

    def release_machine(self, tx: Tx, instance_id: str, port_id: str) -> None:
        """Give back a machine's address, room and quota; nothing happens for what was given back already."""
