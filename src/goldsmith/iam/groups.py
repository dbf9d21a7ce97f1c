"""The groups of an account and who is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

from sqlalchemy import bindparam, delete, insert, select, update

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.iam import existing
from goldsmith.iam.ending import end_tokens_of, users_behind
from goldsmith.iam.last_administrator import keep_it_undeniable
from goldsmith.iam.models import grants, groups, members, users
from goldsmith.iam.service import Caller, Iam
from goldsmith.iam.users import require_right
from goldsmith.store import Duplicate, Row, Tx, prepare

_ADD = prepare(insert(groups))
_ADD_MEMBER = prepare(insert(members))
_IS_MEMBER = (members.c.group_id == bindparam("group")) & (members.c.user_id == bindparam("user"))
_MEMBER = prepare(select(members).where(_IS_MEMBER))
_REMOVE_MEMBER = prepare(delete(members).where(_IS_MEMBER))
_REMOVALS = tuple(
    prepare(statement)
    for statement in (
        delete(members).where(members.c.group_id == bindparam("of")),
        delete(grants).where(grants.c.subject_kind == "group", grants.c.subject_id == bindparam("of")),
        delete(groups).where(groups.c.id == bindparam("of")),
    )
)
_MEMBERS = prepare(
    select(users)
    .join(members, members.c.user_id == users.c.id)
    .where(members.c.group_id == bindparam("group"))
    .order_by(users.c.created_at, users.c.id)
)
_GROUPS_OF = prepare(
    select(groups)
    .join(members, members.c.group_id == groups.c.id)
    .where(members.c.user_id == bindparam("user"))
    .order_by(groups.c.created_at, groups.c.id)
)


class Groups:
    """The groups of the caller's account. What changes what a user may do also ends its tokens."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def add(self, caller: Caller, name: str, description: str) -> Row:
        """A new group; a name in use is `errors.CONFLICT`."""
        group_id = uuid4().hex

        def work(tx: Tx) -> Row:
            values = {"id": group_id, "domain_id": caller.domain_id, "name": name, "description": description}
            tx.run(_ADD, values | {"created_at": tx.now})
            return existing.group(tx, caller.domain_id, group_id)

        return await self._unique_name(name, work)

    async def find(self, caller: Caller, group_id: str) -> Row:
        """One group; raises `errors.NOT_FOUND`."""
        return await self._iam.store.read(lambda tx: existing.group(tx, caller.domain_id, group_id))

    async def list(self, caller: Caller, name: str | None = None) -> Sequence[Row]:
        """The groups of the account, oldest first."""
        query = select(groups).where(groups.c.domain_id == caller.domain_id)
        if name is not None:
            query = query.where(groups.c.name == name)
        return await self._iam.store.read(lambda tx: tx.rows(query.order_by(groups.c.created_at, groups.c.id)))

    async def change(self, caller: Caller, group_id: str, changes: Mapping[str, str]) -> Row:
        """Set name or description; the group afterwards. Raises `errors.NOT_FOUND` and `errors.CONFLICT`."""

        def work(tx: Tx) -> Row:
            existing.group(tx, caller.domain_id, group_id)
            if changes:
                tx.run(update(groups).where(groups.c.id == group_id).values(dict(changes)))
            return existing.group(tx, caller.domain_id, group_id)

        return await self._unique_name(changes.get("name", ""), work)

    async def remove(self, caller: Caller, group_id: str) -> None:
        """Delete a group with its grants; its members stay. Raises `errors.NOT_FOUND`."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            existing.group(tx, caller.domain_id, group_id)
            end_tokens_of(tx, users_behind(tx, "group", group_id), now)
            for statement in _REMOVALS:
                tx.run(statement, {"of": group_id})

        await self._iam.change(work)

    async def add_member(self, caller: Caller, group_id: str, user_id: str) -> None:
        """Put a user into a group; it may be there already. Raises `errors.NOT_FOUND` and `errors.CONFLICT`."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            if not _is_member(tx, caller, group_id, user_id):
                require_right(caller, existing.user(tx, caller.domain_id, user_id))
                tx.run(_ADD_MEMBER, {"group_id": group_id, "user_id": user_id, "created_at": tx.now})
                keep_it_undeniable(tx, caller.domain_id, "group_id", group_id)
                end_tokens_of(tx, [user_id], now)

        await self._iam.change(work)

    async def remove_member(self, caller: Caller, group_id: str, user_id: str) -> None:
        """Take a user out of a group; raises `errors.NOT_FOUND`, also when it is not in it."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            if not _is_member(tx, caller, group_id, user_id):
                raise existing.missing("member of the group", "user_id", user_id)
            require_right(caller, existing.user(tx, caller.domain_id, user_id))
            tx.run(_REMOVE_MEMBER, {"group": group_id, "user": user_id})
            end_tokens_of(tx, [user_id], now)

        await self._iam.change(work)

    async def require_member(self, caller: Caller, group_id: str, user_id: str) -> None:
        """Return when the user is in the group; else raise `errors.NOT_FOUND`."""
        if not await self._iam.store.read(lambda tx: _is_member(tx, caller, group_id, user_id)):
            raise existing.missing("member of the group", "user_id", user_id)

    async def members_of(self, caller: Caller, group_id: str) -> Sequence[Row]:
        """The users of a group; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Sequence[Row]:
            existing.group(tx, caller.domain_id, group_id)
            return tx.rows(_MEMBERS, {"group": group_id})

        return await self._iam.store.read(work)

    async def groups_of(self, caller: Caller, user_id: str) -> Sequence[Row]:
        """The groups a user is in; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Sequence[Row]:
            existing.user(tx, caller.domain_id, user_id)
            return tx.rows(_GROUPS_OF, {"user": user_id})

        return await self._iam.store.read(work)

    async def _unique_name(self, name: str, work: Callable[[Tx], Row]) -> Row:
        try:
            return await self._iam.change(work)
        except Duplicate:
            message = f"The account has a group named {name} already; choose another name."
            raise errors.refusal([Problem("group.name", name, "unique", message, conflict=True)]) from None


def _is_member(tx: Tx, caller: Caller, group_id: str, user_id: str) -> bool:
    existing.group(tx, caller.domain_id, group_id)
    existing.user(tx, caller.domain_id, user_id)
    return tx.row(_MEMBER, {"group": group_id, "user": user_id}) is not None
