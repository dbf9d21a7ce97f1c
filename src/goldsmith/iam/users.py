"""The users of an account: made, changed, removed.

Two rules hold whoever asks: only the root user changes the root user, and an account keeps one that can log in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import bindparam, delete, insert, select, update

from goldsmith import errors
from goldsmith.errors import Problem, Problems
from goldsmith.iam import existing
from goldsmith.iam.ending import end_tokens_of
from goldsmith.iam.last_administrator import keep_an_administrator
from goldsmith.iam.login import Login
from goldsmith.iam.models import access_keys, grants, members, users
from goldsmith.iam.password_rules import check_password
from goldsmith.iam.service import Caller, Iam
from goldsmith.store import Duplicate, Row, Tx, prepare

HasRunningJobs = Callable[[Tx, str], bool]
"""Whether a user (by id) has jobs that have not ended."""

_ADD = prepare(insert(users))
_REMOVALS = tuple(
    prepare(statement)
    for statement in (
        delete(access_keys).where(access_keys.c.user_id == bindparam("of")),
        delete(members).where(members.c.user_id == bindparam("of")),
        delete(grants).where(grants.c.subject_kind == "user", grants.c.subject_id == bindparam("of")),
        delete(users).where(users.c.id == bindparam("of")),
    )
)


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is said of a user when it is made; without a password it can only use access keys."""

    name: str
    password: str | None = None
    enabled: bool = True
    description: str = ""
    must_change_password: bool = False
    access_mode: str = "default"
    email: str = ""
    areacode: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which users are asked for; None leaves a filter out."""

    name: str | None = None
    enabled: bool | None = None


class Users:
    """The users of the caller's account."""

    def __init__(self, iam: Iam, has_running_jobs: HasRunningJobs = lambda _tx, _user: False) -> None:
        self._iam = iam
        self._login = Login(iam)
        self._has_running_jobs = has_running_jobs

    async def add(self, caller: Caller, new: NewUser) -> Row:
        """A new user; a name in use is `errors.CONFLICT`, a bad password `errors.INVALID`."""
        problems = Problems()
        if new.password is not None:
            check_password(problems, "user.password", new.password, new.name)
        problems.raise_if_any()
        hashed = None if new.password is None else await self._iam.passwords.make(new.password)
        user_id = uuid4().hex

        def work(tx: Tx) -> Row:
            values = {
                "id": user_id, "domain_id": caller.domain_id, "name": new.name, "description": new.description,
                "is_root": 0, "enabled": int(new.enabled), "password_hash": hashed, "created_at": tx.now,
                "updated_at": tx.now, "password_changed_at": 0 if hashed is None else tx.now,
                "must_change_password": int(new.must_change_password), "access_mode": new.access_mode,
                "email": new.email, "areacode": new.areacode, "phone": new.phone,
            }  # fmt: skip
            tx.run(_ADD, values)
            return existing.user(tx, caller.domain_id, user_id)

        return await self._unique_name(new.name, work)

    async def find(self, caller: Caller, user_id: str) -> Row:
        """One user; raises `errors.NOT_FOUND`."""
        return await self._iam.store.read(lambda tx: existing.user(tx, caller.domain_id, user_id))

    async def list(self, caller: Caller, wanted: Wanted) -> Sequence[Row]:
        """The users of the account, oldest first."""
        query = select(users).where(users.c.domain_id == caller.domain_id)
        if wanted.name is not None:
            query = query.where(users.c.name == wanted.name)
        if wanted.enabled is not None:
            query = query.where(users.c.enabled == int(wanted.enabled))
        return await self._iam.store.read(lambda tx: tx.rows(query.order_by(users.c.created_at, users.c.id)))

    async def change(self, caller: Caller, user_id: str, changes: Mapping[str, Any]) -> Row:
        """Set the columns named in `changes`, and `password`; the user afterwards.

        A new password and `enabled` false end the user's tokens. Raises `errors.NOT_FOUND`, `errors.FORBIDDEN` for
        the root user, `errors.CONFLICT` for a name in use and for the last administrator, `errors.INVALID`.
        """
        before = await self.find(caller, user_id)
        require_right(caller, before)
        values: dict[str, Any] = {
            name: int(value) if isinstance(value, bool) else value for name, value in changes.items()
        }
        password = values.pop("password", None)
        if password is not None:
            problems = Problems()
            check_password(problems, "user.password", password, str(values.get("name", before["name"])))
            problems.raise_if_any()
            values["password_hash"] = await self._iam.passwords.make(password)
        ends = password is not None or values.get("enabled") == 0
        now = self._iam.now_ms()

        def work(tx: Tx) -> Row:
            user = existing.user(tx, caller.domain_id, user_id)
            require_right(caller, user)
            if values.get("enabled") == 0:
                _keep_an_administrator(tx, user, "disabled")
            stamped = values | {"updated_at": tx.now}
            if password is not None:
                stamped["password_changed_at"] = tx.now
            tx.run(update(users).where(users.c.id == user_id).values(stamped))
            if ends:
                end_tokens_of(tx, [user_id], now)
            return existing.user(tx, caller.domain_id, user_id)

        return await self._unique_name(values.get("name", ""), work)

    async def change_own_password(self, caller: Caller, old: str, new: str, source_ip: str) -> None:
        """Change the caller's own password, which needs the old one. Raises `errors.INVALID`; ends all tokens."""
        person = await self._iam.directory.person(caller.user_id)
        problems = Problems()
        check_password(problems, "user.password", new, caller.user_name)
        if new == old:
            problems.add("user.password", None, "unchanged", "The new password is the old one; choose another.")
        problems.raise_if_any()
        if not await self._login.is_password(person, old, caller.user_id, source_ip):
            problems.add("user.original_password", None, "password", "The old password is wrong.")
        problems.raise_if_any()
        hashed, now = await self._iam.passwords.make(new), self._iam.now_ms()

        def work(tx: Tx) -> None:
            existing.user(tx, caller.domain_id, caller.user_id)
            values = {"password_hash": hashed, "password_changed_at": tx.now, "must_change_password": 0}
            tx.run(update(users).where(users.c.id == caller.user_id).values(values))
            end_tokens_of(tx, [caller.user_id], now)

        await self._iam.change(work)

    async def remove(self, caller: Caller, user_id: str) -> None:
        """Delete a user with its keys, memberships and grants.

        Raises `errors.NOT_FOUND`, and `errors.CONFLICT` for the last administrator and while jobs of it run.
        """
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            user = existing.user(tx, caller.domain_id, user_id)
            require_right(caller, user)
            _keep_an_administrator(tx, user, "deleted")
            if self._has_running_jobs(tx, user_id):
                message = "Jobs of the user are running; wait until they have ended, or disable the user."
                raise errors.refusal([Problem("user_id", user_id, "running_jobs", message, conflict=True)])
            end_tokens_of(tx, [user_id], now)
            for statement in _REMOVALS:
                tx.run(statement, {"of": user_id})

        await self._iam.change(work)

    async def _unique_name(self, name: str, work: Callable[[Tx], Row]) -> Row:
        try:
            return await self._iam.change(work)
        except Duplicate:
            message = f"The account has a user named {name} already; choose another name."
            raise errors.refusal([Problem("user.name", name, "unique", message, conflict=True)]) from None


def require_right(caller: Caller, user: Row) -> None:
    """Raise `errors.FORBIDDEN` when someone else wants to change what concerns the root user."""
    if user["is_root"] and not caller.is_root:
        raise errors.FORBIDDEN.error("Only the root user may change the root user.")


def _keep_an_administrator(tx: Tx, user: Row, done: str) -> None:
    if user["is_root"]:
        message = f"This is the last administrator of the account; it cannot be {done}."
        problem = Problem("user_id", user["id"], "last_administrator", message, conflict=True)
        keep_an_administrator(tx, user["domain_id"], problem, without=user["id"])
