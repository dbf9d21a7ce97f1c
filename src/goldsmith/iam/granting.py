"""Giving policies to users and groups in a scope, and taking them away again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select

from goldsmith import errors
from goldsmith.iam import existing
from goldsmith.iam.custom_policies import PolicyView, find_in
from goldsmith.iam.ending import end_tokens_of_subject
from goldsmith.iam.last_administrator import keep_it_undeniable
from goldsmith.iam.models import grants, groups
from goldsmith.iam.policies.evaluate import Scope, ScopeKind
from goldsmith.iam.service import Caller, Iam
from goldsmith.iam.users import require_right
from goldsmith.store import Row, Tx, prepare

RequireEnterpriseProject = Callable[[Tx, str, str], object]
"""Raises a `ServiceError` when the account (by id) has no usable enterprise project of this id."""

EVERYWHERE = Scope(ScopeKind.EVERYWHERE)
"""The scope of an attached identity policy."""

_ADD = prepare(insert(grants))
_THIS = (
    (grants.c.subject_kind == bindparam("kind"))
    & (grants.c.subject_id == bindparam("subject"))
    & (grants.c.policy_id == bindparam("policy"))
    & (grants.c.scope == bindparam("in_scope"))
)
_FIND = prepare(select(grants).where(_THIS))
_REMOVE = prepare(delete(grants).where(_THIS))
_POLICIES = prepare(
    select(grants.c.policy_id, grants.c.created_at)
    .where(grants.c.subject_kind == bindparam("kind"), grants.c.subject_id == bindparam("subject"))
    .where(grants.c.scope == bindparam("in_scope"))
    .order_by(grants.c.created_at, grants.c.policy_id)
)
_HOLDERS = prepare(
    select(grants)
    .where(grants.c.domain_id == bindparam("domain"), grants.c.policy_id == bindparam("policy"))
    .order_by(grants.c.created_at, grants.c.subject_id)
)
_SCOPES = prepare(
    select(grants.c.scope)
    .where(grants.c.subject_kind == bindparam("kind"), grants.c.subject_id == bindparam("subject"))
    .order_by(grants.c.scope)
    .distinct()
)
_SUBJECTS_IN = prepare(
    select(grants.c.subject_id)
    .where(grants.c.domain_id == bindparam("domain"), grants.c.scope == bindparam("in_scope"))
    .where(grants.c.subject_kind == bindparam("kind"))
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who holds a grant: `kind` is `user` or `group`."""

    kind: str
    id: str

    @property
    def field(self) -> str:
        """What requests call its id."""
        return f"{self.kind}_id"


@dataclass(frozen=True, slots=True)
class Held:
    """A policy somebody holds, and since when."""

    policy: PolicyView
    since: int


class Granting:
    """Grants within the caller's account. What changes them also ends the tokens of the users concerned."""

    def __init__(self, iam: Iam, require_enterprise_project: RequireEnterpriseProject) -> None:
        self._iam = iam
        self._require_enterprise_project = require_enterprise_project

    async def give(self, caller: Caller, subject: Subject, policy_id: str, scope: Scope, field: str) -> None:
        """Grant a policy; it may be granted already.

        Raises `errors.NOT_FOUND` when subject, policy or scope do not exist, `errors.CONFLICT` when it would leave no
        administrator, and grants nothing.
        """
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            self._check(tx, caller, subject, scope)
            find_in(tx, caller.domain_id, policy_id, field=field)
            if tx.row(_FIND, _key(subject, policy_id, scope)) is not None:
                return
            values = {
                "subject_kind": subject.kind, "subject_id": subject.id, "policy_id": policy_id, "scope": str(scope),
                "domain_id": caller.domain_id, "created_at": tx.now,
            }  # fmt: skip
            tx.run(_ADD, values)
            keep_it_undeniable(tx, caller.domain_id, field, policy_id)
            end_tokens_of_subject(tx, subject.kind, subject.id, now)

        await self._iam.change(work)

    async def take(self, caller: Caller, subject: Subject, policy_id: str, scope: Scope, field: str) -> None:
        """Revoke a grant; raises `errors.NOT_FOUND`, also when there is none."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            self._check(tx, caller, subject, scope, is_taken=True)
            if tx.run(_REMOVE, _key(subject, policy_id, scope)) == 0:
                raise existing.missing("grant of the policy in this scope", field, policy_id)
            end_tokens_of_subject(tx, subject.kind, subject.id, now)

        await self._iam.change(work)

    async def require(self, caller: Caller, subject: Subject, policy_id: str, scope: Scope, field: str) -> None:
        """Return when the policy is granted; else raise `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Row | None:
            self._check(tx, caller, subject, scope, is_taken=True)
            return tx.row(_FIND, _key(subject, policy_id, scope))

        if await self._iam.store.read(work) is None:
            raise existing.missing("grant of the policy in this scope", field, policy_id)

    async def held(self, caller: Caller, subject: Subject, scope: Scope) -> Sequence[Held]:
        """What the subject itself is granted in a scope, oldest grant first; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Sequence[Held]:
            self._check(tx, caller, subject, scope, is_taken=True)
            where = {"kind": subject.kind, "subject": subject.id, "in_scope": str(scope)}
            return [
                Held(find_in(tx, caller.domain_id, row["policy_id"], field="policy_id"), row["created_at"])
                for row in tx.rows(_POLICIES, where)
            ]

        return await self._iam.store.read(work)

    async def holders(self, caller: Caller, policy_id: str, scope: Scope) -> Sequence[tuple[Subject, int]]:
        """Who holds a policy in a scope and since when; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Sequence[tuple[Subject, int]]:
            find_in(tx, caller.domain_id, policy_id, field="policy_id")
            rows = tx.rows(_HOLDERS, {"domain": caller.domain_id, "policy": policy_id})
            return [
                (Subject(row["subject_kind"], row["subject_id"]), row["created_at"])
                for row in rows
                if row["scope"] == str(scope)
            ]

        return await self._iam.store.read(work)

    async def enterprise_projects_of(self, caller: Caller, subject: Subject) -> Sequence[str]:
        """Ids of the enterprise projects in which the subject is granted anything; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> Sequence[str]:
            _require_subject(tx, caller, subject)
            scopes = (Scope.of(row["scope"]) for row in tx.rows(_SCOPES, {"kind": subject.kind, "subject": subject.id}))
            return [scope.id for scope in scopes if scope.kind is ScopeKind.ENTERPRISE_PROJECT]

        return await self._iam.store.read(work)

    async def groups_in(self, caller: Caller, enterprise_project_id: str) -> Sequence[Row]:
        """The groups that are granted anything in an enterprise project, oldest first."""
        scope = str(Scope(ScopeKind.ENTERPRISE_PROJECT, enterprise_project_id))

        def work(tx: Tx) -> Sequence[Row]:
            where = {"domain": caller.domain_id, "in_scope": scope, "kind": "group"}
            ids = [row["subject_id"] for row in tx.rows(_SUBJECTS_IN, where)]
            query = select(groups).where(groups.c.domain_id == caller.domain_id, groups.c.id.in_(ids))
            return tx.rows(query.order_by(groups.c.created_at, groups.c.id)) if ids else []

        return await self._iam.store.read(work)

    def _check(self, tx: Tx, caller: Caller, subject: Subject, scope: Scope, *, is_taken: bool = False) -> None:
        """Subject and scope exist; what is only taken away or looked at may be in a scope that is no more."""
        row = _require_subject(tx, caller, subject)
        if subject.kind == "user" and not is_taken:
            require_right(caller, row)
        if scope.kind is ScopeKind.PROJECT:
            existing.project(tx, caller.domain_id, scope.id)
        elif scope.kind is ScopeKind.ENTERPRISE_PROJECT and not is_taken:
            self._require_enterprise_project(tx, caller.domain_id, scope.id)


def require_account(caller: Caller, domain_id: str) -> None:
    """Raise `errors.NOT_FOUND` for the id of an account that is not the caller's."""
    if domain_id != caller.domain_id:
        raise errors.NOT_FOUND.error(f"domain_id: there is no account '{domain_id[:64]}' you belong to.")


def _require_subject(tx: Tx, caller: Caller, subject: Subject) -> Row:
    look_up = existing.user if subject.kind == "user" else existing.group
    return look_up(tx, caller.domain_id, subject.id)


def _key(subject: Subject, policy_id: str, scope: Scope) -> dict[str, str]:
    return {"kind": subject.kind, "subject": subject.id, "policy": policy_id, "in_scope": str(scope)}
