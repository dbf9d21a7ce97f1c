"""Wire shapes of roles: how Keystone's paths and `/v3.0/OS-ROLE` show policies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from goldsmith.http.wire import Answer, Body
from goldsmith.iam.custom_policies import PolicyView
from goldsmith.iam.schemas import Links, SelfLink
from goldsmith.iam.user_schemas import Description

DisplayName = Annotated[str, StringConstraints(pattern=r"^\S(.{0,126}\S)?$")]
CUSTOM, SYSTEM = "CUSTOMED", "BASE"


class NewRole(Body):
    """The custom policy that is wanted. AX is for the account, XA for projects."""

    display_name: DisplayName
    type: Literal["AX", "XA"]
    description: Description
    description_cn: Description = ""
    policy: Annotated[dict[str, Any], Field(description="A policy document of Version 1.1.")]


class NewRoleRequest(Body):
    """Body of `POST` and `PATCH /v3.0/OS-ROLE/roles`."""

    role: NewRole


class Role(Answer):
    """A policy, custom or system. `references` counts its grants."""

    id: str
    name: str
    display_name: str
    catalog: str
    type: str
    flag: str | None = None
    domain_id: str | None
    description: str
    description_cn: str
    policy: dict[str, Any]
    created_time: str | None = None
    updated_time: str | None = None
    references: int | None = None
    links: SelfLink


class RoleAnswer(Answer):
    """One policy."""

    role: Role


class RoleList(Answer):
    """A page of policies and how many there are in all."""

    links: Links
    roles: list[Role]
    total_number: int


class GrantedRoles(Answer):
    """The policies granted to a group in a scope."""

    links: Links
    roles: list[Role]


class EnterpriseProjectRoles(Answer):
    """The policies granted to somebody in an enterprise project."""

    roles: list[Role]


class ProjectId(Answer):
    """An enterprise project."""

    projectId: str


class EnterpriseProjectIds(Answer):
    """The enterprise projects in which somebody is granted anything."""

    enterprise_projects: Annotated[list[ProjectId], Field(serialization_alias="enterprise-projects")]


class GrantedGroup(Answer):
    """A group that is granted something in an enterprise project."""

    id: str
    name: str
    description: str
    domainId: str
    createTime: int


class GrantedGroups(Answer):
    """The groups that are granted something in an enterprise project."""

    groups: list[GrantedGroup]


def role_of(view: PolicyView, base_url: str, *, with_references: bool = False) -> Role:
    """A policy as these paths show it."""
    return Role(
        id=view.id,
        name=view.name if view.is_system else f"custom_{view.id}",
        display_name=view.name,
        catalog=SYSTEM if view.is_system else CUSTOM,
        type=view.display_type or "AA",
        flag="fine_grained" if view.is_system else None,
        domain_id=view.domain_id,
        description=view.description,
        description_cn=view.description_cn,
        policy=json.loads(view.document),
        created_time=str(view.created_at) if view.created_at else None,
        updated_time=str(view.updated_at) if view.updated_at else None,
        references=view.grants if with_references else None,
        links=SelfLink(self=f"{base_url}/v3/roles/{view.id}"),
    )


def role_list(views: Sequence[PolicyView], page: int, per_page: int, base_url: str, path: str) -> RoleList:
    """One page of them."""
    start = (page - 1) * per_page
    address = base_url + path
    links = Links(
        self=address,
        next=f"{address}?page={page + 1}&per_page={per_page}" if start + per_page < len(views) else None,
        previous=f"{address}?page={page - 1}&per_page={per_page}" if page > 1 else None,
    )
    shown = [role_of(view, base_url) for view in views[start : start + per_page]]
    return RoleList(links=links, roles=shown, total_number=len(views))
