"""One consistent look at the rows: who owns machines and addresses, and which workflows are alive."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from goldsmith.app_groups.models import app_group_authorizations, app_groups
from goldsmith.app_servers.models import app_servers
from goldsmith.app_servers.tasks import DELETE as DELETE_APP_SERVER
from goldsmith.image_servers.models import host_use, image_server_counts, image_servers, placements
from goldsmith.image_servers.service import FORGET
from goldsmith.image_servers.states import Status
from goldsmith.networks.models import ports, subnets
from goldsmith.server_groups.models import server_groups
from goldsmith.store import Row, Tx
from goldsmith.tenancy.models import quotas
from goldsmith.workflows.models import workflows

LIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an owner names: its machine, its address, and the records made with them; "" for none (yet)."""

    instance_id: str = ""
    port_id: str = ""
    server_group_id: str = ""
    app_group_id: str = ""
    app_server_id: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """An image server, an app server or a live workflow. A `settled` one must have all it names."""

    name: str
    claims: Claims
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """The rows that are compared, and the owners read from them."""

    image_servers: Sequence[Row]
    app_servers: Sequence[Row]
    server_groups: Sequence[Row]
    app_groups: Sequence[Row]
    authorizations: Sequence[Row]
    placements: Sequence[Row]
    ports: Sequence[Row]
    subnets: Sequence[Row]
    host_use: Sequence[Row]
    quotas: Sequence[Row]
    image_server_counts: Sequence[Row]
    live: Mapping[str, Row]
    owners: Sequence[Owner]

    def named(self, claim: str) -> set[str]:
        """Everything of one kind (a field of `Claims`) that some owner names."""
        return {getattr(owner.claims, claim) for owner in self.owners} - {""}


def read(tx: Tx) -> Books:
    """Read everything, in one transaction."""
    servers = tx.rows(select(image_servers))
    machines = tx.rows(select(app_servers))
    live = {row["id"]: row for row in tx.rows(select(workflows).where(workflows.c.state.in_(LIVE)))}
    owners = [
        *(_of_image_server(row) for row in servers),
        *_of_app_servers(tx, machines, servers, live),
        *(Owner(f"workflow {row['id']}", _claims(row["parameters"])) for row in live.values()),
        *_of_forgotten(tx),
    ]
    return Books(
        servers, machines, tx.rows(select(server_groups)), tx.rows(select(app_groups)),
        tx.rows(select(app_group_authorizations)), tx.rows(select(placements)), tx.rows(select(ports)),
        tx.rows(select(subnets)), tx.rows(select(host_use)), tx.rows(select(quotas)),
        tx.rows(select(image_server_counts)), live, owners,
    )  # fmt: skip


def _of_image_server(row: Row) -> Owner:
    """What an image server names. One that failed has been emptied; one that was kept has not."""
    if not row["server_group_id"]:
        return Owner(f"image server {row['id']}", Claims())
    planned = _claims(row["spec"])
    claims = Claims(planned.instance_id, planned.port_id, row["server_group_id"], row["app_group_id"], row["server_id"])
    return Owner(f"image server {row['id']}", claims, is_settled=row["status"] in {Status.ACTIVE, Status.BUILT})


def _of_app_servers(tx: Tx, machines: Sequence[Row], servers: Sequence[Row], live: Mapping[str, Row]) -> list[Owner]:
    """What app servers name. Those of image servers that are not settled, or whose deletion failed, may lack it."""
    unsettled = {row["server_id"] for row in servers if row["status"] not in {Status.ACTIVE, Status.BUILT}}
    failed = select(workflows.c.subject).where(workflows.c.kind == DELETE_APP_SERVER, workflows.c.state == "failed")
    unsettled |= {row["subject"] for row in tx.rows(failed)} | {row["subject"] for row in live.values()}
    return [
        Owner(
            f"app server {row['id']}", Claims(row["instance_id"], row["port_id"], row["server_group_id"]),
            is_settled=row["id"] not in unsettled,
        )
        for row in machines
    ]  # fmt: skip


def _of_forgotten(tx: Tx) -> list[Owner]:
    """Deleting an image server's record alone leaves its groups to the user, as the contract says."""
    done = select(workflows).where(workflows.c.kind == FORGET, workflows.c.state == "done")
    found = []
    for row in tx.rows(done):
        claims = _claims(row["parameters"])
        left = Claims("", "", claims.server_group_id, claims.app_group_id, claims.app_server_id)
        found.append(Owner(f"the user, since workflow {row['id']}", left))
    return found


def _claims(parameters: str) -> Claims:
    """What a workflow's parameters (or an image server's plan, which is the same) name."""
    plan: dict[str, Any] = json.loads(parameters)
    port = plan.get("port") or {}
    return Claims(
        plan.get("instance_id", ""), plan.get("port_id") or port.get("id", ""), plan.get("server_group_id", ""),
        plan.get("app_group_id", ""), plan.get("app_server_id", ""),
    )  # fmt: skip
