"""Users of the account: Keystone's operations, and the administrator's which know more."""

from __future__ import annotations

from typing import Annotated, Any

from starlette.requests import Request

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import PathId
from goldsmith.iam import examples
from goldsmith.iam import user_schemas as schemas
from goldsmith.iam.service import Caller, CredentialKind, Iam
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.touching import TouchesNamed
from goldsmith.iam.users import HasRunningJobs, NewUser, Users, Wanted

TAG = "IAM users"
Filter = Annotated[str | None, Query(max_length=255)]
COLUMNS = {"pwd_status": "must_change_password"}
"""Names on the wire that are called otherwise in the table."""


class IamUsersApi(TouchesNamed):
    """HTTP side of users. `has_running_jobs` tells whether a user may be deleted now."""

    def __init__(self, iam: Iam, has_running_jobs: HasRunningJobs = lambda _tx, _user: False) -> None:
        self._users = Users(iam, has_running_jobs)

    @operation(
        "CreateUser", "POST", "/v3.0/OS-USER/users", surface=EXTENSION, codes=CODES, tag=TAG, success=201,
        action="iam:users:createUser", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(errors.CONFLICT, errors.TOO_MANY_REQUESTS),
        example={"user": {"name": "ann", "domain_id": "d78cbac186b744899480f25bd02f468", "password": "…"}},
        answer=examples.USER,
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: schemas.NewUserRequest) -> schemas.UserAnswer:
        """Add a user to the account."""
        wanted = body.user
        require_own_account(call.caller, "user.domain_id", wanted.domain_id)
        row = await self._users.add(
            call.caller,
            NewUser(
                wanted.name, wanted.password, wanted.enabled, wanted.description, wanted.pwd_status,
                wanted.access_mode or "default", wanted.email or "", wanted.areacode or "", wanted.phone or "",
            ),
        )  # fmt: skip
        return schemas.UserAnswer(user=schemas.full_user(row, call.base_url))

    @operation(
        "ShowUser", "GET", "/v3.0/OS-USER/users/{user_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:users:getUser", access=Access.READ, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.USER,
    )  # fmt: skip
    async def show(self, call: CurrentCall, user_id: PathId) -> schemas.UserAnswer:
        """Show everything known of a user."""
        return schemas.UserAnswer(user=schemas.full_user(await self._users.find(call.caller, user_id), call.base_url))

    @operation(
        "UpdateUser", "PUT", "/v3.0/OS-USER/users/{user_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:users:updateUser", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT, errors.TOO_MANY_REQUESTS), example={"user": {"enabled": False}},
        answer=examples.USER,
    )  # fmt: skip
    async def update(self, call: CurrentCall, user_id: PathId, body: schemas.UserChangesRequest) -> schemas.UserAnswer:
        """Change, disable or enable a user, or give it a new password."""
        row = await self._users.change(call.caller, user_id, _changes(body.user.model_dump(exclude_none=True)))
        return schemas.UserAnswer(user=schemas.full_user(row, call.base_url))

    @operation(
        "KeystoneCreateUser", "POST", "/v3/users", surface=Surface.IAM, tag=TAG, success=201,
        action="iam:users:createUser", access=Access.WRITE, resource_type="user", touches="touched", exclude_none=False,
        errors=(errors.CONFLICT, errors.TOO_MANY_REQUESTS), example={"user": {"name": "ann", "password": "…"}},
        answer=examples.KEYSTONE_USER,
    )  # fmt: skip
    async def create_keystone_user(
        self, call: CurrentCall, body: schemas.NewKeystoneUserRequest
    ) -> schemas.KeystoneUserAnswer:
        """Add a user to the account, as Keystone does."""
        wanted = body.user
        require_own_account(call.caller, "user.domain_id", wanted.domain_id)
        new = NewUser(wanted.name, wanted.password, wanted.enabled, wanted.description)
        row = await self._users.add(call.caller, new)
        return schemas.KeystoneUserAnswer(user=schemas.keystone_user(row, call.base_url))

    @operation(
        "KeystoneListUsers", "GET", "/v3/users", surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:users:listUsers", access=Access.LIST,
        answer=examples.KEYSTONE_USERS,
    )  # fmt: skip
    async def list_keystone_users(
        self,
        call: CurrentCall,
        request: Request,
        domain_id: Filter = None,
        name: Filter = None,
        enabled: bool | None = None,
        password_expires_at: Annotated[
            str | None, Query(max_length=64, description="Passwords do not expire: nothing matches.")
        ] = None,
    ) -> schemas.KeystoneUserList:
        """List the users of the account."""
        if domain_id not in {None, call.caller.domain_id} or password_expires_at:
            return schemas.keystone_users([], call.base_url, request.url.path)
        rows = await self._users.list(call.caller, Wanted(name, enabled))
        return schemas.keystone_users(list(rows), call.base_url, request.url.path)

    @operation(
        "KeystoneShowUser", "GET", "/v3/users/{user_id}", surface=Surface.IAM, tag=TAG, exclude_none=False,
        action="iam:users:getUser", access=Access.READ, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND,),
        answer=examples.KEYSTONE_USER,
    )  # fmt: skip
    async def show_keystone_user(self, call: CurrentCall, user_id: PathId) -> schemas.KeystoneUserAnswer:
        """Show a user."""
        row = await self._users.find(call.caller, user_id)
        return schemas.KeystoneUserAnswer(user=schemas.keystone_user(row, call.base_url))

    @operation(
        "KeystoneUpdateUserByAdmin", "PATCH", "/v3/users/{user_id}", surface=Surface.IAM, tag=TAG,
        action="iam:users:updateUser", access=Access.WRITE, resource_type="user", touches="touched", exclude_none=False,
        errors=(errors.NOT_FOUND, errors.CONFLICT, errors.TOO_MANY_REQUESTS), example={"user": {"enabled": False}},
        answer=examples.KEYSTONE_USER,
    )  # fmt: skip
    async def update_keystone_user(
        self, call: CurrentCall, user_id: PathId, body: schemas.KeystoneUserChangesRequest
    ) -> schemas.KeystoneUserAnswer:
        """Change, disable or enable a user, or give it a new password, as Keystone does."""
        require_own_account(call.caller, "user.domain_id", body.user.domain_id)
        changes = _changes(body.user.model_dump(exclude_none=True, exclude={"domain_id"}))
        row = await self._users.change(call.caller, user_id, changes)
        return schemas.KeystoneUserAnswer(user=schemas.keystone_user(row, call.base_url))

    @operation(
        "KeystoneDeleteUser", "DELETE", "/v3/users/{user_id}", surface=Surface.IAM, tag=TAG, success=204,
        action="iam:users:deleteUser", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT),
    )  # fmt: skip
    async def delete_keystone_user(self, call: CurrentCall, user_id: PathId) -> None:
        """Delete a user with its keys and grants; refused while jobs of it run."""
        await self._users.remove(call.caller, user_id)

    @operation(
        "KeystoneUpdateUserPassword", "POST", "/v3/users/{user_id}/password", surface=Surface.IAM, tag=TAG,
        success=204, access=Access.WRITE, errors=(errors.NOT_FOUND, errors.TOO_MANY_REQUESTS),
        example={"user": {"password": "…", "original_password": "…"}},
    )  # fmt: skip
    async def update_own_password(
        self, call: CurrentCall, user_id: PathId, body: schemas.PasswordChangeRequest
    ) -> None:
        """Change one's own password, which needs the old one and ends all tokens."""
        require_lasting(call.caller)
        if user_id != call.caller.user_id:
            raise errors.FORBIDDEN.error("This changes your own password only; others are changed by an administrator.")
        wanted = body.user
        await self._users.change_own_password(call.caller, wanted.original_password, wanted.password, call.source_ip)


def require_own_account(caller: Caller, field: str, domain_id: str | None) -> None:
    """Raise `errors.INVALID` for the id of an account that is not the caller's."""
    if domain_id not in {None, caller.domain_id}:
        message = "This is not your account; send your own account's id."
        raise errors.refusal([Problem(field, domain_id, "account", message)])


def require_lasting(caller: Caller) -> None:
    """Raise `errors.FORBIDDEN` for temporary keys, where policies are not asked: a narrowed one must stay narrow."""
    if caller.credential_kind is CredentialKind.TEMPORARY_KEY:
        raise errors.FORBIDDEN.error("Temporary access keys may not do this; use a token or a permanent key.")


def _changes(sent: dict[str, Any]) -> dict[str, Any]:
    return {COLUMNS.get(name, name): value for name, value in sent.items()}
