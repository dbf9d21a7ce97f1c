"""An account keeps an administrator: a root user that can log in and whom no policy keeps from taking a policy away.

A Deny binds the root user as well (contract: authentication, section 6). One that reached what undoes it could never
be undone, whoever wrote it; so no change may bring that about, under whatever conditions the Deny stands.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.iam.grants import grants_in
from goldsmith.iam.models import users
from goldsmith.iam.policies.evaluate import compile
from goldsmith.store import Tx, prepare

WAYS_BACK = (
    "iam:users:detachPolicyV5", "iam:groups:detachPolicyV5", "iam:permissions:removeUserFromGroup",
    "iam:permissions:revokeRoleFromGroup", "iam:permissions:revokeRoleFromGroupOnDomain",
    "iam:permissions:revokeRoleFromGroupOnProject", "iam:permissions:revokeRoleFromGroupOnEnterpriseProject",
    "iam:permissions:revokeRoleFromUserOnEnterpriseProject",
)  # fmt: skip
"""Actions that take a policy away from somebody."""

_ROOTS = prepare(
    select(users.c.id).where(users.c.domain_id == bindparam("domain"), users.c.is_root == 1, users.c.enabled == 1)
)


def keep_an_administrator(tx: Tx, domain_id: str, problem: Problem, *, without: str = "") -> None:
    """Raise a refusal with this problem when the transaction leaves the account no administrator.

    `without` is a user that is about to be deleted or disabled.
    """
    roots = [row["id"] for row in tx.rows(_ROOTS, {"domain": domain_id}) if row["id"] != without]
    if not any(_finds_back(tx, user_id) for user_id in roots):
        raise errors.refusal([problem])


def keep_it_undeniable(tx: Tx, domain_id: str, field: str, value: str) -> None:
    """The same after a change to what is granted; `field` and `value` are what the request named."""
    message = "It would deny the last administrator of the account to take policies away; leave those actions out."
    keep_an_administrator(tx, domain_id, Problem(field, value, "last_administrator", message, conflict=True))


def _finds_back(tx: Tx, user_id: str) -> bool:
    policies = compile(grants_in(tx, user_id))
    return not any(policies.could_deny(action) for action in WAYS_BACK)
