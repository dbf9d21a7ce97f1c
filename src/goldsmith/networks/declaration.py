"""Bringing the tables in line with the catalogue file, at every start.

New VPCs and subnets are added, changed ones changed, and those the file no longer names removed, unless a
port is left in them: an address in use outlives its declaration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import bindparam, delete, insert, select, update

from goldsmith.networks.addresses import usable
from goldsmith.networks.models import subnets, vpcs
from goldsmith.store import Tx, prepare


class DeclaredSubnet(Protocol):
    """A subnet of the catalogue file."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def cidr(self) -> str: ...
    @property
    def gateway_ip(self) -> str: ...
    @property
    def dns(self) -> Sequence[str]: ...
    @property
    def availability_zone(self) -> str: ...


class DeclaredVpc(Protocol):
    """A VPC of the catalogue file."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def cidr(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def subnets(self) -> Sequence[DeclaredSubnet]: ...


class InUse(Exception):
    """The declaration would take away the ground under ports that exist; the text names the subnet."""


_VPC = prepare(select(vpcs).where(vpcs.c.id == bindparam("id")))
_VPC_IDS = prepare(select(vpcs.c.id).where(vpcs.c.project_id == bindparam("project")))
_VPC_ADD = prepare(insert(vpcs))
_VPC_FIELDS = ("project_id", "name", "cidr", "description")
_VPC_CHANGE = prepare(
    update(vpcs)
    .where(vpcs.c.id == bindparam("of"))
    .values({name: bindparam(f"to_{name}") for name in (*_VPC_FIELDS, "updated_at")})
)
_VPC_DROP = prepare(
    delete(vpcs).where(
        vpcs.c.id == bindparam("of"), ~select(subnets.c.id).where(subnets.c.vpc_id == vpcs.c.id).exists()
    )
)
_SUBNET = prepare(select(subnets).where(subnets.c.id == bindparam("id")))
_SUBNET_IDS = prepare(select(subnets.c.id).where(subnets.c.project_id == bindparam("project")))
_SUBNET_ADD = prepare(insert(subnets))
_CHANGEABLE = ("name", "dns", "availability_zone")
_FIXED = ("project_id", "vpc_id", "cidr", "gateway_ip", "dns_ip", "first_ip", "last_ip", "capacity")
_SUBNET_CHANGE = prepare(
    update(subnets)
    .where(subnets.c.id == bindparam("of"))
    .values({name: bindparam(f"to_{name}") for name in (*_CHANGEABLE, *_FIXED, "next_ip", "updated_at")})
)
_SUBNET_DROP = prepare(delete(subnets).where(subnets.c.id == bindparam("of"), subnets.c.used == 0))


def declare(tx: Tx, project_id: str, declared: Sequence[DeclaredVpc]) -> None:
    """Make `declared` the VPCs of the project.

    `InUse` when a subnet with ports would change its CIDR, VPC or project; `BadSubnet` when one cannot work.
    Repeating it changes nothing.
    """
    for vpc in declared:
        _declare_vpc(tx, project_id, vpc)
        for subnet in vpc.subnets:
            _declare_subnet(tx, project_id, vpc.id, subnet)
    kept = {subnet.id for vpc in declared for subnet in vpc.subnets}
    for row in tx.rows(_SUBNET_IDS, {"project": project_id}):
        if row["id"] not in kept:
            tx.run(_SUBNET_DROP, {"of": row["id"]})
    kept = {vpc.id for vpc in declared}
    for row in tx.rows(_VPC_IDS, {"project": project_id}):
        if row["id"] not in kept:
            tx.run(_VPC_DROP, {"of": row["id"]})


def _declare_vpc(tx: Tx, project_id: str, vpc: DeclaredVpc) -> None:
    wanted = {"project_id": project_id, "name": vpc.name, "cidr": vpc.cidr, "description": vpc.description}
    row = tx.row(_VPC, {"id": vpc.id})
    if row is None:
        tx.run(_VPC_ADD, {"id": vpc.id, **wanted, "created_at": tx.now, "updated_at": tx.now})
    elif any(row[name] != value for name, value in wanted.items()):
        tx.run(_VPC_CHANGE, {"of": vpc.id, **_to(wanted), "to_updated_at": tx.now})


def _declare_subnet(tx: Tx, project_id: str, vpc_id: str, subnet: DeclaredSubnet) -> None:
    room = usable(subnet.cidr, subnet.gateway_ip)
    wanted: dict[str, Any] = {
        "project_id": project_id, "vpc_id": vpc_id, "name": subnet.name, "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip, "dns_ip": room.dns_ip, "dns": ",".join(subnet.dns),
        "availability_zone": subnet.availability_zone, "first_ip": room.first, "last_ip": room.last,
        "capacity": room.capacity,
    }  # fmt: skip
    row = tx.row(_SUBNET, {"id": subnet.id})
    if row is None:
        new = {"next_ip": room.first, "used": 0, "created_at": tx.now, "updated_at": tx.now}
        tx.run(_SUBNET_ADD, {"id": subnet.id, **wanted, **new})
        return
    changed = {name for name, value in wanted.items() if row[name] != value}
    moved = sorted(changed.difference(_CHANGEABLE))
    if moved and row["used"]:
        raise InUse(f"{moved[0]} of subnet {subnet.id} cannot change: {row['used']} ports are in it.")
    if changed:
        wanted["next_ip"] = room.first if moved else row["next_ip"]
        tx.run(_SUBNET_CHANGE, {"of": subnet.id, **_to(wanted), "to_updated_at": tx.now})


def _to(values: dict[str, Any]) -> dict[str, Any]:
    return {f"to_{name}": value for name, value in values.items()}
