"""Policies as roles: the account's own of grammar 1.1, and everything that can be granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from starlette.requests import Request

from goldsmith import errors
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import PathId
from goldsmith.iam import examples
from goldsmith.iam.custom_policies import CLASSIC, SYSTEM, CustomPolicies, NewPolicy, PolicyView
from goldsmith.iam.role_schemas import CUSTOM, NewRole, NewRoleRequest, RoleAnswer, RoleList, role_list, role_of
from goldsmith.iam.role_schemas import SYSTEM as SYSTEM_CATALOG
from goldsmith.iam.service import Iam
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.touching import TouchesNamed

TAG = "IAM policies"
Filter = Annotated[str | None, Query(max_length=255)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
PerPage = Annotated[int, Query(ge=1, le=300)]
DOCUMENT = "role.policy"
SHOWN = {"domain": {"AA", "AX"}, "project": {"AA", "XA"}, "all": {"AA", "AX", "XA"}}
"""Display types behind each value of the filter `type`."""
EXAMPLE = {
    "role": {
        "display_name": "image builders", "type": "XA", "description": "Build images, delete none.",
        "policy": {
            "Version": "1.1",
            "Statement": [
                {"Effect": "Allow", "Action": ["workspace:imageServer:*"]},
                {"Effect": "Deny", "Action": ["workspace:imageServer:batchDelete"]},
            ],
        },
    }
}  # fmt: skip


class RolesApi(TouchesNamed):
    """HTTP side of custom policies of grammar 1.1 and of the list of everything that can be granted."""

    def __init__(self, iam: Iam) -> None:
        self._policies = CustomPolicies(iam)

    @operation(
        "CreateCloudServiceCustomPolicy", "POST", "/v3.0/OS-ROLE/roles", surface=EXTENSION, codes=CODES, tag=TAG,
        success=201, action="iam:roles:createRole", access=Access.WRITE, resource_type="role", touches="touched",
        errors=(errors.CONFLICT,), example=EXAMPLE,
        answer=examples.ROLE,
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: NewRoleRequest) -> RoleAnswer:
        """Make a custom policy; the place of a fault in its document is named."""
        wanted = body.role
        new = NewPolicy(
            CLASSIC, wanted.display_name, wanted.policy, wanted.description, wanted.type,
            description_cn=wanted.description_cn,
        )  # fmt: skip
        return RoleAnswer(role=role_of(await self._policies.add(call.caller, new, DOCUMENT), call.base_url))

    @operation(
        "ListCustomPolicies", "GET", "/v3.0/OS-ROLE/roles", surface=EXTENSION, codes=CODES, tag=TAG,
        exclude_none=False, action="iam:roles:listRoles", access=Access.LIST,
        answer=examples.ROLES,
    )  # fmt: skip
    async def list_custom(
        self, call: CurrentCall, request: Request, page: Page = 1, per_page: PerPage = 300
    ) -> RoleList:
        """List the custom policies of the account."""
        views = await self._policies.list(call.caller, CLASSIC)
        return role_list(views, page, per_page, call.base_url, request.url.path)

    @operation(
        "ShowCustomPolicy", "GET", "/v3.0/OS-ROLE/roles/{role_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:roles:getRole", access=Access.READ, resource_type="role", touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.ROLE,
    )  # fmt: skip
    async def show_custom(self, call: CurrentCall, role_id: PathId) -> RoleAnswer:
        """Show a custom policy and how often it is granted."""
        view = await self._policies.find(call.caller, role_id, grammar=CLASSIC, field="role_id")
        return RoleAnswer(role=role_of(view, call.base_url, with_references=True))

    @operation(
        "UpdateCloudServiceCustomPolicy", "PATCH", "/v3.0/OS-ROLE/roles/{role_id}", surface=EXTENSION, codes=CODES,
        tag=TAG, action="iam:roles:updateRole", access=Access.WRITE, resource_type="role", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT), example=EXAMPLE,
        answer=examples.ROLE,
    )  # fmt: skip
    async def update(self, call: CurrentCall, role_id: PathId, body: NewRoleRequest) -> RoleAnswer:
        """Replace a custom policy; it is in force for all who hold it within a second."""
        view = await self._policies.change(call.caller, role_id, CLASSIC, _columns(body.role), DOCUMENT)
        return RoleAnswer(role=role_of(view, call.base_url))

    @operation(
        "DeleteCustomPolicy", "DELETE", "/v3.0/OS-ROLE/roles/{role_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:roles:deleteRole", access=Access.WRITE, resource_type="role", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT),
    )  # fmt: skip
    async def delete(self, call: CurrentCall, role_id: PathId) -> None:
        """Delete a custom policy that nobody holds."""
        await self._policies.remove(call.caller, role_id, CLASSIC, "role_id")

    @operation(
        "KeystoneListPermissions", "GET", "/v3/roles", surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:roles:listRoles", access=Access.LIST,
        answer=examples.ROLES,
    )  # fmt: skip
    async def list_roles(
        self,
        call: CurrentCall,
        request: Request,
        name: Filter = None,
        domain_id: Filter = None,
        display_name: Filter = None,
        catalog: Filter = None,
        permission_type: Literal["policy", "role"] | None = None,
        type: Literal["domain", "project", "all"] | None = None,
        page: Page = 1,
        per_page: PerPage = 300,
    ) -> RoleList:
        """List the system policies, or with `domain_id` the account's own."""
        views: list[PolicyView] = []
        if domain_id is None and permission_type != "role":
            views = list(SYSTEM)
        elif domain_id == call.caller.domain_id:
            views = list(await self._policies.list(call.caller, CLASSIC))
        tests: list[Callable[[PolicyView], bool]] = []
        if name is not None:
            tests.append(lambda view: role_of(view, "").name == name)
        if display_name is not None:
            tests.append(lambda view: display_name.casefold() in view.name.casefold())
        if catalog is not None:
            tests.append(lambda view: catalog == (SYSTEM_CATALOG if view.is_system else CUSTOM))
        if type is not None:
            tests.append(lambda view: view.display_type in SHOWN[type])
        found = [view for view in views if all(test(view) for test in tests)]
        return role_list(found, page, per_page, call.base_url, request.url.path)

    @operation(
        "KeystoneShowPermission", "GET", "/v3/roles/{role_id}", surface=Surface.IAM, tag=TAG,
        action="iam:roles:getRole", access=Access.READ, resource_type="role", touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.ROLE,
    )  # fmt: skip
    async def show_role(self, call: CurrentCall, role_id: PathId) -> RoleAnswer:
        """Show a policy that can be granted."""
        return RoleAnswer(role=role_of(await self._policies.find(call.caller, role_id, field="role_id"), call.base_url))


def _columns(wanted: NewRole) -> dict[str, Any]:
    return {
        "name": wanted.display_name,
        "display_type": wanted.type,
        "description": wanted.description,
        "description_cn": wanted.description_cn,
        "document": wanted.policy,
    }
