"""Which server groups a call is about, and what conditions may ask of them."""

from __future__ import annotations

from goldsmith.http.operations import Call, Resource, Touched
from goldsmith.http.sight import kept_tags, loosely, objects, sent_tags, text
from goldsmith.server_groups.service import ServerGroups
from goldsmith.store import Row, Store, Tx

KIND = "serverGroup"
KEYS = ("g:EnterpriseProjectId", "g:ResourceTag/<key>")
TAGGING_KEYS = ("g:RequestTag/<key>", "g:TagKeys", *KEYS)
MOST = 100


def resource(row: Row) -> Resource:
    """A group that exists; the row has id, enterprise project and tags."""
    return Resource(KIND, row["id"], row["enterprise_project_id"], kept_tags(row["tags"]))


class TouchesGroups:
    """For API classes whose operations name groups in path or body: declare `touches="touched"`."""

    _store: Store
    _groups: ServerGroups

    async def touched(self, call: Call, body: bytes) -> Touched:
        """The groups named, and the tags sent; of a group this project does not have, the id alone."""
        if "server_group_id" in call.path:
            ids = [call.path["server_group_id"]]
            tags = sent_tags(loosely(body).get("tags"))
        else:
            items = objects(loosely(body).get("items"))[:MOST]
            ids = list(filter(None, (text(item.get("server_group_id")) for item in items)))
            tags = {key: value for item in items for key, value in sent_tags(item.get("tags")).items()}

        def look(tx: Tx) -> list[Resource]:
            rows = [(each, self._groups.find(tx, call.project_id, each)) for each in dict.fromkeys(ids)]
            return [resource(row) if row is not None else Resource(KIND, each) for each, row in rows]

        return Touched(await self._store.read(look) if ids else [Resource(KIND)], tags)
