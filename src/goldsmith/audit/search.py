"""Finding records. Whoever asks sees those of one project; who may outside projects too, also those of the account.

What is found carries no sequence numbers: they would tell how much goes on in other projects. A record is known by
its request id; the rare second record of a request has `-2` after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Executable, and_, func, or_, select, tuple_, union_all

from goldsmith.audit.models import audit_records
from goldsmith.store import Row, Tx
from goldsmith.store.interface import Reader

_r = audit_records.c
PAGE = 500
SECOND = "-2"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose records may be seen; `domain_id` is set only for those who may see the account's own.

    Refusals of callers that nobody knows belong to no account: `has_nobodys` is for the one that runs goldsmith.
    """

    project_id: str
    domain_id: str | None = None
    has_nobodys: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters; None lets everything pass. `since` is inclusive, `until` exclusive, in milliseconds.

    `user` is an id or a name, `actions` the beginnings of actions or operations, `is_problem` tells what was
    refused or failed from the rest.
    """

    since: int | None = None
    until: int | None = None
    user: str | None = None
    action: str | None = None
    operation: str | None = None
    service: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    resource_name: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    record_id: str | None = None
    credential_id: str | None = None
    enterprise_project_id: str | None = None
    is_problem: bool | None = None


def record_id(row: Row) -> str:
    """The id by which a record is known outside."""
    return str(row["request_id"]) if row["part"] == 1 else f"{row['request_id']}{SECOND}"


def page(tx: Tx, scope: Scope, wanted: Wanted, *, offset: int, limit: int) -> tuple[int, list[Row]]:
    """How many records there are, and some of them, newest first."""
    conditions = list(_conditions(wanted))
    count = tx.scalar(select(func.count()).select_from(audit_records).where(_visible(scope), *conditions))
    return count, list(tx.rows(_newest(scope, conditions, offset, limit)))


def older(tx: Tx, scope: Scope, wanted: Wanted, *, after: Row | None, limit: int) -> list[Row]:
    """Records older than `after`, newest first."""
    conditions = list(_conditions(wanted))
    if after is not None:
        conditions.append(tuple_(_r.time, _r.sequence) < (after["time"], after["sequence"]))
    return list(tx.rows(_newest(scope, conditions, 0, limit)))


def one(tx: Tx, scope: Scope, wanted_id: str) -> Row | None:
    """The record with this id, if it may be seen."""
    return tx.row(select(audit_records).where(_visible(scope), _is(wanted_id)))


def everything(store: Reader) -> Iterator[Row]:
    """All records of everybody, oldest first; for whoever holds the data folder."""
    last = 0
    while rows := store.read_now(_after(last)):
        yield from rows
        last = rows[-1]["sequence"]


def _after(sequence: int) -> Callable[[Tx], Sequence[Row]]:
    query = select(audit_records).where(_r.sequence > sequence).order_by(_r.sequence).limit(PAGE)
    return lambda tx: tx.rows(query)


def _newest(scope: Scope, conditions: Sequence[ColumnElement[bool]], offset: int, limit: int) -> Executable:
    """Each part of the scope is read along its index and no further than needed, then they are merged."""
    parts = [
        select(audit_records)
        .where(each, *conditions)
        .order_by(_r.time.desc(), _r.sequence.desc())
        .limit(offset + limit)
        .subquery()
        for each in _parts(scope)
    ]
    found = union_all(*(select(part) for part in parts)).subquery()
    return select(found).order_by(found.c.time.desc(), found.c.sequence.desc()).limit(limit).offset(offset)


def _parts(scope: Scope) -> list[ColumnElement[bool]]:
    own = _r.project_id == scope.project_id
    if scope.domain_id is None:
        return [own]
    accounts = [scope.domain_id, ""] if scope.has_nobodys else [scope.domain_id]
    return [own, *(and_(_r.project_id == "", _r.domain_id == each) for each in accounts)]


def _visible(scope: Scope) -> ColumnElement[bool]:
    return or_(*_parts(scope))


def _is(wanted_id: str) -> ColumnElement[bool]:
    part = 2 if wanted_id.endswith(SECOND) else 1
    return and_(_r.request_id == wanted_id.removesuffix(SECOND), _r.part == part)


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    for name in ("action", "operation", "service", "resource_type", "resource_name", "outcome", "request_id",
                 "credential_id", "enterprise_project_id"):  # fmt: skip
        value = getattr(wanted, name)
        if value is not None:
            yield _r[name] == value
    if wanted.since is not None:
        yield _r.time >= wanted.since
    if wanted.until is not None:
        yield _r.time < wanted.until
    if wanted.user is not None:
        yield or_(_r.user_id == wanted.user, _r.user_name == wanted.user)
    if wanted.resource_id is not None:
        yield or_(func.instr(_r.resource_ids, json.dumps(wanted.resource_id)) > 0, _r.job_id == wanted.resource_id)
    if wanted.record_id is not None:
        yield _is(wanted.record_id)
    if wanted.is_problem is not None:
        yield _r.outcome != "allowed" if wanted.is_problem else _r.outcome == "allowed"
