"""Policies an account can grant: its own, checked when they are written, and those that come with goldsmith."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.iam import existing
from goldsmith.iam.ending import end_tokens_of_subject
from goldsmith.iam.last_administrator import keep_it_undeniable
from goldsmith.iam.models import grants, policies, policy_versions
from goldsmith.iam.policies.document import PolicyProblem
from goldsmith.iam.policies.grammar import parse
from goldsmith.iam.policies.system import BY_ID, SYSTEM_POLICIES
from goldsmith.iam.service import Caller, Iam
from goldsmith.store import Duplicate, Row, Tx, prepare

CLASSIC, IDENTITY = "1.1", "5.0"
MOST_VERSIONS = 5

_ADD = prepare(insert(policies))
_ADD_VERSION = prepare(insert(policy_versions))
_REMOVE = prepare(delete(policies).where(policies.c.id == bindparam("of")))
_REMOVE_VERSIONS = prepare(delete(policy_versions).where(policy_versions.c.policy_id == bindparam("of")))
_USES = prepare(
    select(func.count())
    .select_from(grants)
    .where(grants.c.domain_id == bindparam("domain"), grants.c.policy_id == bindparam("of"))
)
_HOLDERS = prepare(
    select(grants.c.subject_kind, grants.c.subject_id)
    .where(grants.c.domain_id == bindparam("domain"), grants.c.policy_id == bindparam("of"))
    .distinct()
)
_VERSIONS = prepare(
    select(policy_versions)
    .where(policy_versions.c.policy_id == bindparam("of"))
    .order_by(policy_versions.c.version.desc())
)


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy as it is shown, custom or system. `document` is JSON text, `grants` how often it is granted."""

    id: str
    domain_id: str | None
    grammar: str
    name: str
    display_type: str
    path: str
    description: str
    description_cn: str
    document: str
    default_version: int
    created_at: int
    updated_at: int
    grants: int = 0

    @property
    def is_system(self) -> bool:
        """Whether it comes with goldsmith and belongs to no account."""
        return self.domain_id is None


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """What is said of a policy when it is made."""

    grammar: str
    name: str
    document: str | dict[str, Any]
    description: str = ""
    display_type: str = ""
    path: str = ""
    description_cn: str = ""


SYSTEM = tuple(
    PolicyView(
        each.id, None, IDENTITY, each.name, "AA", "", each.description, "", json.dumps(each.document), 1, 0, 0
    )
    for each in SYSTEM_POLICIES
)  # fmt: skip
_SYSTEM_BY_ID = {each.id: each for each in SYSTEM}


def checked_document(document: str | dict[str, Any], grammar: str, field: str) -> str:
    """The document as compact JSON text; raises `errors.INVALID` naming the place of the fault within `field`."""
    try:
        parsed = parse(document)
        if parsed.version != grammar:
            raise PolicyProblem("Version", f'Here policies have Version "{grammar}".')
    except PolicyProblem as fault:
        joint = "." if fault.place[:1].isalpha() and not fault.place.startswith("line ") else ": "
        place = f"{field}{joint}{fault.place}" if fault.place else field
        raise errors.refusal([Problem(place, None, "policy", fault.message)]) from None
    found = json.loads(document) if isinstance(document, str) else document
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def view_of(row: Row, uses: int = 0) -> PolicyView:
    """A row of `models.policies` as it is shown."""
    names = PolicyView.__slots__[:-1]
    return PolicyView(**{name: row[name] for name in names}, grants=uses)


def find_in(tx: Tx, domain_id: str, policy_id: str, *, grammar: str | None = None, field: str) -> PolicyView:
    """A policy the account can grant, of this grammar or any, system policies included; else `errors.NOT_FOUND`."""
    uses: int = tx.scalar(_USES, {"domain": domain_id, "of": policy_id}) or 0
    if policy_id in BY_ID:
        found = _SYSTEM_BY_ID[policy_id]
        return PolicyView(**{name: getattr(found, name) for name in PolicyView.__slots__[:-1]}, grants=uses)
    query = select(policies).where(policies.c.id == policy_id, policies.c.domain_id == domain_id)
    row = tx.row(query)
    if row is None or (grammar is not None and row["grammar"] != grammar):
        raise existing.missing("policy", field, policy_id)
    return view_of(row, uses)


class CustomPolicies:
    """The policies of the caller's account. A change of what one says ends the tokens of all who hold it.

    None may keep the last administrator from taking it away again (`errors.CONFLICT`).
    """

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def add(self, caller: Caller, new: NewPolicy, field: str) -> PolicyView:
        """A new policy; `field` is where the document stands in the request.

        Raises `errors.INVALID` with the place of a fault, `errors.CONFLICT` for a name in use.
        """
        document = checked_document(new.document, new.grammar, field)
        policy_id = uuid4().hex

        def work(tx: Tx) -> PolicyView:
            values = {
                "id": policy_id, "domain_id": caller.domain_id, "grammar": new.grammar, "name": new.name,
                "display_type": new.display_type, "path": new.path, "description": new.description,
                "description_cn": new.description_cn, "document": document, "default_version": 1, "last_version": 1,
                "created_at": tx.now, "updated_at": tx.now,
            }  # fmt: skip
            tx.run(_ADD, values)
            _add_version(tx, policy_id, 1, document)
            return view_of(existing.policy(tx, caller.domain_id, policy_id, new.grammar))

        return await self._unique_name(new.name, work)

    async def find(self, caller: Caller, policy_id: str, *, grammar: str | None = None, field: str) -> PolicyView:
        """One policy, system policies included; raises `errors.NOT_FOUND`."""
        return await self._iam.store.read(
            lambda tx: find_in(tx, caller.domain_id, policy_id, grammar=grammar, field=field)
        )

    async def list(self, caller: Caller, grammar: str | None = None) -> Sequence[PolicyView]:
        """The account's own policies, oldest first."""
        query = select(policies).where(policies.c.domain_id == caller.domain_id)
        if grammar is not None:
            query = query.where(policies.c.grammar == grammar)
        query = query.order_by(policies.c.created_at, policies.c.id)
        counts = select(grants.c.policy_id, func.count().label("uses")).where(grants.c.domain_id == caller.domain_id)

        def work(tx: Tx) -> Sequence[PolicyView]:
            uses = {row["policy_id"]: row["uses"] for row in tx.rows(counts.group_by(grants.c.policy_id))}
            return [view_of(row, uses.get(row["id"], 0)) for row in tx.rows(query)]

        return await self._iam.store.read(work)

    async def system_uses(self, caller: Caller) -> Mapping[str, int]:
        """How often the account grants each system policy."""
        counts = select(grants.c.policy_id, func.count().label("uses")).where(grants.c.domain_id == caller.domain_id)
        rows = await self._iam.store.read(lambda tx: tx.rows(counts.group_by(grants.c.policy_id)))
        return {row["policy_id"]: row["uses"] for row in rows if row["policy_id"] in BY_ID}

    async def change(
        self, caller: Caller, policy_id: str, grammar: str, changes: Mapping[str, Any], field: str
    ) -> PolicyView:
        """Set name, texts or `document`; the policy afterwards. Raises as `add` does, and `errors.NOT_FOUND`."""
        values = dict(changes)
        document = values.pop("document", None)
        if document is not None:
            values["document"] = checked_document(document, grammar, field)
        now = self._iam.now_ms()

        def work(tx: Tx) -> PolicyView:
            row = _own(tx, caller, policy_id, grammar)
            tx.run(update(policies).where(policies.c.id == policy_id).values(**values, updated_at=tx.now))
            if "document" in values and values["document"] != row["document"]:
                changed = policy_versions.c.policy_id == policy_id
                changed &= policy_versions.c.version == row["default_version"]
                tx.run(update(policy_versions).where(changed).values(document=values["document"]))
                _end_holders(tx, caller.domain_id, policy_id, now)
            return find_in(tx, caller.domain_id, policy_id, grammar=grammar, field="policy_id")

        return await self._unique_name(values.get("name", ""), work)

    async def remove(self, caller: Caller, policy_id: str, grammar: str, field: str = "policy_id") -> None:
        """Delete a policy; raises `errors.NOT_FOUND`, and `errors.CONFLICT` while it is granted to anyone."""

        def work(tx: Tx) -> None:
            _own(tx, caller, policy_id, grammar, field)
            uses = tx.scalar(_USES, {"domain": caller.domain_id, "of": policy_id})
            if uses:
                message = f"The policy is granted {uses} times; revoke or detach it first."
                raise errors.refusal([Problem(field, policy_id, "in_use", message, conflict=True)])
            tx.run(_REMOVE_VERSIONS, {"of": policy_id})
            tx.run(_REMOVE, {"of": policy_id})

        await self._iam.change(work)

    async def versions(self, caller: Caller, policy_id: str) -> tuple[PolicyView, Sequence[Row]]:
        """A policy of grammar 5.0 and its versions, newest first; raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> tuple[PolicyView, Sequence[Row]]:
            found = find_in(tx, caller.domain_id, policy_id, grammar=IDENTITY, field="policy_id")
            if found.is_system:
                return found, [{"version": 1, "document": found.document, "created_at": 0}]
            return found, tx.rows(_VERSIONS, {"of": policy_id})

        return await self._iam.store.read(work)

    async def add_version(self, caller: Caller, policy_id: str, document: str, *, is_default: bool) -> Row:
        """Another version of a policy; at most five are kept (`errors.CONFLICT`). Raises as `add` does."""
        text, now = checked_document(document, IDENTITY, "policy_document"), self._iam.now_ms()

        def work(tx: Tx) -> Row:
            row = _own(tx, caller, policy_id, IDENTITY)
            if len(tx.rows(_VERSIONS, {"of": policy_id})) >= MOST_VERSIONS:
                message = f"The policy has {MOST_VERSIONS} versions; delete one first."
                raise errors.refusal([Problem("policy_id", policy_id, "max_items", message, conflict=True)])
            number = row["last_version"] + 1
            _add_version(tx, policy_id, number, text)
            tx.run(update(policies).where(policies.c.id == policy_id).values(last_version=number))
            if is_default:
                _set_default(tx, caller.domain_id, policy_id, number, text, now)
            return {"version": number, "document": text, "created_at": tx.now}

        return await self._iam.change(work)

    async def set_default(self, caller: Caller, policy_id: str, number: int) -> None:
        """Put another version in force; raises `errors.NOT_FOUND`."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            _own(tx, caller, policy_id, IDENTITY)
            version = _version(tx, policy_id, number)
            _set_default(tx, caller.domain_id, policy_id, number, version["document"], now)

        await self._iam.change(work)

    async def remove_version(self, caller: Caller, policy_id: str, number: int) -> None:
        """Delete a version that is not in force (`errors.CONFLICT`); raises `errors.NOT_FOUND`."""

        def work(tx: Tx) -> None:
            row = _own(tx, caller, policy_id, IDENTITY)
            _version(tx, policy_id, number)
            if row["default_version"] == number:
                message = "The default version is in force; set another one first."
                raise errors.refusal([Problem("version_id", f"v{number}", "in_use", message, conflict=True)])
            mine = policy_versions.c.policy_id == policy_id
            tx.run(delete(policy_versions).where(mine, policy_versions.c.version == number))

        await self._iam.change(work)

    async def _unique_name(self, name: str, work: Callable[[Tx], PolicyView]) -> PolicyView:
        try:
            return await self._iam.change(work)
        except Duplicate:
            message = f"The account has a policy named {name} already; choose another name."
            raise errors.refusal([Problem("name", name, "unique", message, conflict=True)]) from None


def _own(tx: Tx, caller: Caller, policy_id: str, grammar: str, field: str = "policy_id") -> Row:
    if policy_id in BY_ID:
        raise errors.FORBIDDEN.error("System policies come with goldsmith and cannot be changed.")
    return existing.policy(tx, caller.domain_id, policy_id, grammar, field)


def _add_version(tx: Tx, policy_id: str, number: int, document: str) -> None:
    values = {"policy_id": policy_id, "version": number, "document": document, "created_at": tx.now}
    tx.run(_ADD_VERSION, values)


def _version(tx: Tx, policy_id: str, number: int) -> Row:
    for row in tx.rows(_VERSIONS, {"of": policy_id}):
        if row["version"] == number:
            return row
    raise existing.missing("version of the policy", "version_id", f"v{number}")


def _set_default(tx: Tx, domain_id: str, policy_id: str, number: int, document: str, now: int) -> None:
    values = {"default_version": number, "document": document, "updated_at": tx.now}
    tx.run(update(policies).where(policies.c.id == policy_id).values(values))
    _end_holders(tx, domain_id, policy_id, now)


def _end_holders(tx: Tx, domain_id: str, policy_id: str, now: int) -> None:
    keep_it_undeniable(tx, domain_id, "policy_id", policy_id)
    for row in tx.rows(_HOLDERS, {"domain": domain_id, "of": policy_id}):
        end_tokens_of_subject(tx, row["subject_kind"], row["subject_id"], now)
