"""Adding and removing server groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from goldsmith.server_groups.models import server_groups
from goldsmith.store import Row, Tx, prepare

_g = server_groups.c
_INSERT = prepare(insert(server_groups))
_FIND = prepare(select(server_groups).where(_g.id == bindparam("id"), _g.project_id == bindparam("project")))
_DELETE = prepare(delete(server_groups).where(_g.id == bindparam("id")))


class ServerGroups:
    """The server groups of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, group: Mapping[str, Any]) -> None:
        """Add a group; `group` has every column but the times."""
        tx.run(_INSERT, {**group, "create_time": tx.now, "update_time": tx.now})

    def find(self, tx: Tx, project_id: str, group_id: str) -> Row | None:
        """The group, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": group_id, "project": project_id})

    def remove(self, tx: Tx, group_id: str) -> None:
        """Remove a group; no-op when there is none."""
        tx.run(_DELETE, {"id": group_id})
