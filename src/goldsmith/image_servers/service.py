"""Accepting requests for image servers: everything that is written at once, before a 200 is sent.

A create claims in one transaction all that can run out (name, address, room on a host, quota) and leaves one
workflow, which carries it to the end or gives everything back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.clouds.port import PortSpec
from goldsmith.errors import Problem, Problems
from goldsmith.events.service import Events
from goldsmith.events.types import EventType, Subject
from goldsmith.ids import Snowflakes, new_uuid
from goldsmith.image_servers.belongings import Belongings
from goldsmith.image_servers.models import image_server_counts, image_servers
from goldsmith.image_servers.preflight import Owner, Plan, Preflight, Rooms, name_problem
from goldsmith.image_servers.schemas import CreateImageServer, UpdateImageServer
from goldsmith.image_servers.states import Event, Status, sources, target
from goldsmith.jobs.notices import common_enterprise_project
from goldsmith.jobs.service import ACCEPTING, Jobs, JobType, Origin
from goldsmith.server_groups.service import ServerGroups
from goldsmith.store import Row, Tx, contains, document, prepare
from goldsmith.workflows import Queue

CREATE, DELETE, FORGET = "create_image_server", "delete_image_server", "forget_image_server"
"""Kinds of workflows: make everything, remove everything, remove the image server's record alone."""
DEFAULT_ENTERPRISE_PROJECT = "0"
Sight = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]

_i = image_servers.c
_INSERT = prepare(insert(image_servers))
_FIND = prepare(select(image_servers).where(_i.id == bindparam("id"), _i.project_id == bindparam("project")))
_UPDATE = prepare(
    update(image_servers)
    .where(_i.id == bindparam("of"), _i.project_id == bindparam("project"))
    .values(name=bindparam("new_name"), description=bindparam("new_description"), update_time=bindparam("at"))
)
SHOWN = (_i.id, _i.project_id, _i.name, _i.status, _i.enterprise_project_id)
_MOVE = {
    event: prepare(
        update(image_servers)
        .where(_i.id == bindparam("of"), _i.status.in_(sources(event)))
        .values(status=target(event).value, workflow_id=bindparam("by"), update_time=bindparam("at"))
        .returning(*SHOWN)
    )
    for event in Event
}
_CREATED = prepare(
    update(image_servers)
    .where(_i.id == bindparam("of"))
    .values(server_id=bindparam("aps"), instance_id=bindparam("ecs"), app_group_id=bindparam("apps"))
)
_EMPTIED = prepare(
    update(image_servers)
    .where(_i.id == bindparam("of"))
    .values(server_group_id="", server_id="", instance_id="", app_group_id="")
)
_REMOVE = prepare(delete(image_servers).where(_i.id == bindparam("of")).returning(*SHOWN))
_n = image_server_counts.c
_COUNT = prepare(select(_n.servers).where(_n.project_id == bindparam("project")))
_COUNT_FIRST = prepare(insert(image_server_counts))
_COUNT_ON = prepare(
    update(image_server_counts)
    .where(_n.project_id == bindparam("project"))
    .values(servers=_n.servers + bindparam("more"))
)
_PAGE = prepare(
    select(image_servers)
    .where(_i.project_id == bindparam("project"))
    .order_by(_i.id.desc())
    .offset(bindparam("skip"))
    .limit(bindparam("most"))
)


class ImageServers:
    """The image servers of all projects; every function runs inside the caller's transaction."""

    def __init__(
        self, rooms: Rooms, jobs: Jobs, groups: ServerGroups, queue: Queue, ids: Snowflakes, events: Events
    ) -> None:
        self._rooms, self._jobs, self._groups, self._queue, self._ids = rooms, jobs, groups, queue, ids
        self._events = events

    def problems(self, tx: Tx, owner: Owner, request: CreateImageServer) -> list[Problem]:
        """Everything that keeps `request` from being accepted now; some of its fields may be None."""
        return Preflight(self._rooms, tx, owner, request).check()

    def create(self, tx: Tx, origin: Origin, request: CreateImageServer, *, keep_on_failure: bool = False) -> str:
        """Accept the request; returns the job's id. Raises the refusal that names every problem.

        With `keep_on_failure` a creation that fails leaves everything as it is, to be looked at or retried.
        """
        tx.lock(ACCEPTING)
        preflight = Preflight(self._rooms, tx, Owner(origin.project_id, origin.domain_id), request)
        found = preflight.check()
        if found:
            raise errors.refusal(found)
        plan = preflight.plan
        project = request.enterprise_project_id or DEFAULT_ENTERPRISE_PROJECT
        job_id = self._jobs.open(tx, origin, JobType.CREATE_SERVER, sub_jobs_total=1, enterprise_project_id=project)
        server_id, workflow_id = self._ids.next(), self._ids.next()
        parameters = self._claim(tx, origin.project_id, server_id, request, plan)
        parameters["keep_on_failure"] = keep_on_failure
        made = self._insert(tx, origin.project_id, server_id, workflow_id, request, parameters)
        self._jobs.add_sub_job(
            tx, job_id, origin.project_id, JobType.CREATE_SERVER, workflow_id=workflow_id, resource_id=server_id,
            resource_name=request.name, enterprise_project_id=project,
        )  # fmt: skip
        self._tell(tx, EventType.IMAGE_SERVER_CREATED, made, job_id=job_id)
        self._queue.put(tx, workflow_id, CREATE, server_id, parameters, project_id=origin.project_id)
        return job_id

    def _claim(self, tx: Tx, project_id: str, server_id: str, request: CreateImageServer, plan: Plan) -> dict[str, Any]:
        """Take address, room and quota; returns the plan as the workflow and the record keep it."""
        subnet, size, image, product = plan.subnet, plan.size, plan.image, plan.product
        flavor, user = plan.flavor, plan.account
        if not (subnet and size and image and product and flavor and user):
            raise ValueError("a plan without problems is complete")
        instance_id, port_id, group_id = new_uuid(), new_uuid(), new_uuid()
        host = self._rooms.placement.choose(plan.hosts)
        self._rooms.placement.claim(tx, instance_id, project_id, host, size)
        self._rooms.tenancy.claim_quota(tx, project_id, size.quota)
        port = self._rooms.networks.reserve(
            tx, project_id=project_id, subnet=subnet, port_id=port_id, name=f"image-server-{server_id}",
            device_id=instance_id, device_owner=f"compute:{host.zone}",
        )  # fmt: skip
        policy = request.route_policy.model_dump(exclude_none=True) if request.route_policy else {}
        tags = [tag.model_dump(exclude_none=True) for tag in request.tags or []]
        account = request.authorize_accounts[0]
        parameters = {
            "project_id": project_id, "name": request.name, "description": request.description or "",
            "image_id": request.image_ref.id, "image_type": request.image_ref.image_type, "image": image.file,
            "os_type": image.os_type, "product_id": product.product_id, "flavor_id": flavor.flavor_id,
            "vcpus": size.vcpus, "memory_mib": size.memory_mib, "disk_gib": size.disk_gib,
            "volume_type": request.root_volume.type, "cluster_id": request.root_volume.cluster_id or "",
            "zone": host.zone, "host": host.id, "vpc_id": subnet.vpc_id, "port": _as_dict(port),
            "instance_id": instance_id, "server_group_id": group_id, "account": user.user_name,
            "account_type": account.account_type, "domain": account.domain or "", "ou_name": request.ou_name or "",
            "is_vdi": bool(request.is_vdi), "sessions": product.sessions + (request.extra_session_size or 0),
            "extra_session_type": request.extra_session_type or "",
            "extra_session_size": request.extra_session_size or 0,
            "route_policy": {name: value for name, value in policy.items() if value}, "tags": tags,
            "enterprise_project_id": request.enterprise_project_id or DEFAULT_ENTERPRISE_PROJECT,
        }  # fmt: skip
        self._add_group(tx, parameters)
        return parameters

    def _add_group(self, tx: Tx, plan: dict[str, Any]) -> None:
        self._groups.add(
            tx,
            {
                "id": plan["server_group_id"], "project_id": plan["project_id"], "name": plan["name"],
                "description": "", "app_type": "SESSION_DESKTOP_APP" if plan["is_vdi"] else "COMMON_APP",
                "image_id": plan["image_id"], "image_type": plan["image_type"], "os_type": plan["os_type"],
                "product_id": plan["product_id"], "flavor_id": plan["flavor_id"], "vpc_id": plan["vpc_id"],
                "subnet_id": plan["port"]["subnet_id"], "system_disk_type": plan["volume_type"],
                "system_disk_size": plan["disk_gib"], "is_vdi": int(plan["is_vdi"]), "ou_name": plan["ou_name"],
                "extra_session_type": plan["extra_session_type"], "extra_session_size": plan["extra_session_size"],
                "route_policy": document(plan["route_policy"]), "tags": document(plan["tags"]),
                "enterprise_project_id": plan["enterprise_project_id"],
            },
        )  # fmt: skip

    def _insert(
        self, tx: Tx, project_id: str, server_id: str, workflow_id: str, request: CreateImageServer,
        plan: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        ref, now = request.image_ref, tx.now
        image_ref = {"id": ref.id, "image_type": ref.image_type, "spce_code": ref.spce_code or "",
                     "product_id": ref.product_id or ""}  # fmt: skip
        accounts = [account.model_dump(exclude_none=True) for account in request.authorize_accounts]
        row = {
            "id": server_id, "project_id": project_id, "name": request.name,
            "description": request.description or "", "status": Status.CREATING.value,
            "image_ref": document(image_ref), "authorize_accounts": document(accounts),
            "enterprise_project_id": plan["enterprise_project_id"],
            "spec": document(plan), "server_group_id": plan["server_group_id"],
            "app_group_id": "", "server_id": "", "instance_id": "", "image_id": "", "workflow_id": workflow_id,
            "create_time": now, "update_time": now,
        }  # fmt: skip
        tx.run(_INSERT, row)
        _count(tx, project_id, 1)
        return row

    def find(self, tx: Tx, project_id: str, server_id: str) -> Row | None:
        """The image server, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": server_id, "project": project_id})

    def require(self, tx: Tx, project_id: str, server_id: str) -> Row:
        """The image server; raises NotFound."""
        row = self.find(tx, project_id, server_id)
        if row is None:
            raise errors.NOT_FOUND.error(f"The image server '{server_id}' does not exist.")
        return row

    def list_page(
        self, tx: Tx, project_id: str, *, name: str, server_id: str, enterprise_project_id: str | None, offset: int,
        limit: int, sees: Sight | None = None,
    ) -> tuple[int, list[Row]]:  # fmt: skip
        """How many match, and one page of them, newest first. `name` matches a part, whatever its case.

        `sees` tells, for pairs of id and enterprise project, which of them the caller may see; None means all.
        """
        if not name and not server_id and enterprise_project_id is None and sees is None:
            page = tx.rows(_PAGE, {"project": project_id, "skip": offset, "most": limit})
            return tx.scalar(_COUNT, {"project": project_id}) or 0, list(page)
        wanted = [_i.project_id == project_id]
        if name:
            wanted.append(contains(_i.name, name))
        if server_id:
            wanted.append(_i.id == server_id)
        if enterprise_project_id is not None:
            wanted.append(_i.enterprise_project_id == (enterprise_project_id or DEFAULT_ENTERPRISE_PROJECT))
        if sees is not None:
            pairs = tx.rows(select(_i.id, _i.enterprise_project_id).where(*wanted).order_by(_i.id.desc()))
            visible = sees([(row["id"], row["enterprise_project_id"]) for row in pairs])
            seen = [row["id"] for row, is_seen in zip(pairs, visible, strict=True) if is_seen]
            shown = select(image_servers).where(_i.id.in_(seen[offset : offset + limit]))
            return len(seen), list(tx.rows(shown.order_by(_i.id.desc())))
        count = tx.scalar(select(func.count()).select_from(image_servers).where(*wanted))
        query = select(image_servers).where(*wanted).order_by(_i.id.desc()).offset(offset).limit(limit)
        return count, list(tx.rows(query))

    def enterprise_projects_of(self, tx: Tx, project_id: str, server_ids: Sequence[str]) -> dict[str, str]:
        """The enterprise project of each image server that exists, by its id."""
        found = (self.find(tx, project_id, each) for each in server_ids)
        return {row["id"]: row["enterprise_project_id"] for row in found if row is not None}

    def update(self, tx: Tx, project_id: str, server_id: str, change: UpdateImageServer) -> None:
        """Rename or describe; raises NotFound, or Conflict when the name is in use."""
        tx.lock(ACCEPTING)
        row = self.require(tx, project_id, server_id)
        name = change.name if change.name is not None else row["name"]
        description = change.description if change.description is not None else row["description"]
        taken = name_problem(tx, project_id, name, other_than=server_id)
        if taken is not None:
            raise errors.refusal([taken])
        tx.run(
            _UPDATE,
            {"of": server_id, "project": project_id, "new_name": name, "new_description": description, "at": tx.now},
        )
        changed = {each: row[each] for each in ("id", "project_id", "status", "enterprise_project_id")}
        if name != row["name"]:
            self._tell(tx, EventType.IMAGE_SERVER_RENAMED, {**changed, "name": name}, former_name=row["name"])
        if description != row["description"]:
            self._tell(tx, EventType.IMAGE_SERVER_DESCRIBED, {**changed, "name": name}, description=description)

    def delete(self, tx: Tx, origin: Origin, server_ids: list[str], *, recursive: bool) -> str:
        """Start the deletion of several servers; returns the job's id. Unknown ids are ignored.

        Raises Conflict, with nothing started, when one of them is being created or built.
        """
        tx.lock(ACCEPTING)
        found = (self._settled(tx, origin.project_id, each) for each in server_ids)
        rows = [row for row in found if row is not None]
        problems = Problems()
        for number, server_id in enumerate(server_ids):
            if server_id in server_ids[:number]:
                problems.add(f"items[{number}]", server_id, "unique", "Each id may be named once.")
        for row in rows:
            if row["status"] in {Status.CREATING, Status.BUILDING}:
                text = f"The image server is {row['status']}; wait until its job has ended."
                problems.add("items", row["id"], "status", text, conflict=True)
        problems.raise_if_any()
        job_id = self._jobs.open(
            tx, origin, JobType.DELETE_SERVER, sub_jobs_total=len(rows),
            enterprise_project_id=common_enterprise_project(rows),
        )  # fmt: skip
        for row in rows:
            workflow_id = self._start_deletion(tx, row, recursive=recursive)
            self._jobs.add_sub_job(
                tx, job_id, origin.project_id, JobType.DELETE_SERVER, workflow_id=workflow_id,
                resource_id=row["id"], resource_name=row["name"], enterprise_project_id=row["enterprise_project_id"],
            )  # fmt: skip
        return job_id

    def _settled(self, tx: Tx, project_id: str, server_id: str) -> Row | None:
        """The image server; while it is being deleted, its deletion cannot end before this transaction."""
        row = self.find(tx, project_id, server_id)
        if row is not None and row["status"] == Status.DELETING and not self._queue.keep_alive(tx, row["workflow_id"]):
            return self.find(tx, project_id, server_id)
        return row

    def _start_deletion(self, tx: Tx, row: Row, *, recursive: bool) -> str:
        if row["status"] == Status.DELETING:
            joined: str = row["workflow_id"]
            if recursive and self._queue.kind_of(tx, joined) == FORGET:
                text = f"It is being deleted without its machine; delete the app server {row['server_id']} instead."
                raise errors.CONFLICT.error(text)
            return joined
        workflow_id = self._ids.next()
        self._queue.abandon(tx, row["workflow_id"])
        self.move(tx, row["id"], Event.DELETE_ASKED, workflow_id)
        parameters = {**json.loads(row["spec"]), "app_server_id": row["server_id"], "app_group_id": row["app_group_id"]}
        # What a failed creation left (keep_on_failure) has no app server to own it: it goes with the record.
        kind = DELETE if recursive or not row["server_id"] else FORGET
        self._queue.put(tx, workflow_id, kind, row["id"], parameters, project_id=row["project_id"])
        return workflow_id

    def move(self, tx: Tx, server_id: str, event: Event, workflow_id: str) -> None:
        """Make one move of the state machine; nothing happens where it is not legal."""
        row = tx.row(_MOVE[event], {"of": server_id, "by": workflow_id, "at": tx.now})
        if row is not None:
            self._tell(tx, EventType.IMAGE_SERVER_STATUS_CHANGED, row)

    def _tell(self, tx: Tx, event_type: EventType, row: Mapping[str, Any], **more: object) -> None:
        """Let subscribers and webhooks know, in the transaction of the change."""
        server_id, project = row["id"], row["enterprise_project_id"]
        data = {"id": server_id, "name": row["name"], "status": row["status"], "enterprise_project_id": project, **more}
        subject = Subject(row["project_id"], server_id, project, resource_id=server_id)
        self._events.emit(tx, event_type, subject, data)

    def note_created(self, tx: Tx, server_id: str, *, app_server_id: str, instance_id: str, app_group_id: str) -> None:
        """Show the ids of what was made."""
        tx.run(_CREATED, {"of": server_id, "aps": app_server_id, "ecs": instance_id, "apps": app_group_id})

    def note_emptied(self, tx: Tx, server_id: str) -> None:
        """Nothing that was made is left."""
        tx.run(_EMPTIED, {"of": server_id})

    def remove(self, tx: Tx, server_id: str) -> None:
        """Remove the record."""
        row = tx.row(_REMOVE, {"of": server_id})
        if row is not None:
            _count(tx, row["project_id"], -1)
            self._tell(tx, EventType.IMAGE_SERVER_DELETED, row)

    def release_claims(self, tx: Tx, plan: dict[str, Any]) -> None:
        """Give back address, room, quota and server group; nothing happens for what was given back already."""
        Belongings(self._rooms).release_machine(tx, plan["instance_id"], plan["port"]["id"])
        self._groups.remove(tx, plan["server_group_id"])

    def machine_of(self, tx: Tx, project_id: str, server_id: str) -> str:
        """The cloud's id of the machine; raises NotFound, or Conflict when there is none (yet)."""
        row = self.require(tx, project_id, server_id)
        is_kept = row["status"] == Status.ERROR and row["server_group_id"]
        if row["status"] in {Status.ERROR, Status.DELETING} and not is_kept:
            raise errors.CONFLICT.error(f"The image server is {row['status']}: it has no machine.")
        machine: str = json.loads(row["spec"])["instance_id"]
        return machine


def _count(tx: Tx, project_id: str, more: int) -> None:
    if not tx.run(_COUNT_ON, {"project": project_id, "more": more}):
        tx.run(_COUNT_FIRST, {"project_id": project_id, "servers": more})


def _as_dict(port: PortSpec) -> dict[str, str]:
    return {name: getattr(port, name) for name in PortSpec.__dataclass_fields__}
