"""Operations on the tags of server groups (contract: operations, section 9); the writes answer 204."""

from __future__ import annotations

import json

from goldsmith import errors
from goldsmith.app_servers.schemas import Tag
from goldsmith.http.operations import Access, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import sight
from goldsmith.http.wire import PathId
from goldsmith.server_groups import schemas
from goldsmith.server_groups.rules import ServerGroupRules
from goldsmith.server_groups.service import ServerGroups
from goldsmith.server_groups.touching import KEYS, KIND, TAGGING_KEYS, TouchesGroups, resource
from goldsmith.store import Store, Tx

TAG = "app server groups"
FAMILY = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00169901")
EXAMPLE = {"tags": [{"key": "owner", "value": "team-a"}]}
EXAMPLE_MANY = {"items": [{"server_group_id": "898dda82-4d61-4c3d-bff2-679e61cd34f3", **EXAMPLE}]}


class ServerGroupTagsApi(TouchesGroups):
    """HTTP side of tags."""

    def __init__(self, store: Store, server_groups: ServerGroups, rules: ServerGroupRules) -> None:
        self._store, self._groups, self._rules = store, server_groups, rules

    @operation(
        "ListServerGroupTag", "GET", "/v1/{project_id}/server-group/tags", action="workspace:serverGroup:listTags",
        access=Access.LIST, resource_type=KIND, condition_keys=KEYS, codes=FAMILY, tag=TAG,
        answer={"tags": [{"key": "owner", "values": ["team-a"]}]},
    )  # fmt: skip
    async def list_tags(self, call: CurrentCall) -> schemas.ProjectTags:
        """List every key in use, with its values."""
        sees = sight(call, resource)
        found = await self._store.read(lambda tx: self._groups.tags_of_all(tx, call.project_id, sees))
        return schemas.ProjectTags(tags=[schemas.TagValues(key=key, values=values) for key, values in found.items()])

    @operation(
        "ShowServerGroupTag", "GET", "/v1/{project_id}/server-group/{server_group_id}/tags",
        action="workspace:serverGroup:getTags", resource_type=KIND, condition_keys=KEYS, touches="touched",
        errors=(errors.NOT_FOUND,),
        codes=FAMILY, tag=TAG, answer={**EXAMPLE, "sys_tags": []},
    )  # fmt: skip
    async def show_tags(self, call: CurrentCall, server_group_id: PathId) -> schemas.GroupTags:
        """Show the tags of a server group."""
        row = await self._store.read(lambda tx: self._groups.require(tx, call.project_id, server_group_id))
        return schemas.GroupTags(tags=[Tag(**tag) for tag in json.loads(row["tags"])])

    @operation(
        "CreateServerGroupTags", "POST", "/v1/{project_id}/server-group/{server_group_id}/tags/create",
        action="workspace:serverGroup:createTags", access=Access.WRITE, resource_type=KIND,
        condition_keys=TAGGING_KEYS, touches="touched", success=204,
        errors=(errors.NOT_FOUND,), codes=FAMILY, tag=TAG, example=EXAMPLE,
    )  # fmt: skip
    async def create_tags(self, call: CurrentCall, server_group_id: PathId, body: schemas.TagsBody) -> None:
        """Add tags to a server group; a key that it has gets the new value."""

        def work(tx: Tx) -> None:
            self._groups.require(tx, call.project_id, server_group_id)
            self._rules.add_tags(tx, call.project_id, [(server_group_id, body.tags)])

        await self._store.write(work)

    @operation(
        "DeleteServerGroupTags", "DELETE", "/v1/{project_id}/server-group/{server_group_id}/tags/delete",
        action="workspace:serverGroup:deleteTags", access=Access.WRITE, resource_type=KIND,
        condition_keys=TAGGING_KEYS, touches="touched", success=204,
        errors=(errors.NOT_FOUND,), codes=FAMILY, tag=TAG, example=EXAMPLE,
    )  # fmt: skip
    async def delete_tags(self, call: CurrentCall, server_group_id: PathId, body: schemas.TagsBody) -> None:
        """Remove tags from a server group by their keys; keys that it does not have are ignored."""

        def work(tx: Tx) -> None:
            self._groups.require(tx, call.project_id, server_group_id)
            self._rules.remove_tags(tx, call.project_id, [(server_group_id, body.tags)])

        await self._store.write(work)

    @operation(
        "BatchCreateServerGroupTags", "POST", "/v1/{project_id}/server-group/tags/batch-create",
        action="workspace:serverGroup:batchCreateTags", access=Access.WRITE, resource_type=KIND,
        condition_keys=TAGGING_KEYS, touches="touched",
        success=204, codes=FAMILY, tag=TAG, example=EXAMPLE_MANY,
    )  # fmt: skip
    async def create_many(self, call: CurrentCall, body: schemas.TagsOfGroups) -> None:
        """Add tags to several server groups."""
        wanted = [(item.server_group_id, item.tags) for item in body.items]
        await self._store.write(lambda tx: self._rules.add_tags(tx, call.project_id, wanted))

    @operation(
        "BatchDeleteServerGroupTags", "DELETE", "/v1/{project_id}/server-group/tags/batch-delete",
        action="workspace:serverGroup:batchDeleteTags", access=Access.WRITE, resource_type=KIND,
        condition_keys=TAGGING_KEYS, touches="touched",
        success=204, codes=FAMILY, tag=TAG, example=EXAMPLE_MANY,
    )  # fmt: skip
    async def delete_many(self, call: CurrentCall, body: schemas.TagsOfGroups) -> None:
        """Remove tags from several server groups by their keys."""
        wanted = [(item.server_group_id, item.tags) for item in body.items]
        await self._store.write(lambda tx: self._rules.remove_tags(tx, call.project_id, wanted))
