"""Registering and removing app servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from goldsmith.app_servers.models import app_servers
from goldsmith.store import Row, Tx, prepare

_a = app_servers.c
_INSERT = prepare(insert(app_servers))
_FIND = prepare(select(app_servers).where(_a.id == bindparam("id"), _a.project_id == bindparam("project")))
_DELETE = prepare(delete(app_servers).where(_a.id == bindparam("id")))
_COUNT = prepare(select(app_servers.c.id).where(_a.server_group_id == bindparam("group")).limit(1))


class AppServers:
    """The app servers of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, server: Mapping[str, Any]) -> None:
        """Register a server; `server` has every column but the times."""
        tx.run(_INSERT, {**server, "create_time": tx.now, "update_time": tx.now})

    def find(self, tx: Tx, project_id: str, server_id: str) -> Row | None:
        """The server, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": server_id, "project": project_id})

    def has_any(self, tx: Tx, group_id: str) -> bool:
        """Whether a server group has servers."""
        return tx.row(_COUNT, {"group": group_id}) is not None

    def remove(self, tx: Tx, server_id: str) -> None:
        """Remove a server's record; no-op when there is none."""
        tx.run(_DELETE, {"id": server_id})
