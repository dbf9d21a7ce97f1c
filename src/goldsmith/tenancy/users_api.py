"""Operations on Workspace users. Passwords come in, and never go out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from goldsmith import errors
from goldsmith.errors import CATALOGUE, ErrorKind, Problem, ServiceError
from goldsmith.http.operations import Access, Call, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import MAX_OFFSET, Offset, PathId, wire_time
from goldsmith.store import Store, Tx
from goldsmith.tenancy import user_schemas as schemas
from goldsmith.tenancy.service import Tenancy
from goldsmith.tenancy.user_rules import problems_of_new
from goldsmith.tenancy.users import Filter, NewUser, WorkspaceUser

TAG = "users"
NO_SUCH_USER = CATALOGUE.setdefault(
    "NoSuchUser",
    ErrorKind(
        "NoSuchUser", 400, "WKS.00170312", "The user does not exist.",
        when="The id in the path names no Workspace user of this project. Clients read the code as not found.",
        user="List the users to find the right id.",
        operator="Nothing.",
    ),
)  # fmt: skip

EXAMPLE_DETAIL = {
    "id": "a96e632a399d452eb29e5091e0af806a", "user_name": "user001", "user_email": "user001@example.com",
    "user_phone": "", "description": "", "active_type": "USER_ACTIVATE", "is_pre_user": False, "locked": False,
    "enable_change_password": True, "next_login_change_password": True, "password_never_expired": False,
    "disabled": False, "group_names": [], "share_space_subscription": False, "share_space_desktops": 0,
    "total_desktops": 0, "sam_account_name": "user001", "full_name": "user001", "account_type": 0,
    "when_created": "2024-05-07T07:54:21.009Z", "account_expires": 0, "user_expired": False,
}  # fmt: skip

EXAMPLE_USER = {
    "id": "a96e632a399d452eb29e5091e0af806a", "user_name": "user001", "user_email": "user001@example.com",
    "user_phone": "", "description": "", "active_type": "USER_ACTIVATE", "is_pre_user": False, "locked": False,
    "enable_change_password": True, "next_login_change_password": True, "password_never_expired": False,
    "disabled": False, "group_names": [], "share_space_subscription": False, "share_space_desktops": 0,
    "total_desktops": 0, "account_expires": "0", "account_expired": False, "enterprise_project_id": "0",
    "user_info_map": "", "domain": "",
}  # fmt: skip

Text = Annotated[str, Query(max_length=255)]


class UsersApi:
    """HTTP side of Workspace users."""

    def __init__(self, store: Store, tenancy: Tenancy) -> None:
        self._store, self._tenancy = store, tenancy

    @operation(
        "CreateDesktopUser", "POST", "/v2/{project_id}/users",
        action="workspace:users:create", access=Access.WRITE, success=201, tag=TAG,
        errors=(errors.CONFLICT,), check_world="check_new",
        example={"user_name": "user001", "user_email": "user001@example.com", "active_type": "USER_ACTIVATE"},
        answer={"id": "a96e632a399d452eb29e5091e0af806a"},
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: schemas.CreateUser) -> schemas.UserId:
        """Create a Workspace user."""

        def work(tx: Tx) -> WorkspaceUser:
            problems = problems_of_new(self._tenancy, tx, call.project_id, body)
            if problems:
                raise errors.refusal(problems)
            return self._tenancy.create_user(tx, call.project_id, _new_user(body))

        return schemas.UserId(id=(await self._store.write(work)).id)

    async def check_new(self, call: Call, body: schemas.CreateUser) -> Sequence[Problem]:
        """What else is wrong with a request whose shape is."""
        return await self._store.read(lambda tx: problems_of_new(self._tenancy, tx, call.project_id, body))

    @operation(
        "ListUsers", "GET", "/v2/{project_id}/users",
        action="workspace:users:list", access=Access.LIST, tag=TAG,
        answer={"total_count": 1, "users": [EXAMPLE_USER]},
    )  # fmt: skip
    async def list_users(
        self,
        call: CurrentCall,
        user_name: Annotated[Text, Query(description="Part of the name.")] = "",
        user_names: Annotated[list[str] | None, Query(max_length=100)] = None,
        description: Annotated[Text, Query(description="Part of the description.")] = "",
        active_type: Annotated[str, Query(pattern=r"^(USER_ACTIVATE|ADMIN_ACTIVATE)?$")] = "",
        group_name: Annotated[Text, Query(description="There are no groups, so nothing matches.")] = "",
        disabled: bool | None = None,
        domain: Text = "",
        enterprise_project_id: Text = "",
        offset: Offset = 0,
        limit: Annotated[int | None, Query(ge=1, le=MAX_OFFSET, description="All when left out.")] = None,
    ) -> schemas.UserList:
        """List Workspace users, oldest first."""
        if group_name:
            return schemas.UserList(total_count=0, users=[])
        wanted = Filter(
            name=user_name,
            names=user_names or (),
            description=description,
            active_type=active_type,
            disabled=disabled,
            domain=domain,
            enterprise_project_id="" if enterprise_project_id == "all_granted_eps" else enterprise_project_id,
        )

        def look(tx: Tx) -> schemas.UserList:
            count, found = self._tenancy.users.page(tx, call.project_id, wanted, offset=offset, limit=limit)
            return schemas.UserList(total_count=count, users=[_item(user, tx.now) for user in found])

        return await self._store.read(look)

    @operation(
        "ListUserDetail", "GET", "/v2/{project_id}/users/{user_id}",
        action="workspace:users:get", tag=TAG, errors=(NO_SUCH_USER,), answer={"user_detail": EXAMPLE_DETAIL},
    )  # fmt: skip
    async def show(self, call: CurrentCall, user_id: PathId) -> schemas.ShownUser:
        """Show a Workspace user."""

        def look(tx: Tx) -> schemas.UserDetail | None:
            user = self._tenancy.users.find(tx, call.project_id, user_id)
            return None if user is None else _detail(user, tx.now)

        found = await self._store.read(look)
        if found is None:
            raise _unknown(user_id)
        return schemas.ShownUser(user_detail=found)

    @operation(
        "UpdateUserInfo", "PUT", "/v2/{project_id}/users/{user_id}",
        action="workspace:users:update", access=Access.WRITE, tag=TAG, errors=(NO_SUCH_USER,),
        example={"description": "Second shift"}, answer={"id": "a96e632a399d452eb29e5091e0af806a"},
    )  # fmt: skip
    async def update(self, call: CurrentCall, user_id: PathId, body: schemas.EditUser) -> schemas.UserId:
        """Change a Workspace user."""
        changes = body.model_dump(exclude_none=True)
        if body.account_expires is not None:
            changes["account_expires"] = schemas.expiry_ms(body.account_expires)
        users = self._tenancy.users
        found = await self._store.write(lambda tx: users.change(tx, call.project_id, user_id, changes))
        if found is None:
            raise _unknown(user_id)
        return schemas.UserId(id=user_id)

    @operation(
        "DeleteUser", "DELETE", "/v2/{project_id}/users/{user_id}",
        action="workspace:users:delete", access=Access.WRITE, success=204, tag=TAG, errors=(NO_SUCH_USER,),
    )  # fmt: skip
    async def delete(self, call: CurrentCall, user_id: PathId) -> None:
        """Delete a Workspace user."""
        users = self._tenancy.users
        if not await self._store.write(lambda tx: users.remove(tx, call.project_id, user_id)):
            raise _unknown(user_id)


def _unknown(user_id: str) -> ServiceError:
    problem = Problem("user_id", user_id, "exists", "There is no such user in this project.")
    return NO_SUCH_USER.error(f"The user '{user_id}' does not exist.", details=[problem])


def _new_user(body: schemas.CreateUser) -> NewUser:
    return NewUser(
        user_name=body.user_name,
        password=body.password,
        user_email=body.user_email or "",
        user_phone=body.user_phone or "",
        description=body.description or "",
        alias_name=body.alias_name or "",
        domain=body.domain or "",
        active_type=body.active_type,
        account_expires=schemas.expiry_ms(body.account_expires or "0"),
        enable_change_password=body.enable_change_password,
        next_login_change_password=body.next_login_change_password,
        enterprise_project_id=body.enterprise_project_id or "0",
        user_info_map=body.user_info_map or "",
    )


def _facts(user: WorkspaceUser) -> dict[str, Any]:
    names = (
        "id", "user_name", "user_email", "user_phone", "description", "active_type", "enable_change_password",
        "next_login_change_password", "password_never_expired", "disabled",
    )  # fmt: skip
    return {name: getattr(user, name) for name in names}


def _is_expired(user: WorkspaceUser, now: int) -> bool:
    return 0 < user.account_expires <= now


def _detail(user: WorkspaceUser, now: int) -> schemas.UserDetail:
    return schemas.UserDetail(
        **_facts(user),
        sam_account_name=user.user_name,
        full_name=user.alias_name or user.user_name,
        when_created=wire_time(user.created_at) or "",
        account_expires=user.account_expires,
        user_expired=_is_expired(user, now),
    )


def _item(user: WorkspaceUser, now: int) -> schemas.UserItem:
    return schemas.UserItem(
        **_facts(user),
        account_expires=(wire_time(user.account_expires) or "0") if user.account_expires else "0",
        account_expired=_is_expired(user, now),
        enterprise_project_id=user.enterprise_project_id,
        user_info_map=user.user_info_map,
        domain=user.domain,
    )
