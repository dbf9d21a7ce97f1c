"""Registering, finding, changing and removing app servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.app_servers.models import Task, app_servers
from goldsmith.store import Row, Tx, contains, prepare
from goldsmith.store.paging import page_of

Sight = Callable[[Sequence[Row]], Sequence[bool]]

_a = app_servers.c
_INSERT = prepare(insert(app_servers))
_FIND = prepare(select(app_servers).where(_a.id == bindparam("id"), _a.project_id == bindparam("project")))
_DELETE = prepare(delete(app_servers).where(_a.id == bindparam("id")))
_OF_GROUP = prepare(select(app_servers).where(_a.server_group_id == bindparam("group")).order_by(_a.id))
_COUNT = prepare(select(func.count()).select_from(app_servers).where(_a.server_group_id == bindparam("group")))
_UPDATE = prepare(
    update(app_servers)
    .where(_a.id == bindparam("of"))
    .values(name=bindparam("to_name"), description=bindparam("to_description"),
            maintain_status=bindparam("to_maintained"), update_time=bindparam("at"))
)  # fmt: skip
_SET_TASK = prepare(
    update(app_servers)
    .where(_a.id == bindparam("of"))
    .values(task=bindparam("to_task"), task_workflow_id=bindparam("to_workflow"))
)
_END_TASK = prepare(
    update(app_servers)
    .where(_a.id == bindparam("of"), _a.task_workflow_id == bindparam("by"))
    .values(task="", task_workflow_id="")
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which servers to list; empty fields do not narrow. Names match parts, whatever their case."""

    server_group_id: str = ""
    server_name: str = ""
    machine_name: str = ""
    ip_addr: str = ""
    server_id: str = ""
    is_maintained: bool | None = None

    def conditions(self, project_id: str) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        found: list[ColumnElement[bool]] = [_a.project_id == project_id]
        for column, value in ((_a.server_group_id, self.server_group_id), (_a.ip_address, self.ip_addr),
                              (_a.id, self.server_id)):  # fmt: skip
            if value:
                found.append(column == value)
        for column, part in ((_a.name, self.server_name), (_a.machine_name, self.machine_name)):
            if part:
                found.append(contains(column, part))
        if self.is_maintained is not None:
            found.append(_a.maintain_status == int(self.is_maintained))
        return found


class AppServers:
    """The app servers of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, server: Mapping[str, Any]) -> None:
        """Register a server; `server` has every column but the times and what is being done to it."""
        fresh = {"maintain_status": 0, "task": "", "task_workflow_id": ""}
        tx.run(_INSERT, {**fresh, **server, "create_time": tx.now, "update_time": tx.now})

    def find(self, tx: Tx, project_id: str, server_id: str) -> Row | None:
        """The server, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": server_id, "project": project_id})

    def require(self, tx: Tx, project_id: str, server_id: str) -> Row:
        """The server; raises NotFound."""
        row = self.find(tx, project_id, server_id)
        if row is None:
            raise errors.NOT_FOUND.error(f"The app server '{server_id}' does not exist.")
        return row

    def list_page(
        self, tx: Tx, project_id: str, wanted: Filter, *, offset: int, limit: int, sees: Sight | None = None
    ) -> tuple[int, Sequence[Row]]:
        """How many match, and one page of them, newest first.

        `sees` tells, of rows with id, enterprise project and tags, which the caller may see; None means all.
        """
        return page_of(
            tx, app_servers, wanted.conditions(project_id), (_a.create_time.desc(), _a.id.desc()),
            offset=offset, limit=limit, facts=(_a.enterprise_project_id, _a.tags), sees=sees,
        )  # fmt: skip

    def of_group(self, tx: Tx, group_id: str) -> Sequence[Row]:
        """The servers of a server group."""
        return tx.rows(_OF_GROUP, {"group": group_id})

    def count(self, tx: Tx, group_id: str) -> int:
        """How many servers a server group has."""
        counted: int = tx.scalar(_COUNT, {"group": group_id})
        return counted

    def has_any(self, tx: Tx, group_id: str) -> bool:
        """Whether a server group has servers."""
        return self.count(tx, group_id) > 0

    def update(
        self, tx: Tx, project_id: str, server_id: str, *, name: str | None, description: str | None,
        is_maintained: bool | None,
    ) -> None:  # fmt: skip
        """Change what is given; raises NotFound."""
        tx.lock(f"app server {server_id}")
        row = self.require(tx, project_id, server_id)
        tx.run(
            _UPDATE,
            {
                "of": server_id, "to_name": row["name"] if name is None else name,
                "to_description": row["description"] if description is None else description,
                "to_maintained": row["maintain_status"] if is_maintained is None else int(is_maintained),
                "at": tx.now,
            },
        )  # fmt: skip

    def note_task(self, tx: Tx, row: Row, task: Task, workflow_id: str) -> None:
        """Show that a workflow is at work on the server."""
        tx.run(_SET_TASK, {"of": row["id"], "to_task": task.value, "to_workflow": workflow_id})

    def note_end(self, tx: Tx, server_id: str, workflow_id: str) -> None:
        """The workflow has ended; nothing happens when another one, or none, is at work."""
        tx.run(_END_TASK, {"of": server_id, "by": workflow_id})

    def remove(self, tx: Tx, server_id: str) -> None:
        """Remove a server's record; no-op when there is none."""
        tx.run(_DELETE, {"id": server_id})
