"""App-group operations and authorisations (contract: operations, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from goldsmith import errors
from goldsmith.app_groups import schemas
from goldsmith.app_groups.rules import AppGroupRules
from goldsmith.app_groups.service import AppGroups, Filter
from goldsmith.app_servers.owners import Finder
from goldsmith.errors import Problem
from goldsmith.http.operations import Access, Call, Resource, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import Sight, loosely, text, texts
from goldsmith.http.wire import Empty, Limit, Offset, PathId, wire_time
from goldsmith.store import Row, Store, Tx
from goldsmith.tenancy.service import Tenancy

TAG = "app groups"
KIND = "appGroup"
KEYS = ("g:EnterpriseProjectId",)
EXAMPLE_GROUP = {
    "id": "627991243116249088", "name": "test_instance_2", "tenant_id": "a4da8115c9d8464ead3a38309130523f",
    "app_server_group_id": "898dda82-4d61-4c3d-bff2-679e61cd34f3", "app_server_group_name": "test_instance_2",
    "description": "", "create_at": "2023-10-28T05:05:33.826Z", "authorization_type": "APP_GROUP",
    "app_type": "SESSION_DESKTOP_APP", "app_count": 0,
}  # fmt: skip
EXAMPLE_GRANT = {
    "accounts": [{"account": "administrator", "account_type": "USER"}], "app_group_ids": ["627991243116249088"]
}  # fmt: skip
EXAMPLE_AUTHORIZATION = {
    "account_id": "a96e632a399d452eb29e5091e0af806a", "account": "user001", "account_type": "USER", "domain": "",
    "app_group_id": "627991243116249088", "app_group_name": "test_instance_2", "app_id": "", "app_name": "",
    "authorization_type": "APP_GROUP", "platform_type": "LOCAL", "create_at": "2023-10-28T05:05:33.826Z",
}  # fmt: skip

Text = Annotated[str, Query(max_length=128)]


class AppGroupsApi:
    """HTTP side of app groups."""

    def __init__(
        self, store: Store, app_groups: AppGroups, rules: AppGroupRules, server_groups: Finder, tenancy: Tenancy
    ) -> None:
        self._store, self._app_groups, self._rules = store, app_groups, rules
        self._server_groups, self._tenancy = server_groups, tenancy

    async def touched(self, call: Call, body: bytes) -> Touched:
        """The groups that path or body name, in the enterprise projects of their server groups."""
        sent = loosely(body)
        if "app_group_id" in call.path:
            ids = [call.path["app_group_id"]]
        else:
            ids = texts(sent.get("app_group_ids")) or texts(sent.get("ids"))
        target = text(sent.get("app_server_group_id"))

        def look(tx: Tx) -> list[Resource]:
            rows = [(each, self._app_groups.find(tx, call.project_id, each)) for each in ids]
            found = [self._resource(tx, row) if row is not None else Resource(KIND, each) for each, row in rows]
            group = self._server_groups.find(tx, call.project_id, target) if target else None
            return found + [Resource(KIND, each, group["enterprise_project_id"]) for each in ids if group is not None]

        return Touched(await self._store.read(look) if ids else [Resource(KIND)])

    def _resource(self, tx: Tx, row: Row) -> Resource:
        """A group is in the enterprise project of the server group it is bound to."""
        bound = self._server_groups.find(tx, row["project_id"], row["app_server_group_id"])
        return Resource(KIND, row["id"], bound["enterprise_project_id"] if bound is not None else None)

    def _sight(self, tx: Tx, call: Call) -> Sight | None:
        sees = call.sees
        return None if sees is None else lambda rows: sees(self._resource(tx, row) for row in rows)

    @operation(
        "ListAppGroup", "GET", "/v1/{project_id}/app-groups", action="workspace:appGroup:list", access=Access.LIST,
        resource_type=KIND, condition_keys=KEYS, tag=TAG, answer={"count": 1, "items": [EXAMPLE_GROUP]},
    )  # fmt: skip
    async def list(
        self,
        call: CurrentCall,
        limit: Limit = 10,
        offset: Offset = 0,
        app_server_group_id: Text = "",
        app_group_id: Text = "",
        name: Annotated[str, Query(max_length=1024, description="Part of the name.")] = "",
        authorization_type: Annotated[str, Query(pattern=r"^(APP|APP_GROUP)?$")] = "",
        app_type: Annotated[str, Query(pattern=r"^(SESSION_DESKTOP_APP|COMMON_APP)?$")] = "",
    ) -> schemas.AppGroupPage:
        """List app groups, newest first."""
        wanted = Filter(app_server_group_id, app_group_id, name, authorization_type, app_type)

        def look(tx: Tx) -> schemas.AppGroupPage:
            sees = self._sight(tx, call)
            count, rows = self._app_groups.list_page(tx, call.project_id, wanted, offset=offset, limit=limit, sees=sees)
            return schemas.AppGroupPage(count=count, items=[self._shown(tx, row) for row in rows])

        return await self._store.read(look)

    @operation(
        "ShowAppGroupDetail", "GET", "/v1/{project_id}/app-groups/{app_group_id}", action="workspace:appGroup:get",
        resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.NOT_FOUND,), tag=TAG,
        answer={**EXAMPLE_GROUP, "app_server_group_description": ""},
    )  # fmt: skip
    async def show(self, call: CurrentCall, app_group_id: PathId) -> schemas.AppGroupDetail:
        """Show an app group."""

        def look(tx: Tx) -> schemas.AppGroupDetail:
            row = self._app_groups.require(tx, call.project_id, app_group_id)
            server_group = self._server_groups.find(tx, call.project_id, row["app_server_group_id"])
            said = server_group["description"] if server_group is not None else ""
            return schemas.AppGroupDetail(**self._shown(tx, row).model_dump(), app_server_group_description=said)

        return await self._store.read(look)

    @operation(
        "UpdateAppGroup", "PATCH", "/v1/{project_id}/app-groups/{app_group_id}", action="workspace:appGroup:update",
        access=Access.WRITE, resource_type=KIND, condition_keys=KEYS, touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT), tag=TAG,
        example={"name": "test_instance_2", "description": ""}, answer=EXAMPLE_GROUP,
    )  # fmt: skip
    async def update(self, call: CurrentCall, app_group_id: PathId, body: schemas.UpdateAppGroup) -> schemas.AppGroup:
        """Change name or description, or bind a group that is bound to no server group."""

        def work(tx: Tx) -> schemas.AppGroup:
            row = self._rules.update(
                tx, call.project_id, app_group_id, name=body.name, description=body.description,
                server_group_id=body.app_server_group_id,
            )  # fmt: skip
            return self._shown(tx, row)

        return await self._store.write(work)

    @operation(
        "DeleteAppGroup", "DELETE", "/v1/{project_id}/app-groups/{app_group_id}", action="workspace:appGroup:delete",
        access=Access.WRITE, resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.CONFLICT,),
        tag=TAG,
    )  # fmt: skip
    async def delete(self, call: CurrentCall, app_group_id: PathId) -> Empty:
        """Delete an app group with its authorisations; an unknown id is not an error."""
        await self._store.write(
            lambda tx: self._rules.delete(tx, call.project_id, [app_group_id], field="app_group_id")
        )
        return Empty()

    @operation(
        "BatchDeleteAppGroup", "POST", "/v1/{project_id}/app-groups/batch-delete",
        action="workspace:appGroup:batchDelete", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), tag=TAG, example={"ids": ["627991243116249088"]},
    )  # fmt: skip
    async def batch_delete(self, call: CurrentCall, body: schemas.AppGroupIds) -> Empty:
        """Delete app groups with their authorisations; unknown ids are ignored."""
        await self._store.write(lambda tx: self._rules.delete(tx, call.project_id, body.ids, field="ids"))
        return Empty()

    @operation(
        "ListAppGroupAuthorization", "GET", "/v1/{project_id}/app-groups/actions/list-authorizations",
        action="workspace:appGroup:listAuthorizations", access=Access.LIST, resource_type=KIND, condition_keys=KEYS,
        tag=TAG,
        answer={"count": 1, "authorizations": [EXAMPLE_AUTHORIZATION]},
    )  # fmt: skip
    async def list_authorizations(
        self,
        call: CurrentCall,
        limit: Limit = 10,
        offset: Offset = 0,
        app_group_id: Text = "",
        account_id: Text = "",
        account: Text = "",
        account_type: Annotated[str, Query(pattern=r"^(USER|USER_GROUP)?$")] = "",
    ) -> schemas.Authorizations:
        """List who may use which app group, newest first."""

        def look(tx: Tx) -> schemas.Authorizations:
            wanted = account or None
            if account_id:
                user = self._tenancy.users.find(tx, call.project_id, account_id)
                if user is None or (wanted is not None and wanted.lower() != user.user_name.lower()):
                    return schemas.Authorizations(count=0, authorizations=[])
                wanted = user.user_name
            count, rows = self._app_groups.list_authorizations(
                tx, call.project_id, group_id=app_group_id, account=wanted, account_type=account_type,
                offset=offset, limit=limit, sees=self._sight(tx, call),
            )  # fmt: skip
            found = [self._authorization(tx, call.project_id, row) for row in rows]
            return schemas.Authorizations(count=count, authorizations=found)

        return await self._store.read(look)

    @operation(
        "AddAppGroupAuthorization", "POST", "/v1/{project_id}/app-groups/authorizations",
        action="workspace:appGroup:addAuthorization", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched", tag=TAG,
        check_world="check_grant", example=EXAMPLE_GRANT,
    )  # fmt: skip
    async def authorize(self, call: CurrentCall, body: schemas.Authorize) -> Empty:
        """Let accounts use app groups."""
        await self._store.write(lambda tx: self._rules.grant(tx, call.project_id, body.accounts, body.app_group_ids))
        return Empty()

    async def check_grant(self, call: Call, body: schemas.Authorize) -> Sequence[Problem]:
        """What else is wrong with a request; fields of the wrong shape are None."""
        return await self._store.read(
            lambda tx: self._rules.problems_of_grant(tx, call.project_id, body.accounts, body.app_group_ids)
        )

    @operation(
        "BatchDeleteAppGroupAuthorization", "POST", "/v1/{project_id}/app-groups/actions/batch-delete-authorization",
        action="workspace:appGroup:batchDeleteAuthorization", access=Access.WRITE, resource_type=KIND,
        condition_keys=KEYS, touches="touched", tag=TAG,
        example=EXAMPLE_GRANT,
    )  # fmt: skip
    async def revoke(self, call: CurrentCall, body: schemas.Authorize) -> Empty:
        """Take authorisations back; those that do not exist are ignored."""
        await self._store.write(lambda tx: self._rules.revoke(tx, call.project_id, body.accounts, body.app_group_ids))
        return Empty()

    def _shown(self, tx: Tx, row: Row) -> schemas.AppGroup:
        server_group = self._server_groups.find(tx, row["project_id"], row["app_server_group_id"])
        return schemas.AppGroup(
            id=row["id"], name=row["name"], tenant_id=row["project_id"],
            app_server_group_id=row["app_server_group_id"],
            app_server_group_name=server_group["name"] if server_group is not None else "",
            description=row["description"], create_at=wire_time(row["create_time"]) or "",
            authorization_type=row["authorization_type"], app_type=row["app_type"],
        )  # fmt: skip

    def _authorization(self, tx: Tx, project_id: str, row: Row) -> schemas.Authorization:
        user = self._tenancy.find_user(tx, project_id, row["account"])
        return schemas.Authorization(
            account_id=user.id if user is not None else "", account=row["account"], account_type=row["account_type"],
            domain=row["domain"], app_group_id=row["app_group_id"], app_group_name=row["app_group_name"],
            authorization_type=row["authorization_type"], create_at=wire_time(row["create_time"]) or "",
            platform_type="AD" if row["domain"] and self._tenancy.has_directory else "LOCAL",
        )  # fmt: skip
