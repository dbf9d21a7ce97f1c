"""App groups and their authorisations: adding, finding, changing and removing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.app_groups.models import app_group_authorizations, app_groups
from goldsmith.store import Row, Tx, contains, prepare
from goldsmith.store.paging import page_of

Sight = Callable[[Sequence[Row]], Sequence[bool]]

_g, _z = app_groups.c, app_group_authorizations.c
_INSERT = prepare(insert(app_groups))
_FIND = prepare(select(app_groups).where(_g.id == bindparam("id"), _g.project_id == bindparam("project")))
_UPDATE = prepare(
    update(app_groups)
    .where(_g.id == bindparam("of"))
    .values(name=bindparam("to_name"), description=bindparam("to_description"),
            app_server_group_id=bindparam("to_group"))
)  # fmt: skip
_UNBIND = prepare(update(app_groups).where(_g.app_server_group_id == bindparam("group")).values(app_server_group_id=""))
_COUNT = prepare(select(func.count()).select_from(app_groups).where(_g.app_server_group_id == bindparam("group")))
_DELETE = prepare(delete(app_groups).where(_g.id == bindparam("id")))
_SAME = (
    _z.app_group_id == bindparam("in_group"), _z.account == bindparam("of_account"),
    _z.account_type == bindparam("of_type"),
)  # fmt: skip
_AUTHORIZE = prepare(insert(app_group_authorizations))
_AUTHORIZED = prepare(select(_z.account).where(*_SAME))
_REVOKE = prepare(delete(app_group_authorizations).where(*_SAME))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which groups to list; empty fields do not narrow. `name` matches a part, whatever its case."""

    app_server_group_id: str = ""
    app_group_id: str = ""
    name: str = ""
    authorization_type: str = ""
    app_type: str = ""

    def conditions(self, project_id: str) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        found: list[ColumnElement[bool]] = [_g.project_id == project_id]
        for column, value in (
            (_g.app_server_group_id, self.app_server_group_id), (_g.id, self.app_group_id),
            (_g.authorization_type, self.authorization_type), (_g.app_type, self.app_type),
        ):  # fmt: skip
            if value:
                found.append(column == value)
        if self.name:
            found.append(contains(_g.name, self.name))
        return found


class AppGroups:
    """The app groups of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, *, group_id: str, project_id: str, name: str, server_group_id: str, app_type: str) -> None:
        """Add a group for the apps of a server group."""
        tx.run(
            _INSERT,
            {
                "id": group_id, "project_id": project_id, "name": name, "description": "",
                "app_server_group_id": server_group_id, "app_type": app_type, "authorization_type": "APP_GROUP",
                "create_time": tx.now,
            },
        )  # fmt: skip

    def find(self, tx: Tx, project_id: str, group_id: str) -> Row | None:
        """The group, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": group_id, "project": project_id})

    def require(self, tx: Tx, project_id: str, group_id: str) -> Row:
        """The group; raises NotFound."""
        row = self.find(tx, project_id, group_id)
        if row is None:
            raise errors.NOT_FOUND.error(f"The app group '{group_id}' does not exist.")
        return row

    def list_page(
        self, tx: Tx, project_id: str, wanted: Filter, *, offset: int, limit: int, sees: Sight | None = None
    ) -> tuple[int, Sequence[Row]]:
        """How many match, and one page of them, newest first.

        `sees` tells, of rows with id, project and server group, which the caller may see; None means all.
        """
        return page_of(
            tx, app_groups, wanted.conditions(project_id), (_g.create_time.desc(), _g.id.desc()),
            offset=offset, limit=limit, facts=(_g.project_id, _g.app_server_group_id), sees=sees,
        )  # fmt: skip

    def update(self, tx: Tx, row: Row, *, name: str | None, description: str | None, server_group_id: str) -> None:
        """Change what is given, and bind to the server group."""
        tx.run(
            _UPDATE,
            {
                "of": row["id"], "to_name": row["name"] if name is None else name,
                "to_description": row["description"] if description is None else description,
                "to_group": server_group_id,
            },
        )  # fmt: skip

    def count(self, tx: Tx, server_group_id: str) -> int:
        """How many groups are bound to a server group."""
        counted: int = tx.scalar(_COUNT, {"group": server_group_id})
        return counted

    def unbind(self, tx: Tx, server_group_id: str) -> None:
        """The server group goes: groups bound to it stay, bound to none."""
        tx.run(_UNBIND, {"group": server_group_id})

    def remove(self, tx: Tx, group_id: str) -> None:
        """Remove a group with its authorisations; no-op when there is none."""
        tx.run(_DELETE, {"id": group_id})

    def authorize(self, tx: Tx, group_id: str, *, account: str, account_type: str, domain: str) -> None:
        """Let an account use the group's apps; nothing happens when it may already."""
        if tx.row(_AUTHORIZED, {"in_group": group_id, "of_account": account, "of_type": account_type}) is None:
            tx.run(
                _AUTHORIZE,
                {"app_group_id": group_id, "account": account, "account_type": account_type, "domain": domain,
                 "create_time": tx.now},
            )  # fmt: skip

    def revoke(self, tx: Tx, group_id: str, *, account: str, account_type: str) -> None:
        """Take the authorisation back; nothing happens when there is none."""
        tx.run(_REVOKE, {"in_group": group_id, "of_account": account, "of_type": account_type})

    def list_authorizations(
        self, tx: Tx, project_id: str, *, group_id: str, account: str | None, account_type: str, offset: int,
        limit: int, sees: Sight | None = None,
    ) -> tuple[int, Sequence[Row]]:  # fmt: skip
        """How many authorisations match, and one page of them, newest first, with name and type of their group.

        `sees` tells which groups the caller may see, as in `list_page`.
        """
        conditions: list[ColumnElement[bool]] = [_g.project_id == project_id]
        if sees is not None:
            groups = tx.rows(select(_g.id, _g.project_id, _g.app_server_group_id).where(_g.project_id == project_id))
            conditions.append(_g.id.in_([row["id"] for row in compress(groups, sees(groups))]))
        if group_id:
            conditions.append(_z.app_group_id == group_id)
        if account is not None:
            conditions.append(func.lower(_z.account) == account.lower())
        if account_type:
            conditions.append(_z.account_type == account_type)
        both = app_group_authorizations.join(app_groups, _g.id == _z.app_group_id)
        count = tx.scalar(select(func.count()).select_from(both).where(*conditions))
        query = (
            select(app_group_authorizations, _g.name.label("app_group_name"), _g.authorization_type)
            .select_from(both).where(*conditions)
            .order_by(_z.create_time.desc(), _z.app_group_id.desc(), _z.account)
        )  # fmt: skip
        return count, tx.rows(query.offset(offset).limit(limit))
