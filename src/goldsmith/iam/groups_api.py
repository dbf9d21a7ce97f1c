"""Groups of the account and their members, by Keystone's operations."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from starlette.requests import Request

from goldsmith import errors
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Answer, Body, PathId
from goldsmith.iam import examples
from goldsmith.iam.groups import Groups
from goldsmith.iam.schemas import Links, SelfLink
from goldsmith.iam.service import Iam
from goldsmith.iam.touching import TouchesNamed
from goldsmith.iam.user_schemas import Description, Id, KeystoneUserList, keystone_users
from goldsmith.iam.users_api import require_own_account
from goldsmith.store import Row

TAG = "IAM groups"
Filter = Annotated[str | None, Query(max_length=255)]
GroupName = Annotated[str, StringConstraints(pattern=r"^\S(.{0,126}\S)?$")]


class NewGroup(Body):
    """The group that is wanted; the account is the caller's."""

    name: GroupName
    domain_id: Id | None = None
    description: Description = ""


class NewGroupRequest(Body):
    """Body of `POST /v3/groups`."""

    group: NewGroup


class GroupChanges(Body):
    """What is to change."""

    name: GroupName | None = None
    domain_id: Id | None = None
    description: Description | None = None


class GroupChangesRequest(Body):
    """Body of `PATCH /v3/groups/{group_id}`."""

    group: GroupChanges


class Group(Answer):
    """A group."""

    id: str
    name: str
    domain_id: str
    description: str
    create_time: int
    links: SelfLink


class GroupAnswer(Answer):
    """One group."""

    group: Group


class GroupList(Answer):
    """The groups of an account, or of a user."""

    groups: list[Group]
    links: Links


def group_of(row: Row, base_url: str) -> Group:
    """A row of `models.groups` as it is shown."""
    return Group(
        id=row["id"],
        name=row["name"],
        domain_id=row["domain_id"],
        description=row["description"],
        create_time=row["created_at"],
        links=SelfLink(self=f"{base_url}/v3/groups/{row['id']}"),
    )


class GroupsApi(TouchesNamed):
    """HTTP side of groups."""

    def __init__(self, iam: Iam) -> None:
        self._groups = Groups(iam)

    @operation(
        "KeystoneCreateGroup", "POST", "/v3/groups", surface=Surface.IAM, tag=TAG, success=201,
        action="iam:groups:createGroup", access=Access.WRITE, resource_type="group", touches="touched",
        errors=(errors.CONFLICT,),
        example={"group": {"name": "image builders", "description": "They build golden images."}},
        answer=examples.GROUP,
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: NewGroupRequest) -> GroupAnswer:
        """Add a group to the account."""
        require_own_account(call.caller, "group.domain_id", body.group.domain_id)
        row = await self._groups.add(call.caller, body.group.name, body.group.description)
        return GroupAnswer(group=group_of(row, call.base_url))

    @operation(
        "KeystoneListGroups", "GET", "/v3/groups", surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:groups:listGroups", access=Access.LIST,
        answer=examples.GROUPS,
    )  # fmt: skip
    async def list_groups(
        self, call: CurrentCall, request: Request, domain_id: Filter = None, name: Filter = None
    ) -> GroupList:
        """List the groups of the account."""
        is_own = domain_id in {None, call.caller.domain_id}
        rows = await self._groups.list(call.caller, name) if is_own else ()
        return GroupList(
            groups=[group_of(row, call.base_url) for row in rows], links=Links(self=call.base_url + request.url.path)
        )

    @operation(
        "KeystoneShowGroup", "GET", "/v3/groups/{group_id}", surface=Surface.IAM, tag=TAG,
        action="iam:groups:getGroup", access=Access.READ, resource_type="group", touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.GROUP,
    )  # fmt: skip
    async def show(self, call: CurrentCall, group_id: PathId) -> GroupAnswer:
        """Show a group."""
        return GroupAnswer(group=group_of(await self._groups.find(call.caller, group_id), call.base_url))

    @operation(
        "KeystoneUpdateGroup", "PATCH", "/v3/groups/{group_id}", surface=Surface.IAM, tag=TAG,
        action="iam:groups:updateGroup", access=Access.WRITE, resource_type="group", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT), example={"group": {"description": "They build golden images."}},
        answer=examples.GROUP,
    )  # fmt: skip
    async def update(self, call: CurrentCall, group_id: PathId, body: GroupChangesRequest) -> GroupAnswer:
        """Change name or description of a group."""
        require_own_account(call.caller, "group.domain_id", body.group.domain_id)
        changes = body.group.model_dump(exclude_none=True, exclude={"domain_id"})
        row = await self._groups.change(call.caller, group_id, changes)
        return GroupAnswer(group=group_of(row, call.base_url))

    @operation(
        "KeystoneDeleteGroup", "DELETE", "/v3/groups/{group_id}", surface=Surface.IAM, tag=TAG, success=204,
        action="iam:groups:deleteGroup", access=Access.WRITE, resource_type="group", touches="touched",
        errors=(errors.NOT_FOUND,),
    )  # fmt: skip
    async def delete(self, call: CurrentCall, group_id: PathId) -> None:
        """Delete a group with its grants; its members stay."""
        await self._groups.remove(call.caller, group_id)

    @operation(
        "KeystoneAddUserToGroup", "PUT", "/v3/groups/{group_id}/users/{user_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:addUserToGroup", access=Access.WRITE, resource_type="group",
        touches="touched", errors=(errors.NOT_FOUND, errors.CONFLICT),
    )  # fmt: skip
    async def add_member(self, call: CurrentCall, group_id: PathId, user_id: PathId) -> None:
        """Put a user into a group."""
        await self._groups.add_member(call.caller, group_id, user_id)

    @operation(
        "KeystoneCheckUserInGroup", "HEAD", "/v3/groups/{group_id}/users/{user_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:checkUserInGroup", access=Access.READ, resource_type="group",
        touches="touched", errors=(errors.NOT_FOUND,),
    )  # fmt: skip
    async def check_member(self, call: CurrentCall, group_id: PathId, user_id: PathId) -> None:
        """Tell whether a user is in a group."""
        await self._groups.require_member(call.caller, group_id, user_id)

    @operation(
        "KeystoneRemoveUserFromGroup", "DELETE", "/v3/groups/{group_id}/users/{user_id}", surface=Surface.IAM, tag=TAG,
        success=204, action="iam:permissions:removeUserFromGroup", access=Access.WRITE, resource_type="group",
        touches="touched", errors=(errors.NOT_FOUND,),
    )  # fmt: skip
    async def remove_member(self, call: CurrentCall, group_id: PathId, user_id: PathId) -> None:
        """Take a user out of a group."""
        await self._groups.remove_member(call.caller, group_id, user_id)

    @operation(
        "KeystoneListUsersForGroupByAdmin", "GET", "/v3/groups/{group_id}/users", surface=Surface.IAM, tag=TAG,
        exclude_none=False, action="iam:users:listUsersForGroup", access=Access.LIST, touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.KEYSTONE_USERS,
    )  # fmt: skip
    async def list_members(self, call: CurrentCall, request: Request, group_id: PathId) -> KeystoneUserList:
        """List the users of a group."""
        rows = await self._groups.members_of(call.caller, group_id)
        return keystone_users(list(rows), call.base_url, request.url.path)

    @operation(
        "KeystoneListGroupsForUser", "GET", "/v3/users/{user_id}/groups", surface=Surface.IAM, tag=TAG,
        exclude_none=False, action="iam:groups:listGroupsForUser", access=Access.LIST, touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.GROUPS,
    )  # fmt: skip
    async def list_groups_of(self, call: CurrentCall, request: Request, user_id: PathId) -> GroupList:
        """List the groups a user is in."""
        rows = await self._groups.groups_of(call.caller, user_id)
        return GroupList(
            groups=[group_of(row, call.base_url) for row in rows], links=Links(self=call.base_url + request.url.path)
        )
