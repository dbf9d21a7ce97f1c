"""Looking up, inside a transaction, what a request names; what does not exist in the account is refused."""

from __future__ import annotations

from sqlalchemy import Table, bindparam, select

from goldsmith import errors
from goldsmith.errors import ErrorKind, Problem, ServiceError
from goldsmith.iam.models import access_keys, groups, policies, projects, users
from goldsmith.store import Prepared, Row, Tx, prepare


def _in_account(table: Table) -> Prepared:
    return prepare(select(table).where(table.c.id == bindparam("of"), table.c.domain_id == bindparam("domain")))


_USER, _GROUP, _POLICY, _PROJECT = (_in_account(table) for table in (users, groups, policies, projects))
_KEY = prepare(
    select(access_keys)
    .join(users, users.c.id == access_keys.c.user_id)
    .where(access_keys.c.access_key == bindparam("of"), users.c.domain_id == bindparam("domain"))
)


def missing(what: str, field: str, value: str, kind: ErrorKind = errors.NOT_FOUND) -> ServiceError:
    """The refusal of an id that names nothing in the account."""
    message = f"There is no such {what} in your account."
    shown = value if len(value) <= 64 else value[:64] + "…"
    return kind.error(f"{field}: there is no {what} '{shown}' in your account.",
                      details=[Problem(field, shown, "exists", message)])  # fmt: skip


def user(tx: Tx, domain_id: str, user_id: str, kind: ErrorKind = errors.NOT_FOUND, field: str = "user_id") -> Row:
    """The user's row; raises `errors.NOT_FOUND`, or `kind`."""
    return _found(tx, _USER, domain_id, user_id, "user", field, kind)


def group(tx: Tx, domain_id: str, group_id: str, kind: ErrorKind = errors.NOT_FOUND, field: str = "group_id") -> Row:
    """The group's row; raises `errors.NOT_FOUND`, or `kind`."""
    return _found(tx, _GROUP, domain_id, group_id, "group", field, kind)


def policy(tx: Tx, domain_id: str, policy_id: str, grammar: str, field: str = "policy_id") -> Row:
    """The row of a custom policy of this grammar; raises `errors.NOT_FOUND`."""
    row = tx.row(_POLICY, {"of": policy_id, "domain": domain_id})
    if row is None or row["grammar"] != grammar:
        raise missing("policy", field, policy_id)
    return row


def project(tx: Tx, domain_id: str, project_id: str, field: str = "project_id") -> Row:
    """The project's row; raises `errors.NOT_FOUND`."""
    return _found(tx, _PROJECT, domain_id, project_id, "project", field, errors.NOT_FOUND)


def access_key(tx: Tx, domain_id: str, key: str) -> Row:
    """The row of a permanent access key; raises `errors.NOT_FOUND`."""
    return _found(tx, _KEY, domain_id, key, "access key", "access_key", errors.NOT_FOUND)


def _found(tx: Tx, query: Prepared, domain_id: str, id_: str, what: str, field: str, kind: ErrorKind) -> Row:
    row = tx.row(query, {"of": id_, "domain": domain_id})
    if row is None:
        raise missing(what, field, id_, kind)
    return row
