"""Server-group operations (contract: operations, section 9); those on tags stand in `tags_api.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from goldsmith import errors
from goldsmith.app_servers.machines import Machines, server_status
from goldsmith.app_servers.service import AppServers
from goldsmith.http.operations import Access, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import sight
from goldsmith.http.wire import Empty, Limit, Offset, PathId
from goldsmith.server_groups import schemas
from goldsmith.server_groups.rules import ServerGroupRules
from goldsmith.server_groups.service import Filter, ServerGroups
from goldsmith.server_groups.touching import KEYS, KIND, TouchesGroups, resource
from goldsmith.server_groups.views import Views
from goldsmith.store import Row, Store, Tx
from goldsmith.tenancy.service import Tenancy

TAG = "app server groups"
FAMILY = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00169901")
MAX_SESSIONS = 1024
"""Most sessions a route policy may allow (contract: operations, section 0)."""
EXAMPLE_BRIEF = {
    "id": "898dda82-4d61-4c3d-bff2-679e61cd34f3", "name": "test_instance_2", "description": "",
    "app_type": "SESSION_DESKTOP_APP", "image_id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "os_type": "Linux",
    "product_id": "workspace.x86.performance.xlarge4", "subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
    "system_disk_type": "SATA", "system_disk_size": 60, "is_vdi": True, "extra_session_size": 0,
    "site_type": "CENTER", "storage_mount_policy": "ANY", "server_group_status": True,
    "primary_server_group_ids": [], "secondary_server_group_ids": [], "app_group_count": 1,
    "enterprise_project_id": "0", "create_time": "2023-10-28T04:58:34.058Z", "update_time": "2023-10-28T04:58:34.058Z",
}  # fmt: skip
EXAMPLE_GROUP = {
    **EXAMPLE_BRIEF, "image_name": "Debian 12 application server", "subnet_name": "subnet-default", "ou_name": "",
    "app_server_count": 1, "app_server_flavor_count": 1, "scaling_policy": {"enable": False}, "tags": [],
}  # fmt: skip
EXAMPLE_DETAIL = {
    **EXAMPLE_GROUP, "flavors": [{"id": "local.xlarge.small", "links": []}], "image_min_disk": 10,
    "image_type": "gold", "image_product_id": "OFFI874943784560095232", "route_policy": {},
    "ip_virtual": {"enable": False},
}  # fmt: skip

Text = Annotated[str, Query(max_length=128)]
Part = Annotated[str, Query(max_length=1024, description="Part of the name.")]
TagFilter = Annotated[str, Query(max_length=4096, description="Tags that must all be there: key=value,key=value.")]
AppType = Annotated[str, Query(pattern=r"^(SESSION_DESKTOP_APP|COMMON_APP)?$")]
Enterprise = Annotated[str | None, Query(max_length=128)]
Flag = Literal["true", "false"] | None


class ServerGroupsApi(TouchesGroups):
    """HTTP side of server groups."""

    def __init__(
        self, store: Store, server_groups: ServerGroups, rules: ServerGroupRules, views: Views,
        app_servers: AppServers, machines: Machines, tenancy: Tenancy,
    ) -> None:  # fmt: skip
        self._store, self._groups, self._rules, self._views = store, server_groups, rules, views
        self._app_servers, self._machines, self._tenancy = app_servers, machines, tenancy

    @operation(
        "ListServerGroups", "GET", "/v1/{project_id}/app-server-groups", action="workspace:serverGroup:list",
        access=Access.LIST, resource_type=KIND, condition_keys=KEYS, codes=FAMILY, tag=TAG,
        answer={"count": 1, "items": [EXAMPLE_GROUP]},
    )  # fmt: skip
    async def list(
        self,
        call: CurrentCall,
        offset: Offset = 0,
        limit: Limit = 10,
        server_group_name: Part = "",
        server_group_id: Text = "",
        app_type: AppType = "",
        tags: TagFilter = "",
        enterprise_project_id: Enterprise = None,
        is_secondary_server_group: Flag = None,
    ) -> schemas.ServerGroupPage:
        """List server groups, newest first."""
        wanted = Filter(
            server_group_name, server_group_id, app_type, _pairs(tags), enterprise_project_id,
            is_secondary_server_group == "true",
        )  # fmt: skip

        sees = sight(call, resource)

        def look(tx: Tx) -> schemas.ServerGroupPage:
            count, rows = self._groups.list_page(tx, call.project_id, wanted, offset=offset, limit=limit, sees=sees)
            return schemas.ServerGroupPage(count=count, items=[self._views.full(tx, row) for row in rows])

        return await self._store.read(look)

    @operation(
        "ListTenantServerGroups", "GET", "/v1/{project_id}/app-server-groups/actions/list",
        action="workspace:serverGroup:list", access=Access.LIST, resource_type=KIND, condition_keys=KEYS, codes=FAMILY,
        tag=TAG,
        answer={"count": 1, "items": [EXAMPLE_BRIEF]},
    )  # fmt: skip
    async def list_brief(
        self,
        call: CurrentCall,
        offset: Offset = 0,
        limit: Limit = 10,
        sever_group_name: Part = "",
        server_group_id: Text = "",
        app_type: AppType = "",
        tags: TagFilter = "",
        enterprise_project_id: Enterprise = None,
        is_secondary_server_group: Flag = None,
    ) -> schemas.ServerGroupBriefPage:
        """List server groups, newest first, with less of each (the filter for the name is spelt so)."""
        wanted = Filter(
            sever_group_name, server_group_id, app_type, _pairs(tags), enterprise_project_id,
            is_secondary_server_group == "true",
        )  # fmt: skip

        sees = sight(call, resource)

        def look(tx: Tx) -> schemas.ServerGroupBriefPage:
            count, rows = self._groups.list_page(tx, call.project_id, wanted, offset=offset, limit=limit, sees=sees)
            return schemas.ServerGroupBriefPage(count=count, items=[self._views.brief(tx, row) for row in rows])

        return await self._store.read(look)

    @operation(
        "ShowServerGroup", "GET", "/v1/{project_id}/app-server-groups/{server_group_id}",
        action="workspace:serverGroup:get", resource_type=KIND, condition_keys=KEYS, touches="touched",
        errors=(errors.NOT_FOUND,), codes=FAMILY,
        tag=TAG,
        answer=EXAMPLE_DETAIL,
    )  # fmt: skip
    async def show(self, call: CurrentCall, server_group_id: PathId) -> schemas.ServerGroupDetail:
        """Show a server group."""
        return await self._store.read(
            lambda tx: self._views.detail(tx, self._groups.require(tx, call.project_id, server_group_id))
        )

    @operation(
        "UpdateServerGroup", "PATCH", "/v1/{project_id}/app-server-groups/{server_group_id}",
        action="workspace:serverGroup:update", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT), codes=FAMILY, tag=TAG,
        example={"name": "test_instance_2", "description": ""},
    )  # fmt: skip
    async def update(self, call: CurrentCall, server_group_id: PathId, body: schemas.UpdateServerGroup) -> Empty:
        """Change name, description or route policy."""

        def work(tx: Tx) -> None:
            tx.lock(f"groups {call.project_id}")
            row = self._groups.require(tx, call.project_id, server_group_id)
            self._rules.update(tx, row, self._views.detail(tx, row), body)

        await self._store.write(work)
        return Empty()

    @operation(
        "DeleteServerGroups", "DELETE", "/v1/{project_id}/app-server-groups/{server_group_id}",
        action="workspace:serverGroup:delete", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), codes=FAMILY, tag=TAG,
    )  # fmt: skip
    async def delete(self, call: CurrentCall, server_group_id: PathId) -> Empty:
        """Delete a server group that has no servers; an unknown id is not an error."""
        await self._store.write(lambda tx: self._rules.delete(tx, call.project_id, server_group_id))
        return Empty()

    @operation(
        "ShowServerGroupState", "GET", "/v1/{project_id}/app-server-groups/{server_group_id}/state",
        action="workspace:serverGroup:getState", resource_type=KIND, condition_keys=KEYS, touches="touched",
        errors=(errors.NOT_FOUND,),
        codes=FAMILY, tag=TAG, answer={"aps_status": {"REGISTERED": 1}},
    )  # fmt: skip
    async def state(self, call: CurrentCall, server_group_id: PathId) -> schemas.GroupState:
        """Count the servers of a group by status."""

        def look(tx: Tx) -> Sequence[Row]:
            self._groups.require(tx, call.project_id, server_group_id)
            return self._app_servers.of_group(tx, server_group_id)

        rows = await self._store.read(look)
        states = await self._machines.states(rows)
        counted = Counter(server_status(row, states[row["id"]]).value for row in rows)
        return schemas.GroupState(aps_status=dict(counted))

    @operation(
        "ShowServerGroupRestrict", "GET", "/v1/{project_id}/app-server-groups/resources/restrict",
        action="workspace:serverGroup:getRestrict", resource_type=KIND, touches="touched", codes=FAMILY, tag=TAG,
        answer={"max_session": MAX_SESSIONS, "max_group_count": 100},
    )  # fmt: skip
    async def restrictions(self, call: CurrentCall) -> schemas.Restrictions:
        """Show how many sessions a server, and how many groups the project can have.

        A group comes into being with a machine, so there can be as many more as the quota has machines left.
        """

        def look(tx: Tx) -> int:
            left = self._tenancy.quota_remainders(tx, call.project_id)["INSTANCES"]
            return self._groups.count(tx, call.project_id) + left

        return schemas.Restrictions(max_session=MAX_SESSIONS, max_group_count=await self._store.read(look))

    @operation(
        "ValidateServerGroup", "POST", "/v1/{project_id}/app-server-groups/rules/validate",
        action="workspace:serverGroup:validate", resource_type=KIND, touches="touched", codes=FAMILY, tag=TAG,
        example={"name": "test_instance_2"}, answer={"result": False, "validate_rule": "duplicate"},
    )  # fmt: skip
    async def validate(self, call: CurrentCall, body: schemas.GroupName) -> schemas.NameVerdict:
        """Check whether a name can be used for a server group."""
        broken = await self._store.read(lambda tx: self._rules.broken_name_rule(tx, call.project_id, body.name))
        return schemas.NameVerdict(result=not broken, validate_rule=broken or None)


def _pairs(text: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for part in filter(None, text.split(",")):
        key, is_pair, value = part.partition("=")
        found.append((key, value if is_pair else None))
    return found
