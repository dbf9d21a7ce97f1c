"""Granting roles in an enterprise project, to groups and to users."""

from __future__ import annotations

from goldsmith import errors
from goldsmith.http.operations import Access, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import PathId
from goldsmith.iam import examples
from goldsmith.iam.granting import Granting, Subject
from goldsmith.iam.policies.evaluate import Scope, ScopeKind
from goldsmith.iam.role_schemas import (
    EnterpriseProjectIds,
    EnterpriseProjectRoles,
    GrantedGroup,
    GrantedGroups,
    ProjectId,
    role_of,
)
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.touching import TouchesNamed

TAG = "IAM grants"
ROOM = "/v3.0/OS-PERMISSION/enterprise-projects/{enterprise_project_id}"
GROUP_ROLES, USER_ROLES = ROOM + "/groups/{group_id}/roles", ROOM + "/users/{user_id}/roles"
GONE = (errors.NOT_FOUND,)


class EnterpriseGrantsApi(TouchesNamed):
    """HTTP side of grants in enterprise projects."""

    def __init__(self, granting: Granting) -> None:
        self._granting = granting

    @operation(
        "AssociateRoleToGroupOnEnterpriseProject", "PUT", GROUP_ROLES + "/{role_id}", surface=EXTENSION, codes=CODES,
        tag=TAG, success=204, action="iam:permissions:grantRoleToGroupOnEnterpriseProject", access=Access.WRITE,
        resource_type="group", touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def grant_to_group(
        self, call: CurrentCall, enterprise_project_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Grant a policy to a group in an enterprise project."""
        subject, scope = Subject("group", group_id), _scope(enterprise_project_id)
        await self._granting.give(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "ListRolesForGroupOnEnterpriseProject", "GET", GROUP_ROLES, surface=EXTENSION, codes=CODES, tag=TAG,
        exclude_none=False, action="iam:permissions:listRolesForGroupOnEnterpriseProject", access=Access.LIST,
        touches="touched", errors=GONE,
        answer=examples.ENTERPRISE_PROJECT_ROLES,
    )  # fmt: skip
    async def list_of_group(
        self, call: CurrentCall, enterprise_project_id: PathId, group_id: PathId
    ) -> EnterpriseProjectRoles:
        """List the policies a group holds in an enterprise project."""
        return await self._list(call, Subject("group", group_id), enterprise_project_id)

    @operation(
        "RevokeRoleFromGroupOnEnterpriseProject", "DELETE", GROUP_ROLES + "/{role_id}", surface=EXTENSION,
        codes=CODES, tag=TAG, success=204, action="iam:permissions:revokeRoleFromGroupOnEnterpriseProject",
        access=Access.WRITE, resource_type="group", touches="touched", errors=GONE,
    )  # fmt: skip
    async def revoke_from_group(
        self, call: CurrentCall, enterprise_project_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Take a policy in an enterprise project from a group."""
        subject, scope = Subject("group", group_id), _scope(enterprise_project_id)
        await self._granting.take(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "AssociateRoleToUserOnEnterpriseProject", "PUT", USER_ROLES + "/{role_id}", surface=EXTENSION, codes=CODES,
        tag=TAG, success=204, action="iam:permissions:grantRoleToUserOnEnterpriseProject", access=Access.WRITE,
        resource_type="user", touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def grant_to_user(
        self, call: CurrentCall, enterprise_project_id: PathId, user_id: PathId, role_id: PathId
    ) -> None:
        """Grant a policy to a user in an enterprise project."""
        subject, scope = Subject("user", user_id), _scope(enterprise_project_id)
        await self._granting.give(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "ListRolesForUserOnEnterpriseProject", "GET", USER_ROLES, surface=EXTENSION, codes=CODES, tag=TAG,
        exclude_none=False, action="iam:permissions:listRolesForUserOnEnterpriseProject", access=Access.LIST,
        touches="touched", errors=GONE,
        answer=examples.ENTERPRISE_PROJECT_ROLES,
    )  # fmt: skip
    async def list_of_user(
        self, call: CurrentCall, enterprise_project_id: PathId, user_id: PathId
    ) -> EnterpriseProjectRoles:
        """List the policies a user itself holds in an enterprise project."""
        return await self._list(call, Subject("user", user_id), enterprise_project_id)

    @operation(
        "RevokeRoleFromUserOnEnterpriseProject", "DELETE", USER_ROLES + "/{role_id}", surface=EXTENSION, codes=CODES,
        tag=TAG, success=204, action="iam:permissions:revokeRoleFromUserOnEnterpriseProject", access=Access.WRITE,
        resource_type="user", touches="touched", errors=GONE,
    )  # fmt: skip
    async def revoke_from_user(
        self, call: CurrentCall, enterprise_project_id: PathId, user_id: PathId, role_id: PathId
    ) -> None:
        """Take a policy in an enterprise project from a user."""
        subject, scope = Subject("user", user_id), _scope(enterprise_project_id)
        await self._granting.take(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "ListEnterpriseProjectsForGroup", "GET", "/v3.0/OS-PERMISSION/groups/{group_id}/enterprise-projects",
        surface=EXTENSION, codes=CODES, tag=TAG, action="iam:permissions:listEnterpriseProjectsForGroup",
        access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.ENTERPRISE_PROJECT_IDS,
    )  # fmt: skip
    async def list_projects_of_group(self, call: CurrentCall, group_id: PathId) -> EnterpriseProjectIds:
        """List the enterprise projects in which a group holds a policy."""
        found = await self._granting.enterprise_projects_of(call.caller, Subject("group", group_id))
        return EnterpriseProjectIds(enterprise_projects=[ProjectId(projectId=each) for each in found])

    @operation(
        "ListGroupsForEnterpriseProject", "GET", ROOM + "/groups", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:permissions:listGroupsOnEnterpriseProject", access=Access.LIST,
        answer=examples.GRANTED_GROUPS,
    )  # fmt: skip
    async def list_groups_in(self, call: CurrentCall, enterprise_project_id: PathId) -> GrantedGroups:
        """List the groups that hold a policy in an enterprise project."""
        rows = await self._granting.groups_in(call.caller, enterprise_project_id)
        return GrantedGroups(
            groups=[
                GrantedGroup(
                    id=row["id"], name=row["name"], description=row["description"], domainId=row["domain_id"],
                    createTime=row["created_at"],
                )
                for row in rows
            ]
        )  # fmt: skip

    async def _list(self, call: CurrentCall, subject: Subject, enterprise_project_id: str) -> EnterpriseProjectRoles:
        held = await self._granting.held(call.caller, subject, _scope(enterprise_project_id))
        return EnterpriseProjectRoles(roles=[role_of(each.policy, call.base_url) for each in held])


def _scope(enterprise_project_id: str) -> Scope:
    return Scope(ScopeKind.ENTERPRISE_PROJECT, enterprise_project_id)
