"""What a user is granted, by itself and through its groups, kept in memory for as long as nothing changes."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import Select, bindparam, or_, select

from goldsmith.iam.models import grants, members, policies
from goldsmith.iam.policies import system
from goldsmith.iam.policies.evaluate import Grant, PolicySet, Scope, compile
from goldsmith.iam.policies.grammar import Policy, parse
from goldsmith.iam.revision import Revision, number_in
from goldsmith.store import Row, Store, Tx, prepare

REMEMBERED = 4096

_GROUPS: Select[tuple[str]] = select(members.c.group_id).where(members.c.user_id == bindparam("user"))
_GRANTS = prepare(
    select(grants.c.policy_id, grants.c.scope, policies.c.name, policies.c.document)
    .join_from(grants, policies, grants.c.policy_id == policies.c.id, isouter=True)
    .where(
        or_(
            (grants.c.subject_kind == "user") & (grants.c.subject_id == bindparam("user")),
            (grants.c.subject_kind == "group") & grants.c.subject_id.in_(_GROUPS),
        )
    )
    .order_by(grants.c.policy_id, grants.c.scope)
    .distinct()
)


@lru_cache(maxsize=512)
def _parsed(document: str) -> Policy:
    return parse(document)


def grant_of(row: Row) -> Grant | None:
    """The grant of a row; None when its policy does not exist (any more)."""
    scope, policy_id = Scope.of(row["scope"]), row["policy_id"]
    if row["document"] is not None:
        return Grant(_parsed(row["document"]), policy_id, row["name"], scope)
    if policy_id not in system.BY_ID:
        return None
    return Grant(system.parsed(policy_id), policy_id, system.BY_ID[policy_id].name, scope)


class Grants:
    """Looks grants up, at most once per user and revision."""

    def __init__(self, store: Store, revision: Revision) -> None:
        self._store = store
        self._revision = revision
        self._sets: dict[str, tuple[int, PolicySet]] = {}
        self.known_actions: Collection[str] = ()
        """Actions of the operation table, for which a `PolicySet` remembers what applies."""

    async def of(self, user_id: str) -> tuple[Grant, ...]:
        """Everything the user is granted, groups included."""
        return (await self.policies_of(user_id)).grants

    async def policies_of(self, user_id: str) -> PolicySet:
        """The same, ready to decide."""
        current = await self._revision.current()
        known = self._sets.get(user_id)
        if known is not None and known[0] >= current:
            return known[1]
        number, found = await self._store.read(lambda tx: (number_in(tx), grants_in(tx, user_id)))
        made = compile(found, known_actions=self.known_actions)
        self._sets.pop(user_id, None)
        while len(self._sets) >= REMEMBERED:
            self._sets.pop(next(iter(self._sets)))
        self._sets[user_id] = (number, made)
        return made


def grants_in(tx: Tx, user_id: str) -> tuple[Grant, ...]:
    """Everything the user is granted in what this transaction sees."""
    found = (grant_of(row) for row in tx.rows(_GRANTS, {"user": user_id}))
    return tuple(grant for grant in found if grant is not None)
