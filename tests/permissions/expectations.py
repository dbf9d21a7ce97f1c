"""What must come of a call, computed from the operation's row of the table alone."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from fnmatch import fnmatchcase

from goldsmith.http.operations import Access, Operation, Surface
from goldsmith.iam.policies import system
from goldsmith.iam.policies.scopes import ScopeKind
from tests.permissions.place import Answer

ENTERPRISE, RESOURCE_TAG, REQUEST_TAG = "g:EnterpriseProjectId", "g:ResourceTag/<key>", "g:RequestTag/<key>"
REFUSED_BY_HANDLERS = {
    "KeystoneUpdateUserPassword": "one's own password only",
    "CreateTemporaryAccessKeyByToken": "not with temporary keys",
    "KeystoneRevokeToken": "one's own token only",
}
"""The only operations that refuse with 403 by themselves, and when."""


class Verdict(StrEnum):
    UNAUTHENTICATED = "unauthenticated"
    FOREIGN = "not a project of the credential"
    REFUSED = "refused by policy"
    PASSED = "let in"
    BROKEN = "an answer that no call may get"


def verdict_of(operation: Operation, answer: Answer) -> Verdict:
    """What came of a call."""
    if operation.is_public:
        return Verdict.PASSED
    if answer.status in {405, 415, 429} or answer.status >= 500:
        return Verdict.BROKEN
    if answer.status == 401:
        return Verdict.UNAUTHENTICATED
    if answer.status == 403:
        if "APIGW.0302" in answer.text:
            return Verdict.FOREIGN
        if operation.method == "HEAD" or "encoded_authorization_message" in answer.inner:
            return Verdict.REFUSED
        return Verdict.PASSED if operation.name in REFUSED_BY_HANDLERS else Verdict.BROKEN
    return Verdict.PASSED


def without_credentials(operation: Operation) -> Verdict:
    return Verdict.PASSED if operation.is_public else Verdict.UNAUTHENTICATED


def with_actions(operation: Operation, patterns: Collection[str]) -> Verdict:
    """For someone who is allowed these actions on everything."""
    needed = [operation.action, *operation.dependencies] if operation.action else []
    allowed = all(any(fnmatchcase(str(each).lower(), pattern.lower()) for pattern in patterns) for each in needed)
    return Verdict.PASSED if allowed or operation.is_public else Verdict.REFUSED


def with_system_policy(policy_id: str, operation: Operation) -> Verdict:
    return with_actions(operation, system.BY_ID[policy_id].document["Statement"][0]["Action"])


def in_foreign_project(operation: Operation, otherwise: Verdict) -> Verdict:
    return Verdict.FOREIGN if operation.is_in_project and not operation.is_public else otherwise


def if_condition(operation: Operation, key: str, *, holds: bool) -> Verdict:
    """For someone who is allowed everything under a condition on this key.

    A list of resources is always let in: each of its entries is decided by itself.
    """
    if operation.action is None or filters(operation) or (holds and key in operation.condition_keys):
        return Verdict.PASSED
    return Verdict.REFUSED


def in_scope(operation: Operation, kind: ScopeKind) -> Verdict:
    """For someone who is allowed everything in the first project, in all projects, or outside projects."""
    if operation.action is None:
        return Verdict.PASSED
    is_global = not operation.is_in_project and operation.surface is not Surface.IMS
    return Verdict.PASSED if is_global is (kind is ScopeKind.DOMAIN) else Verdict.REFUSED


def filters(operation: Operation) -> bool:
    """Whether it is a list whose entries are decided one by one."""
    return operation.access is Access.LIST and operation.resource_type is not None and not operation.touches
