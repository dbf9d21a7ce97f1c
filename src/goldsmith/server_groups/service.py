"""Adding, finding, changing and removing server groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, false, func, insert, literal, select, update

from goldsmith import errors
from goldsmith.server_groups.models import server_groups
from goldsmith.store import Row, Tx, contains, prepare
from goldsmith.store.paging import page_of

DEFAULT_ENTERPRISE_PROJECT = "0"
Tag = Mapping[str, str]
Sight = Callable[[Sequence[Row]], Sequence[bool]]

_g = server_groups.c
_INSERT = prepare(insert(server_groups))
_FIND = prepare(select(server_groups).where(_g.id == bindparam("id"), _g.project_id == bindparam("project")))
_NAMED = prepare(select(_g.id).where(_g.project_id == bindparam("project"), _g.name == bindparam("of_name")))
_COUNT = prepare(select(func.count()).select_from(server_groups).where(_g.project_id == bindparam("project")))
_TAGS = prepare(
    select(_g.id, _g.enterprise_project_id, _g.tags).where(_g.project_id == bindparam("project"), _g.tags != "[]")
)
_UPDATE = prepare(
    update(server_groups)
    .where(_g.id == bindparam("of"))
    .values(name=bindparam("to_name"), description=bindparam("to_description"), route_policy=bindparam("to_policy"),
            update_time=bindparam("at"))
)  # fmt: skip
_SET_TAGS = prepare(
    update(server_groups).where(_g.id == bindparam("of")).values(tags=bindparam("to_tags"), update_time=bindparam("at"))
)
_DELETE = prepare(delete(server_groups).where(_g.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which groups to list; empty fields do not narrow.

    `name` matches a part, whatever its case. `tags` are pairs that must all be there; a value of None is any value.
    """

    name: str = ""
    group_id: str = ""
    app_type: str = ""
    tags: Sequence[tuple[str, str | None]] = ()
    enterprise_project_id: str | None = None
    is_secondary: bool | None = None

    def conditions(self, project_id: str) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        found: list[ColumnElement[bool]] = [_g.project_id == project_id]
        if self.name:
            found.append(contains(_g.name, self.name))
        if self.group_id:
            found.append(_g.id == self.group_id)
        if self.app_type:
            found.append(_g.app_type == self.app_type)
        if self.enterprise_project_id is not None:
            found.append(_g.enterprise_project_id == (self.enterprise_project_id or DEFAULT_ENTERPRISE_PROJECT))
        if self.is_secondary:
            found.append(false())
        found += [_has_tag(key, value) for key, value in self.tags]
        return found


def _has_tag(key: str, value: str | None) -> ColumnElement[bool]:
    tag = func.json_items(_g.tags).table_valued("value")
    held = [func.json_text(tag.c.value, "key") == key]
    if value is not None:
        held.append(func.coalesce(func.json_text(tag.c.value, "value"), "") == value)
    return exists(select(literal(1)).select_from(tag).where(*held).correlate(server_groups))


class ServerGroups:
    """The server groups of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, group: Mapping[str, Any]) -> None:
        """Add a group; `group` has every column but the times."""
        tx.run(_INSERT, {**group, "create_time": tx.now, "update_time": tx.now})

    def find(self, tx: Tx, project_id: str, group_id: str) -> Row | None:
        """The group, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": group_id, "project": project_id})

    def require(self, tx: Tx, project_id: str, group_id: str) -> Row:
        """The group; raises NotFound."""
        row = self.find(tx, project_id, group_id)
        if row is None:
            raise errors.NOT_FOUND.error(f"The server group '{group_id}' does not exist.")
        return row

    def holders_of(self, tx: Tx, project_id: str, name: str) -> list[str]:
        """The ids of the groups with this name."""
        return [row["id"] for row in tx.rows(_NAMED, {"project": project_id, "of_name": name})]

    def count(self, tx: Tx, project_id: str) -> int:
        """How many groups a project has."""
        counted: int = tx.scalar(_COUNT, {"project": project_id})
        return counted

    def list_page(
        self, tx: Tx, project_id: str, wanted: Filter, *, offset: int, limit: int, sees: Sight | None = None
    ) -> tuple[int, Sequence[Row]]:
        """How many match, and one page of them, newest first.

        `sees` tells, of rows with id, enterprise project and tags, which the caller may see; None means all.
        """
        return page_of(
            tx, server_groups, wanted.conditions(project_id), (_g.create_time.desc(), _g.id.desc()),
            offset=offset, limit=limit, facts=(_g.enterprise_project_id, _g.tags), sees=sees,
        )  # fmt: skip

    def update(
        self, tx: Tx, row: Row, *, name: str | None, description: str | None, route_policy: Mapping[str, int] | None
    ) -> None:
        """Change what is given."""
        tx.run(
            _UPDATE,
            {
                "of": row["id"], "to_name": row["name"] if name is None else name,
                "to_description": row["description"] if description is None else description,
                "to_policy": row["route_policy"] if route_policy is None else json.dumps(dict(route_policy)),
                "at": tx.now,
            },
        )  # fmt: skip

    def tags_of_all(self, tx: Tx, project_id: str, sees: Sight | None = None) -> dict[str, list[str]]:
        """Every key in use in a project, with its values, in order; of the groups the caller sees."""
        found: dict[str, set[str]] = {}
        rows = tx.rows(_TAGS, {"project": project_id})
        for row in rows if sees is None else compress(rows, sees(rows)):
            for tag in json.loads(row["tags"]):
                found.setdefault(tag["key"], set()).add(tag.get("value") or "")
        return {key: sorted(found[key]) for key in sorted(found)}

    def set_tags(self, tx: Tx, group_id: str, tags: Sequence[Tag]) -> None:
        """Give the group these tags instead of those it has."""
        tx.run(_SET_TAGS, {"of": group_id, "to_tags": json.dumps([dict(tag) for tag in tags]), "at": tx.now})

    def remove(self, tx: Tx, group_id: str) -> None:
        """Remove a group; no-op when there is none."""
        tx.run(_DELETE, {"id": group_id})
