"""Who owns an app server and its groups: what these rooms ask of the image servers, without knowing them.

The arrow points from image servers to this room, so they hand themselves in (`image_servers/belongings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from goldsmith.store import Tx


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
