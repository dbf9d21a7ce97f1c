"""Image-server operations (contract: operations, section 2), and a look at the screen (extension)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from starlette.responses import Response

from goldsmith import errors
from goldsmith.clouds.port import Cloud, CloudError, DoesNotExist
from goldsmith.errors import Problem
from goldsmith.http.operations import Access, Call, Resource, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import loosely, sent_tags, text, texts
from goldsmith.http.wire import Empty, JobId, Limit, Offset, PathId, wire_time
from goldsmith.image_servers import schemas
from goldsmith.image_servers.preflight import Owner
from goldsmith.image_servers.service import DEFAULT_ENTERPRISE_PROJECT, ImageServers
from goldsmith.jobs.once import RequestKey, once
from goldsmith.jobs.service import Origin
from goldsmith.store import Row, Store

FAMILY = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00129901")
EXAMPLE: dict[str, Any] = {
    "name": "Image task 0508", "description": "Test image creation.", "availability_zone": "",
    "image_ref": {
        "id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "image_type": "gold",
        "spce_code": "90a6e84bb3e822fe54999b6be5bbae1e", "product_id": "OFFI874943784560095232",
    },
    "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175", "subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
    "product_id": "workspace.x86.performance.xlarge4", "attach_apps": [],
    "authorize_accounts": [
        {"account": "administrator", "account_type": "USER", "domain": "wksapp**.huawei.com"}
    ],
    "ou_name": None, "root_volume": {"type": "SATA", "size": 60}, "is_vdi": True,
}  # fmt: skip
EXAMPLE_SERVER = {
    "id": "627989489700044800", "name": "test_instance_2", "description": "",
    "image_ref": {**EXAMPLE["image_ref"]}, "server_group_id": "898dda82-4d61-4c3d-bff2-679e61cd34f3",
    "app_group_id": "627991243116249088", "server_id": "wksapp-08722b58-6900-4c03-bfc0-99e1a056b8ad",
    "instance_id": "989e6391-43b5-49a7-a684-6c36e7ad714a", "image_id": "", "status": "ACTIVE",
    "authorize_accounts": [{"account": "user001", "account_type": "USER"}],
    "create_time": "2023-10-28T04:58:34.058Z", "update_time": "2023-10-28T05:05:33.826Z",
    "enterprise_project_id": "0",
}  # fmt: skip
JOB = {"job_id": "697612196825268224"}
DryRun = Annotated[bool, Query(description="Extension: check everything, create nothing.")]

KeepOnFailure = Annotated[
    bool, Query(description="Extension: leave everything as it is when a step fails, to look at it or to retry.")
]


class ImageServersApi:
    """HTTP side of image servers."""

    def __init__(self, store: Store, image_servers: ImageServers, cloud: Cloud) -> None:
        self._store, self._image_servers, self._cloud = store, image_servers, cloud

    @operation(
        "CreateImageServer", "POST", "/v1/{project_id}/image-servers",
        action="workspace:imageServer:create", access=Access.WRITE, resource_type="imageServer", touches="touched",
        condition_keys=("g:EnterpriseProjectId", "g:RequestTag/<key>", "g:TagKeys"),
        dependencies=("ims:images:list", "vpc:ports:get", "vpc:subnets:get"),
        errors=(errors.CONFLICT,), example=EXAMPLE, answer=JOB, check_world="check_world", tag="image servers",
    )  # fmt: skip
    async def create(
        self,
        call: CurrentCall,
        body: schemas.CreateImageServer,
        dry_run: DryRun = False,
        keep_on_failure: KeepOnFailure = False,
    ) -> schemas.CreateAnswer:
        """Create an image server; the job that is answered carries it to the end."""
        if dry_run:
            problems = await self.check_world(call, body)
            if problems:
                raise errors.refusal(problems)
            return schemas.CreateAnswer(dry_run=True)
        key = _key(call, lambda: f"{body.model_dump_json()} {keep_on_failure}")
        job_id = await self._store.write(
            lambda tx: once(
                tx, key, lambda: self._image_servers.create(tx, _origin(call), body, keep_on_failure=keep_on_failure)
            )
        )  # fmt: skip
        return schemas.CreateAnswer(job_id=job_id)

    async def check_world(self, call: Call, body: schemas.CreateImageServer) -> Sequence[Problem]:
        """What else is wrong with a request; fields of the wrong shape are None."""
        owner = Owner(call.project_id, call.caller.domain_id)
        return await self._store.read(lambda tx: self._image_servers.problems(tx, owner, body))

    async def touched(self, call: Call, body: bytes) -> Touched:
        """What a call is about: the servers it names, or the one it wants to make."""
        sent = loosely(body)
        if call.operation.name == "CreateImageServer":
            project = text(sent.get("enterprise_project_id")) or DEFAULT_ENTERPRISE_PROJECT
            return Touched([Resource("imageServer", "", project)], sent_tags(sent.get("tags")))
        ids = [call.path["server_id"]] if "server_id" in call.path else texts(sent.get("items"))
        projects = await self._store.read(
            lambda tx: self._image_servers.enterprise_projects_of(tx, call.project_id, ids)
        )
        return Touched([Resource("imageServer", each, projects.get(each)) for each in ids or [""]])

    @operation(
        "ListImageServers", "GET", "/v1/{project_id}/image-servers",
        action="workspace:imageServer:list", access=Access.LIST, resource_type="imageServer",
        condition_keys=("g:EnterpriseProjectId",), answer={"count": 1, "items": [EXAMPLE_SERVER]},
        tag="image servers",
    )  # fmt: skip
    async def list(
        self,
        call: CurrentCall,
        offset: Offset = 0,
        limit: Limit = 10,
        server_name: Annotated[str, Query(max_length=1024, description="Part of the name.")] = "",
        server_id: Annotated[str, Query(max_length=128)] = "",
        enterprise_project_id: Annotated[str | None, Query(max_length=128)] = None,
    ) -> schemas.ImageServers:
        """List image servers, newest first."""
        count, rows = await self._store.read(
            lambda tx: self._image_servers.list_page(
                tx, call.project_id, name=server_name, server_id=server_id,
                enterprise_project_id=enterprise_project_id, offset=offset, limit=limit, sees=_sees(call),
            )
        )  # fmt: skip
        return schemas.ImageServers(count=count, items=[_shown(row) for row in rows])

    @operation(
        "ShowImageServer", "GET", "/v1/{project_id}/image-servers/{server_id}",
        action="workspace:imageServer:get", resource_type="imageServer", touches="touched",
        condition_keys=("g:EnterpriseProjectId",), errors=(errors.NOT_FOUND,), answer=EXAMPLE_SERVER,
        tag="image servers",
    )  # fmt: skip
    async def show(self, call: CurrentCall, server_id: PathId) -> schemas.ImageServer:
        """Show an image server."""
        return _shown(await self._store.read(lambda tx: self._image_servers.require(tx, call.project_id, server_id)))

    @operation(
        "UpdateImageServer", "PATCH", "/v1/{project_id}/image-servers/{server_id}",
        action="workspace:imageServer:update", access=Access.WRITE, resource_type="imageServer", touches="touched",
        condition_keys=("g:EnterpriseProjectId",), errors=(errors.NOT_FOUND, errors.CONFLICT), codes=FAMILY,
        example={"name": "image-0509", "description": ""}, tag="image servers",
    )  # fmt: skip
    async def update(self, call: CurrentCall, server_id: PathId, body: schemas.UpdateImageServer) -> Empty:
        """Change name or description."""
        await self._store.write(lambda tx: self._image_servers.update(tx, call.project_id, server_id, body))
        return Empty()

    @operation(
        "BatchDeleteImageServer", "PATCH", "/v1/{project_id}/image-servers/actions/batch-delete",
        action="workspace:imageServer:batchDelete", access=Access.WRITE, resource_type="imageServer", touches="touched",
        condition_keys=("g:EnterpriseProjectId",), errors=(errors.CONFLICT,),
        example={"items": ["697612196993040384"], "recursive": True}, answer=JOB, tag="image servers",
    )  # fmt: skip
    async def batch_delete(self, call: CurrentCall, body: schemas.DeleteImageServers) -> JobId:
        """Delete image servers, with `recursive` also everything that was made for them."""
        key, recursive = _key(call, body.model_dump_json), bool(body.recursive)
        job_id = await self._store.write(
            lambda tx: once(
                tx, key, lambda: self._image_servers.delete(tx, _origin(call), body.items, recursive=recursive)
            )
        )  # fmt: skip
        return JobId(job_id=job_id)

    @operation(
        "ShowImageServerScreenshot", "GET", "/v1/{project_id}/image-servers/{server_id}/actions/screenshot",
        action="workspace:imageServer:get", resource_type="imageServer", touches="touched",
        condition_keys=("g:EnterpriseProjectId",), errors=(errors.NOT_FOUND, errors.CONFLICT),
        is_extension=True, content_type="image/png",
        tag="image servers",
    )  # fmt: skip
    async def screenshot(self, call: CurrentCall, server_id: PathId) -> Response:
        """A picture of the guest's screen."""
        machine = await self._store.read(lambda tx: self._image_servers.machine_of(tx, call.project_id, server_id))
        try:
            picture = await self._cloud.screenshot(machine)
        except DoesNotExist as error:
            raise errors.CONFLICT.error("The machine of the image server does not exist yet.") from error
        except CloudError as error:
            raise errors.CONFLICT.error(f"There is no picture of the screen: {error}") from error
        return Response(picture, media_type="image/png")


def _sees(call: Call) -> Callable[[Sequence[tuple[str, str]]], Sequence[bool]] | None:
    """The caller's view of servers, given as pairs of id and enterprise project."""
    sees = call.sees
    if sees is None:
        return None
    return lambda pairs: sees(Resource("imageServer", server, project) for server, project in pairs)


def _key(call: Call, content: Callable[[], str]) -> RequestKey | None:
    key = call.idempotency_key or call.service_transaction_id
    return RequestKey.of(call.project_id, call.operation.name, key, content()) if key else None


def _origin(call: Call) -> Origin:
    caller = call.caller
    return Origin(call.project_id, caller.domain_id, caller.user_id, call.service_transaction_id, call.linked_id)


def _shown(row: Row) -> schemas.ImageServer:
    accounts: Any = json.loads(row["authorize_accounts"])
    return schemas.ImageServer(
        id=row["id"], name=row["name"], description=row["description"],
        image_ref=schemas.ShownImageRef(**json.loads(row["image_ref"])), server_group_id=row["server_group_id"],
        app_group_id=row["app_group_id"], server_id=row["server_id"], instance_id=row["instance_id"],
        image_id=row["image_id"], status=row["status"],
        authorize_accounts=[schemas.ShownAccount(**account) for account in accounts],
        create_time=wire_time(row["create_time"]) or "", update_time=wire_time(row["update_time"]) or "",
        enterprise_project_id=row["enterprise_project_id"],
    )  # fmt: skip
