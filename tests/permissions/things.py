"""What exists in the test's account, by the names of path parameters, and the requests generated from the table."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import insert

from goldsmith.http.operations import Access, Operation
from goldsmith.images.models import images
from tests.permissions.place import Answer, Place
from tests.service import example, until

NORTH, ZERO = "xnorthx", "xzerox"
"""Marks in the names of what is in the enterprise project `north`, and in the default one."""
TAGS = [{"key": "team", "value": NORTH}]
DOCUMENT = {"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": ["workspace:imageServer:get"]}]}
GATE_ONLY = {"Service-Transaction-Id": "x" * 65}
"""A header that is refused with 400 right after the gate and before the handler: nothing is done."""
QUERIES = {
    "ListImageJobs": "job_type=CREATE_SERVER", "ListImageSubJobs": "job_type=CREATE_SERVER",
    "ListEvents": "stream=false",
    "CheckQuota": "product_id=workspace.x86.performance.xlarge4&subscription_num=1&disk_size=60&disk_num=1",
}  # fmt: skip
"""What operations need beside ids and body."""
SAFE_URL = "https://93.184.216.34/goldsmith"
"""Passes the checks of webhooks without a name server; nothing is ever sent there."""


@dataclass
class Things:
    """Ids by what they are the id of: for `known` things that exist, else ones of the same form that nobody has."""

    ids: dict[str, str]
    north: str

    def path(self, operation: Operation, project: str) -> str:
        """The operation's path; an unknown parameter fails, so that no operation is left out unseen."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            return quote(project if name == "project_id" else self.ids[kind_of(name, operation)])

        return re.sub(r"\{(\w+)\}", value, operation.path)

    def body(self, operation: Operation) -> Any:
        """The table's example with these ids in it."""
        sent = copy.deepcopy(operation.example)
        if sent is None and operation.method in {"POST", "PUT", "PATCH"}:
            return {}
        if not isinstance(sent, dict):
            return sent
        if operation.name == "CreateImageServer":
            return sent | {"enterprise_project_id": self.north, "tags": TAGS}
        if "url" in sent:
            sent |= {"url": SAFE_URL, "enabled": False}
        kind = {"imageServer": "server", "server": "app_server", "appGroup": "app_group"}.get(
            operation.resource_type or "", "sub_job"
        )
        for name in ("items", "ids", "app_group_ids"):
            if name in sent and all(isinstance(each, str) for each in sent[name]):
                sent[name] = [self.ids[kind]]
        inner = [each for each in (sent.get("credential"), *sent.get("items", [])) if isinstance(each, dict)]
        for level in (sent, *inner):
            for name in ("user_id", "group_id", "server_group_id"):
                if name in level:
                    level[name] = self.ids[name.removesuffix("_id")]
            if level.get("tags"):
                level["tags"] = TAGS
        return sent


def kind_of(name: str, operation: Operation) -> str:
    """Path parameters are called alike for different things."""
    if name == "server_id":
        return "app_server" if "/app-servers/" in operation.path else "server"
    if name == "user_id":
        return "desktop_user" if operation.is_in_project else "user"
    return name.removesuffix("_id")


def names_something(operation: Operation) -> bool:
    """Whether the request carries an id, in path or body, of something that is there or not."""
    free = {"{project_id}", "{domain_id}", "{granted_project_id}"}
    in_path = set(re.findall(r"\{\w+\}", operation.path)) - free
    known, unknown = _marked("a").body(operation), _marked("b").body(operation)
    return bool(in_path) or known != unknown


class _Marks(dict[str, str]):
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __missing__(self, key: str) -> str:
        return f"{self.mark}-{key}"


def _marked(mark: str) -> Things:
    return Things(_Marks(mark), "north")


def send(
    place: Place, operation: Operation, things: Things, headers: dict[str, str], *, project: str = "",
    for_real: bool = False,
) -> Answer:  # fmt: skip
    """Call the operation; writes stop behind the gate unless they are `for_real`."""
    path = things.path(operation, project or place.project)
    query = "dry_run=true" if for_real and operation.name == "CreateImageServer" else QUERIES.get(operation.name)
    path += f"?{query}" if query else ""
    stop = GATE_ONLY if operation.access is Access.WRITE and not for_real else {}
    if operation.method == "GET" and operation.name.endswith(("ValidateToken",)):
        stop = {"X-Subject-Token": headers.get("X-Auth-Token", "none")}
    return place.call(operation.method, path, things.body(operation), headers | stop)


def unknown_like(known: Things, domain: str) -> Things:
    """Ids of the same form that belong to nobody."""
    made = {name: _unused(name, each) for name, each in known.ids.items()}
    return Things(made | {"domain": domain, "granted_project": known.ids["granted_project"]}, known.north)


def _unused(name: str, like: str) -> str:
    if name == "version":
        return "v99"
    if like.isdecimal():
        return str(int(like) - 7)
    return like.replace(like[-12:], uuid4().hex[:12]) if len(like) > 12 else uuid4().hex[:12]


def make(place: Place) -> tuple[Things, Things]:
    """Fill the account: one image server in `north` and one in the default enterprise project, and everything else."""
    made = place.root("POST", "/v1.0/enterprise-projects", {"name": "north", "description": ""}).json()
    north = made["enterprise_project"]["id"]
    mine = _image_server(place, NORTH, enterprise_project_id=north, tags=TAGS)
    other = _image_server(place, ZERO)
    shared = {**_network(place), **_people(place, north)}
    ids = {**shared, **mine, "image": _image(place, NORTH, north), "enterprise_project": north}
    zero = {**shared, **other, "image": _image(place, ZERO, "0"), "enterprise_project": "0"}
    return Things(ids, north), Things(zero, "0")


def _image_server(place: Place, name: str, **more: Any) -> dict[str, str]:
    base = f"/v1/{place.project}"
    job = place.root("POST", f"{base}/image-servers", example(name, **more)).json()["job_id"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = place.root("GET", f"{base}/image-server-jobs/{job}").json()
        return found if found["status"] != "RUNNING" else None

    found = until(ended)
    assert found["status"] == "SUCCESS", found
    sub_job = found["sub_jobs"][0]
    server = place.root("GET", f"{base}/image-servers/{sub_job['job_resource_info']['resource_id']}").json()
    port = place.root("GET", f"{base}/app-servers/{server['server_id']}").json()["host_address"][0]
    return {
        "server": server["id"], "app_server": server["server_id"], "server_group": server["server_group_id"],
        "app_group": server["app_group_id"], "job": job, "sub_job": sub_job["id"], "port": port["OS-EXT-IPS:port_id"],
    }  # fmt: skip


def _image(place: Place, name: str, enterprise_project: str) -> str:
    image_id = str(uuid4())

    def work(tx: Any) -> None:
        values = dict.fromkeys((column.name for column in images.columns), "") | {
            "id": image_id, "project_id": place.project, "name": f"image {name}", "kind": "private",
            "visibility": "private", "status": "active", "os_type": "Linux", "architecture": "x86", "min_disk": 10,
            "min_ram": 512, "size": 1, "tags": "[]", "enterprise_project_id": enterprise_project, "declared": 0,
            "created_at": tx.now, "updated_at": tx.now, "platform": "Debian",
        }  # fmt: skip
        tx.run(insert(images).values(values))

    place.do(place.house.store.write(work))
    return image_id


def _network(place: Place) -> dict[str, str]:
    subnet = place.root("GET", f"/v1/{place.project}/subnets").json()["subnets"][0]
    desktop = place.root("GET", f"/v2/{place.project}/users").json()["users"][0]
    hook = place.root("POST", f"/v1/{place.project}/webhooks", {"url": SAFE_URL, "enabled": False}).json()["id"]
    return {"webhook": hook, "subnet": subnet["id"], "vpc": subnet["vpc_id"], "desktop_user": desktop["id"]}


def _people(place: Place, north: str) -> dict[str, str]:
    """A user in a group, a policy of each grammar, a key, and the group's grants in every scope."""
    domain = place.domain
    made = place.root("POST", "/v3.0/OS-USER/users", {"user": {"name": "ann", "domain_id": domain}}).json()
    user = made["user"]["id"]
    group = place.root("POST", "/v3/groups", {"group": {"name": "builders"}}).json()["group"]["id"]
    place.root("PUT", f"/v3/groups/{group}/users/{user}")
    classic = {"Version": "1.1", "Statement": DOCUMENT["Statement"]}
    wanted = {"display_name": "lookers", "type": "XA", "description": "d", "policy": classic}
    role = place.root("POST", "/v3.0/OS-ROLE/roles", {"role": wanted}).json()["role"]["id"]
    body = {"policy_name": "viewers", "policy_document": json.dumps(DOCUMENT)}
    policy = place.root("POST", "/v5/policies", body).json()["policy"]["policy_id"]
    key = place.root("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": user}}).json()["credential"]
    for path in (
        f"/v3/OS-INHERIT/domains/{domain}/groups/{group}/roles/{role}/inherited_to_projects",
        f"/v3/domains/{domain}/groups/{group}/roles/{role}",
        f"/v3/projects/{place.project}/groups/{group}/roles/{role}",
        f"/v3.0/OS-PERMISSION/enterprise-projects/{north}/groups/{group}/roles/{role}",
        f"/v3.0/OS-PERMISSION/enterprise-projects/{north}/users/{user}/roles/{role}",
    ):
        place.root("PUT", path)
    return {
        "user": user, "group": group, "role": role, "policy": policy, "access_key": key["access"], "version": "v1",
        "domain": domain, "granted_project": place.project,
    }  # fmt: skip
