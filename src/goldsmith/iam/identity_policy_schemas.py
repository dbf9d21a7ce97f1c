"""Wire shapes of identity policies (`/v5/policies`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from goldsmith.http.wire import Answer, Body, wire_time
from goldsmith.iam.custom_policies import PolicyView
from goldsmith.iam.user_schemas import Id
from goldsmith.store import Row

PolicyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=.@-]{1,128}$")]
PolicyPath = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9.,+@=_-]+/)*$", max_length=512)]
PolicyText = Annotated[str, StringConstraints(max_length=1000)]
Document = Annotated[str, Field(description="A policy document of Version 5.0, as JSON text.")]
EPOCH = "1970-01-01T00:00:00.000Z"


class NewIdentityPolicy(Body):
    """Body of `POST /v5/policies`."""

    policy_name: PolicyName
    policy_document: Document
    path: PolicyPath = ""
    description: PolicyText = ""


class IdentityPolicyChanges(Body):
    """Body of `PUT /v5/policies/{policy_id}`."""

    description: PolicyText


class NewVersion(Body):
    """Body of `POST /v5/policies/{policy_id}/versions`."""

    policy_document: Document
    set_as_default: bool = False


class UserTarget(Body):
    """To whom a policy is attached."""

    user_id: Id


class GroupTarget(Body):
    """To which group a policy is attached."""

    group_id: Id


class IdentityPolicy(Answer):
    """An identity policy without its document, which its versions have."""

    policy_type: str
    policy_name: str
    policy_id: str
    urn: str
    path: str
    default_version_id: str
    attachment_count: int
    description: str
    created_at: str
    updated_at: str


class IdentityPolicyAnswer(Answer):
    """One policy."""

    policy: IdentityPolicy


class PageInfo(Answer):
    """Where the next page begins, when there is one."""

    next_marker: str | None = None
    current_count: int


class IdentityPolicyList(Answer):
    """A page of policies."""

    policies: list[IdentityPolicy]
    page_info: PageInfo


class PolicyVersion(Answer):
    """A version and its document."""

    version_id: str
    document: str
    is_default: bool
    created_at: str


class PolicyVersionAnswer(Answer):
    """One version."""

    policy_version: PolicyVersion


class PolicyVersionList(Answer):
    """The versions of a policy, newest first."""

    versions: list[PolicyVersion]
    page_info: PageInfo


class AttachedPolicy(Answer):
    """A policy that is attached to somebody."""

    policy_name: str
    policy_id: str
    urn: str
    attached_at: str


class AttachedPolicyList(Answer):
    """What is attached to somebody."""

    attached_policies: list[AttachedPolicy]
    page_info: PageInfo


class PolicyUser(Answer):
    """A user a policy is attached to."""

    user_id: str
    attached_at: str


class PolicyGroup(Answer):
    """A group a policy is attached to."""

    group_id: str
    attached_at: str


class PolicyAgency(Answer):
    """An agency a policy is attached to; there are none here."""

    agency_id: str
    attached_at: str


class EntityList(Answer):
    """Everybody a policy is attached to."""

    policy_agencies: list[PolicyAgency]
    policy_groups: list[PolicyGroup]
    policy_users: list[PolicyUser]
    page_info: PageInfo


def urn_of(view: PolicyView) -> str:
    """The policy's own name."""
    return f"iam::{view.domain_id or 'system'}:policy:{view.path}{view.name}"


def identity_policy(view: PolicyView) -> IdentityPolicy:
    """A policy as these paths show it."""
    return IdentityPolicy(
        policy_type="system" if view.is_system else "custom",
        policy_name=view.name,
        policy_id=view.id,
        urn=urn_of(view),
        path=view.path,
        default_version_id=f"v{view.default_version}",
        attachment_count=view.grants,
        description=view.description,
        created_at=wire_time(view.created_at) or EPOCH,
        updated_at=wire_time(view.updated_at) or EPOCH,
    )


def policy_version(row: Row, default_version: int) -> PolicyVersion:
    """A row of `models.policy_versions`."""
    return PolicyVersion(
        version_id=f"v{row['version']}",
        document=row["document"],
        is_default=row["version"] == default_version,
        created_at=wire_time(row["created_at"]) or EPOCH,
    )
