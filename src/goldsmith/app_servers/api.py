"""App-server operations (contract: operations, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from goldsmith import errors
from goldsmith.app_servers import schemas
from goldsmith.app_servers.machines import Machines
from goldsmith.app_servers.service import AppServers, Filter
from goldsmith.app_servers.tasks import AppServerTasks, Power
from goldsmith.app_servers.views import Surroundings, Views, brief, detail
from goldsmith.clouds.port import StopMode
from goldsmith.http.operations import Access, Call, Resource, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import kept_tags, loosely, sight, texts
from goldsmith.http.wire import Empty, JobId, Limit, Offset, PathId
from goldsmith.jobs.service import Origin
from goldsmith.store import Row, Store, Tx

TAG = "app servers"
KIND = "server"
KEYS = ("g:EnterpriseProjectId", "g:ResourceTag/<key>")
JOB = {"job_id": "697612196825268224"}
IDS = {"items": ["wksapp-08722b58-6900-4c03-bfc0-99e1a056b8ad"]}
EXAMPLE_SERVER = {
    "id": "wksapp-08722b58-6900-4c03-bfc0-99e1a056b8ad", "name": "test_instance_2", "machine_name": "test-instance-2",
    "description": "", "server_group_id": "898dda82-4d61-4c3d-bff2-679e61cd34f3",
    "server_group_name": "test_instance_2", "flavor": {"id": "local.xlarge.small", "links": []},
    "status": "REGISTERED", "vm_status": "ACTIVE", "task_status": "null", "create_time": "2023-10-28T05:05:33.826Z",
    "update_time": "2023-10-28T05:05:33.826Z", "image_id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",
    "availability_zone": "local-1a", "domain": "", "ou_name": "", "sid": "",
    "instance_id": "989e6391-43b5-49a7-a684-6c36e7ad714a", "os_type": "Linux", "order_id": "",
    "maintain_status": False, "scaling_auto_create": False, "host_id": "local-1a-host-1",
    "metadata": {"charging_mode": "0", "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175"}, "session_count": 0,
    "freeze": [], "enterprise_project_id": "0", "tags": [],
    "host_address": [
        {"addr": "192.168.0.2", "version": 4, "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01",
         "OS-EXT-IPS:port_id": "0b61e8c5-6d2f-4c55-8b47-bb0f9d5a3fd1", "OS-EXT-IPS:type": "fixed",
         "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175", "subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
         "tenant_type": "tenant"},
    ],
}  # fmt: skip
EXAMPLE_DETAIL = {
    **EXAMPLE_SERVER, "root_volume": {"type": "SATA", "size": 60, "encrypt_flag": "0"}, "data_volumes": [],
    "security_groups": [], "addresses": {},
}  # fmt: skip

Text = Annotated[str, Query(max_length=128)]
Part = Annotated[str, Query(max_length=1024, description="Part of the name.")]
Flag = Literal["true", "false"] | None


class AppServersApi:
    """HTTP side of app servers."""

    def __init__(
        self, store: Store, app_servers: AppServers, tasks: AppServerTasks, views: Views, machines: Machines
    ) -> None:
        self._store, self._app_servers, self._tasks = store, app_servers, tasks
        self._views, self._machines = views, machines

    async def touched(self, call: Call, body: bytes) -> Touched:
        """The servers that path or body name; of those this project does not have, the id alone."""
        ids = [call.path["server_id"]] if "server_id" in call.path else texts(loosely(body).get("items"))

        def look(tx: Tx) -> list[Resource]:
            rows = [(each, self._app_servers.find(tx, call.project_id, each)) for each in ids]
            return [_resource(row) if row is not None else Resource(KIND, each) for each, row in rows]

        return Touched(await self._store.read(look) if ids else [Resource(KIND)])

    @operation(
        "ListServers", "GET", "/v1/{project_id}/app-servers", action="workspace:server:list", access=Access.LIST,
        resource_type=KIND, condition_keys=KEYS, tag=TAG, answer={"count": 1, "items": [EXAMPLE_SERVER]},
    )  # fmt: skip
    async def list(
        self,
        call: CurrentCall,
        offset: Offset = 0,
        limit: Limit = 10,
        server_group_id: Text = "",
        server_name: Part = "",
        machine_name: Part = "",
        ip_addr: Annotated[str, Query(max_length=64)] = "",
        server_id: Text = "",
        maintain_status: Flag = None,
        scaling_auto_create: Flag = None,
    ) -> schemas.AppServerPage:
        """List app servers, newest first."""
        if scaling_auto_create == "true":
            return schemas.AppServerPage(count=0, items=[])
        is_maintained = None if maintain_status is None else maintain_status == "true"
        wanted = Filter(server_group_id, server_name, machine_name, ip_addr, server_id, is_maintained)

        sees = sight(call, _resource)

        def look(tx: Tx) -> tuple[int, Sequence[Row], list[Surroundings]]:
            count, rows = self._app_servers.list_page(
                tx, call.project_id, wanted, offset=offset, limit=limit, sees=sees
            )
            return count, rows, [self._views.surroundings(tx, row) for row in rows]

        count, rows, around = await self._store.read(look)
        states = await self._machines.states(rows)
        items = [brief(row, each, states[row["id"]]) for row, each in zip(rows, around, strict=True)]
        return schemas.AppServerPage(count=count, items=items)

    @operation(
        "ShowServer", "GET", "/v1/{project_id}/app-servers/{server_id}", action="workspace:server:get",
        resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.NOT_FOUND,), tag=TAG,
        answer=EXAMPLE_DETAIL,
    )  # fmt: skip
    async def show(self, call: CurrentCall, server_id: PathId) -> schemas.AppServerDetail:
        """Show an app server."""

        def look(tx: Tx) -> tuple[Row, Surroundings]:
            row = self._app_servers.require(tx, call.project_id, server_id)
            return row, self._views.surroundings(tx, row)

        row, around = await self._store.read(look)
        return detail(row, around, (await self._machines.states([row]))[server_id])

    @operation(
        "UpdateServer", "PATCH", "/v1/{project_id}/app-servers/{server_id}", action="workspace:server:update",
        access=Access.WRITE, resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.NOT_FOUND,),
        tag=TAG,
        example={"name": "test_instance_2", "description": "", "maintain_status": True},
    )  # fmt: skip
    async def update(self, call: CurrentCall, server_id: PathId, body: schemas.UpdateServer) -> Empty:
        """Change name, description or whether the server is under maintenance."""
        await self._store.write(
            lambda tx: self._app_servers.update(
                tx, call.project_id, server_id, name=body.name, description=body.description,
                is_maintained=body.maintain_status,
            )
        )  # fmt: skip
        return Empty()

    @operation(
        "DeleteServer", "DELETE", "/v1/{project_id}/app-servers/{server_id}", action="workspace:server:delete",
        access=Access.WRITE, resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.CONFLICT,),
        tag=TAG, answer=JOB,
    )  # fmt: skip
    async def delete(self, call: CurrentCall, server_id: PathId) -> JobId:
        """Delete an app server and its machine; with an unknown id the job has nothing to do."""
        return await self._delete(call, [server_id], "server_id")

    @operation(
        "BatchDeleteServer", "POST", "/v1/{project_id}/app-servers/actions/batch-delete",
        action="workspace:server:batchDelete", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), tag=TAG, example=IDS, answer=JOB,
    )  # fmt: skip
    async def batch_delete(self, call: CurrentCall, body: schemas.Servers) -> JobId:
        """Delete app servers and their machines; unknown ids are ignored."""
        return await self._delete(call, body.items, "items")

    async def _delete(self, call: Call, server_ids: Sequence[str], field: str) -> JobId:
        caller = call.caller
        origin = Origin(call.project_id, caller.domain_id, caller.user_id, call.service_transaction_id, call.linked_id)
        job_id = await self._store.write(lambda tx: self._tasks.delete(tx, origin, server_ids, field=field))
        return JobId(job_id=job_id)

    @operation(
        "BatchStartServer", "PATCH", "/v1/{project_id}/app-servers/actions/batch-start",
        action="workspace:server:batchStart", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), tag=TAG, example=IDS,
    )  # fmt: skip
    async def start(self, call: CurrentCall, body: schemas.Servers) -> Empty:
        """Start the machines of app servers."""
        return await self._switch(call, body.items, Power.START, StopMode.SOFT)

    @operation(
        "BatchStopServer", "PATCH", "/v1/{project_id}/app-servers/actions/batch-stop",
        action="workspace:server:batchStop", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), tag=TAG, example={**IDS, "type": "SOFT"},
    )  # fmt: skip
    async def stop(self, call: CurrentCall, body: schemas.HaltServers) -> Empty:
        """Stop the machines of app servers."""
        return await self._switch(call, body.items, Power.STOP, StopMode(body.type))

    @operation(
        "BatchRebootServer", "PATCH", "/v1/{project_id}/app-servers/actions/batch-reboot",
        action="workspace:server:batchReboot", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched",
        errors=(errors.CONFLICT,), tag=TAG, example={**IDS, "type": "SOFT"},
    )  # fmt: skip
    async def reboot(self, call: CurrentCall, body: schemas.HaltServers) -> Empty:
        """Reboot the machines of app servers."""
        return await self._switch(call, body.items, Power.REBOOT, StopMode(body.type))

    async def _switch(self, call: Call, server_ids: Sequence[str], power: Power, mode: StopMode) -> Empty:
        await self._store.write(lambda tx: self._tasks.switch(tx, call.project_id, server_ids, power, mode))
        return Empty()


def _resource(row: Row) -> Resource:
    return Resource(KIND, row["id"], row["enterprise_project_id"], kept_tags(row["tags"]))
