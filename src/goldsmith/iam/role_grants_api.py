"""Granting roles to groups: for the account, one project, or all of them, by Keystone's operations.

Enterprise projects, whose paths and answers differ, are in `enterprise_grants_api`.
"""

from __future__ import annotations

from starlette.requests import Request

from goldsmith import errors
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import PathId
from goldsmith.iam import examples
from goldsmith.iam.granting import Granting, Subject, require_account
from goldsmith.iam.policies.evaluate import Scope, ScopeKind
from goldsmith.iam.role_schemas import GrantedRoles, role_of
from goldsmith.iam.schemas import Links
from goldsmith.iam.touching import TouchesNamed

TAG = "IAM grants"
ACCOUNT = "/v3/domains/{domain_id}/groups/{group_id}/roles"
PROJECT = "/v3/projects/{granted_project_id}/groups/{group_id}/roles"
"""Not `project_id`: the caller need not be scoped to the project in which it grants something."""
EVERY_PROJECT = "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles"
INHERITED = "inherited_to_projects"
GONE = (errors.NOT_FOUND,)
IN_ACCOUNT, IN_ALL_PROJECTS = Scope(ScopeKind.DOMAIN), Scope(ScopeKind.ALL_PROJECTS)


class RoleGrantsApi(TouchesNamed):
    """HTTP side of grants to groups."""

    def __init__(self, granting: Granting) -> None:
        self._granting = granting

    @operation(
        "KeystoneAssociateGroupWithDomainPermission", "PUT", ACCOUNT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:grantRoleToGroupOnDomain", access=Access.WRITE, resource_type="group",
        touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def grant_in_account(self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId) -> None:
        """Grant a policy to a group for what belongs to no project."""
        require_account(call.caller, domain_id)
        await self._granting.give(call.caller, Subject("group", group_id), role_id, IN_ACCOUNT, "role_id")

    @operation(
        "KeystoneCheckDomainPermissionForGroup", "HEAD", ACCOUNT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:checkRoleForGroupOnDomain", resource_type="group", touches="touched",
        errors=GONE,
    )  # fmt: skip
    async def check_in_account(self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId) -> None:
        """Tell whether a group holds a policy for what belongs to no project."""
        require_account(call.caller, domain_id)
        await self._granting.require(call.caller, Subject("group", group_id), role_id, IN_ACCOUNT, "role_id")

    @operation(
        "KeystoneListDomainPermissionsForGroup", "GET", ACCOUNT, surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:permissions:listRolesForGroupOnDomain", access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.GRANTED_ROLES,
    )  # fmt: skip
    async def list_in_account(
        self, call: CurrentCall, request: Request, domain_id: PathId, group_id: PathId
    ) -> GrantedRoles:
        """List the policies a group holds for what belongs to no project."""
        require_account(call.caller, domain_id)
        return await self._list(call, request, group_id, IN_ACCOUNT)

    @operation(
        "KeystoneRemoveDomainPermissionFromGroup", "DELETE", ACCOUNT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:revokeRoleFromGroupOnDomain", access=Access.WRITE, resource_type="group",
        touches="touched", errors=GONE,
    )  # fmt: skip
    async def revoke_in_account(self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId) -> None:
        """Take a policy for what belongs to no project from a group."""
        require_account(call.caller, domain_id)
        await self._granting.take(call.caller, Subject("group", group_id), role_id, IN_ACCOUNT, "role_id")

    @operation(
        "KeystoneAssociateGroupWithProjectPermission", "PUT", PROJECT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:grantRoleToGroupOnProject", access=Access.WRITE, resource_type="group",
        touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def grant_in_project(
        self, call: CurrentCall, granted_project_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Grant a policy to a group in one project."""
        subject, scope = Subject("group", group_id), _project(granted_project_id)
        await self._granting.give(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "KeystoneCheckProjectPermissionForGroup", "HEAD", PROJECT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:checkRoleForGroupOnProject", resource_type="group", touches="touched",
        errors=GONE,
    )  # fmt: skip
    async def check_in_project(
        self, call: CurrentCall, granted_project_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Tell whether a group holds a policy in one project."""
        subject, scope = Subject("group", group_id), _project(granted_project_id)
        await self._granting.require(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "KeystoneListProjectPermissionsForGroup", "GET", PROJECT, surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:permissions:listRolesForGroupOnProject", access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.GRANTED_ROLES,
    )  # fmt: skip
    async def list_in_project(
        self, call: CurrentCall, request: Request, granted_project_id: PathId, group_id: PathId
    ) -> GrantedRoles:
        """List the policies a group holds in one project."""
        return await self._list(call, request, group_id, _project(granted_project_id))

    @operation(
        "KeystoneRemoveProjectPermissionFromGroup", "DELETE", PROJECT + "/{role_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:revokeRoleFromGroupOnProject", access=Access.WRITE,
        resource_type="group", touches="touched", errors=GONE,
    )  # fmt: skip
    async def revoke_in_project(
        self, call: CurrentCall, granted_project_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Take a policy in one project from a group."""
        subject, scope = Subject("group", group_id), _project(granted_project_id)
        await self._granting.take(call.caller, subject, role_id, scope, "role_id")

    @operation(
        "UpdateDomainGroupInheritRole", "PUT", f"{EVERY_PROJECT}/{{role_id}}/{INHERITED}", surface=Surface.IAM,
        tag=TAG, success=204, action="iam:permissions:grantRoleToGroup", access=Access.WRITE, resource_type="group",
        touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def grant_in_all_projects(
        self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Grant a policy to a group in all projects, also those to come."""
        require_account(call.caller, domain_id)
        await self._granting.give(call.caller, Subject("group", group_id), role_id, IN_ALL_PROJECTS, "role_id")

    @operation(
        "KeystoneCheckroleForGroup", "HEAD", f"{EVERY_PROJECT}/{{role_id}}/{INHERITED}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:checkRoleForGroup", resource_type="group", touches="touched", errors=GONE,
    )  # fmt: skip
    async def check_in_all_projects(
        self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Tell whether a group holds a policy in all projects."""
        require_account(call.caller, domain_id)
        await self._granting.require(call.caller, Subject("group", group_id), role_id, IN_ALL_PROJECTS, "role_id")

    @operation(
        "KeystoneListAllProjectPermissionsForGroup", "GET", f"{EVERY_PROJECT}/{INHERITED}", surface=Surface.IAM,
        tag=TAG, exclude_none=False, action="iam:permissions:listRolesForGroup", access=Access.LIST,
        touches="touched", errors=GONE,
        answer=examples.GRANTED_ROLES,
    )  # fmt: skip
    async def list_in_all_projects(
        self, call: CurrentCall, request: Request, domain_id: PathId, group_id: PathId
    ) -> GrantedRoles:
        """List the policies a group holds in all projects."""
        require_account(call.caller, domain_id)
        return await self._list(call, request, group_id, IN_ALL_PROJECTS)

    @operation(
        "DeleteDomainGroupInheritedRole", "DELETE", f"{EVERY_PROJECT}/{{role_id}}/{INHERITED}", surface=Surface.IAM,
        tag=TAG, success=204, action="iam:permissions:revokeRoleFromGroup", access=Access.WRITE,
        resource_type="group", touches="touched", errors=GONE,
    )  # fmt: skip
    async def revoke_in_all_projects(
        self, call: CurrentCall, domain_id: PathId, group_id: PathId, role_id: PathId
    ) -> None:
        """Take a policy in all projects from a group."""
        require_account(call.caller, domain_id)
        await self._granting.take(call.caller, Subject("group", group_id), role_id, IN_ALL_PROJECTS, "role_id")

    async def _list(self, call: CurrentCall, request: Request, group_id: str, scope: Scope) -> GrantedRoles:
        held = await self._granting.held(call.caller, Subject("group", group_id), scope)
        links = Links(self=call.base_url + request.url.path)
        return GrantedRoles(links=links, roles=[role_of(each.policy, call.base_url) for each in held])


def _project(project_id: str) -> Scope:
    return Scope(ScopeKind.PROJECT, project_id)
