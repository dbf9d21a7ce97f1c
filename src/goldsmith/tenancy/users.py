"""Workspace users: the accounts people use on the machines, unique by name in their project.

Passwords are sealed before they reach the database and leave it only for the guest (`Users.password_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import bindparam, delete, func, insert, select, update

from goldsmith.store import Row, Tx, contains, prepare
from goldsmith.tenancy.models import workspace_users

USER_ACTIVATE = "USER_ACTIVATE"
ADMIN_ACTIVATE = "ADMIN_ACTIVATE"

_u = workspace_users.c
_MINE = _u.project_id == bindparam("project")
_FIND = prepare(select(workspace_users).where(_MINE, _u.id == bindparam("of")))
_FIND_NAME = prepare(select(workspace_users).where(_MINE, _u.name_key == bindparam("name")))
_ADD = prepare(insert(workspace_users))
_REMOVE = prepare(delete(workspace_users).where(_MINE, _u.id == bindparam("of")))


class Box(Protocol):
    """What seals passwords: `goldsmith.iam.secrets.SecretBox`."""

    def seal(self, secret: str) -> str:
        """The text to store."""

    def open(self, sealed: str) -> str:
        """The secret again."""


class UserNameTaken(Exception):
    """The project has a user of this name; `user` is that one."""

    def __init__(self, user: WorkspaceUser) -> None:
        super().__init__(f"The user name '{user.user_name}' is in use.")
        self.user = user


@dataclass(frozen=True, slots=True)
class WorkspaceUser:
    """A user; `account_expires` is milliseconds since 1970, 0 for never."""

    id: str
    project_id: str
    user_name: str
    user_email: str
    user_phone: str
    description: str
    alias_name: str
    domain: str
    active_type: str
    sealed_password: str | None = field(repr=False)
    account_expires: int
    enable_change_password: bool
    next_login_change_password: bool
    password_never_expired: bool
    disabled: bool
    enterprise_project_id: str
    user_info_map: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is said of a user when it is made."""

    user_name: str
    password: str | None = field(default=None, repr=False)
    user_email: str = ""
    user_phone: str = ""
    description: str = ""
    alias_name: str = ""
    domain: str = ""
    active_type: str = USER_ACTIVATE
    account_expires: int = 0
    enable_change_password: bool = True
    next_login_change_password: bool = True
    enterprise_project_id: str = "0"
    user_info_map: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which users to list; empty fields do not narrow. `name` and `description` match parts."""

    name: str = ""
    names: Sequence[str] = ()
    description: str = ""
    active_type: str = ""
    disabled: bool | None = None
    domain: str = ""
    enterprise_project_id: str = ""


class Users:
    """The users of all projects; every function runs inside the caller's transaction."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def create(self, tx: Tx, project_id: str, new: NewUser) -> WorkspaceUser:
        """Make a user. Raises `UserNameTaken`; names that differ only in case are the same."""
        taken = self.find_name(tx, project_id, new.user_name)
        if taken is not None:
            raise UserNameTaken(taken)
        user = WorkspaceUser(
            id=uuid4().hex,
            project_id=project_id,
            user_name=new.user_name,
            user_email=new.user_email,
            user_phone=new.user_phone,
            description=new.description,
            alias_name=new.alias_name,
            domain=new.domain,
            active_type=new.active_type,
            sealed_password=None if new.password is None else self._box.seal(new.password),
            account_expires=new.account_expires,
            enable_change_password=new.enable_change_password,
            next_login_change_password=new.next_login_change_password,
            password_never_expired=False,
            disabled=False,
            enterprise_project_id=new.enterprise_project_id or "0",
            user_info_map=new.user_info_map,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.run(_ADD, _row_of(user))
        return user

    def find(self, tx: Tx, project_id: str, user_id: str) -> WorkspaceUser | None:
        """The user with this id."""
        row = tx.row(_FIND, {"project": project_id, "of": user_id})
        return None if row is None else _user_of(row)

    def find_name(self, tx: Tx, project_id: str, name: str) -> WorkspaceUser | None:
        """The user of this name, whatever its case."""
        row = tx.row(_FIND_NAME, {"project": project_id, "name": name.casefold()})
        return None if row is None else _user_of(row)

    def password_of(self, user: WorkspaceUser) -> str | None:
        """The password in clear, None when the user was made without one."""
        return None if user.sealed_password is None else self._box.open(user.sealed_password)

    def change(self, tx: Tx, project_id: str, user_id: str, changes: Mapping[str, Any]) -> WorkspaceUser | None:
        """Set the fields of `WorkspaceUser` named in `changes`; the user afterwards, None when unknown."""
        values = {name: int(value) if isinstance(value, bool) else value for name, value in changes.items()}
        tx.run(
            update(workspace_users)
            .where(_u.project_id == project_id, _u.id == user_id)
            .values(**values, updated_at=tx.now)
        )
        return self.find(tx, project_id, user_id)

    def remove(self, tx: Tx, project_id: str, user_id: str) -> bool:
        """Delete a user; whether there was one."""
        return tx.run(_REMOVE, {"project": project_id, "of": user_id}) == 1

    def page(
        self, tx: Tx, project_id: str, wanted: Filter, *, offset: int = 0, limit: int | None = None
    ) -> tuple[int, list[WorkspaceUser]]:
        """How many users match, and those of one page (None: all), oldest first."""
        found = select(workspace_users).where(_u.project_id == project_id)
        if wanted.name:
            found = found.where(func.instr(_u.name_key, wanted.name.casefold()) > 0)
        if wanted.names:
            found = found.where(_u.name_key.in_([name.casefold() for name in wanted.names]))
        if wanted.description:
            found = found.where(contains(_u.description, wanted.description))
        if wanted.active_type:
            found = found.where(_u.active_type == wanted.active_type)
        if wanted.disabled is not None:
            found = found.where(_u.disabled == int(wanted.disabled))
        if wanted.domain:
            found = found.where(_u.domain == wanted.domain)
        if wanted.enterprise_project_id:
            found = found.where(_u.enterprise_project_id == wanted.enterprise_project_id)
        count = tx.scalar(select(func.count()).select_from(found.subquery()))
        rows = tx.rows(found.order_by(_u.created_at, _u.name_key).offset(offset).limit(limit))
        return count, [_user_of(row) for row in rows]


_VALUES = itemgetter(*WorkspaceUser.__slots__)
_FLAGS = ("enable_change_password", "next_login_change_password", "password_never_expired", "disabled")


def _user_of(row: Row) -> WorkspaceUser:
    values = dict(zip(WorkspaceUser.__slots__, _VALUES(row), strict=True))
    for name in _FLAGS:
        values[name] = bool(values[name])
    return WorkspaceUser(**values)


def _row_of(user: WorkspaceUser) -> dict[str, Any]:
    values = {name: getattr(user, name) for name in WorkspaceUser.__slots__}
    flags = {name: int(values[name]) for name in _FLAGS}
    return values | flags | {"name_key": user.user_name.casefold()}
