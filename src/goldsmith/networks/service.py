"""Networks: looking up VPCs and subnets, and handing out addresses.

An address costs one UPDATE (is there room, which is next) and one INSERT that gives way to what is there already.
The UPDATE locks the subnet's row, so no two transactions choose in one subnet at once, on any database.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from operator import itemgetter
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, insert, or_, select, update

from goldsmith.clouds.port import PortSpec
from goldsmith.networks.declaration import DeclaredVpc, declare
from goldsmith.networks.models import ports, subnets, vpcs
from goldsmith.store import Row, Tx, prepare

ACTIVE = "ACTIVE"
BUILD = "BUILD"


class SubnetFull(Exception):
    """Every address of `subnet` is taken."""

    def __init__(self, subnet: Subnet) -> None:
        super().__init__(f"Subnet {subnet.name or subnet.id} ({subnet.cidr}) has no free address.")
        self.subnet = subnet


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC of a project; times in milliseconds."""

    id: str
    project_id: str
    name: str
    cidr: str
    description: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as it was read. `dns_ip` is its own resolver, `dns` the resolvers declared for it, with commas."""

    id: str
    project_id: str
    vpc_id: str
    name: str
    cidr: str
    gateway_ip: str
    dns_ip: str
    dns: str
    availability_zone: str
    capacity: int
    used: int
    created_at: int
    updated_at: int

    @property
    def has_free_address(self) -> bool:
        """Whether `reserve` would have found an address then."""
        return self.used < self.capacity


@dataclass(frozen=True, slots=True)
class Port:
    """An address in use, and the device that uses it."""

    id: str
    project_id: str
    subnet_id: str
    vpc_id: str
    ip_address: str
    mac_address: str
    name: str
    device_id: str
    device_owner: str
    status: str
    created_at: int


VPC_COLUMNS = [vpcs.c[name] for name in Vpc.__dataclass_fields__]
SUBNET_COLUMNS = [subnets.c[name] for name in Subnet.__dataclass_fields__]
PORT_COLUMNS = [ports.c[name] for name in Port.__dataclass_fields__]
_VPC_VALUES, _SUBNET_VALUES = itemgetter(*Vpc.__dataclass_fields__), itemgetter(*Subnet.__dataclass_fields__)

_FIND_VPC = prepare(select(*VPC_COLUMNS).where(vpcs.c.id == bindparam("id"), vpcs.c.project_id == bindparam("project")))
_FIND_SUBNET = prepare(
    select(*SUBNET_COLUMNS).where(subnets.c.id == bindparam("id"), subnets.c.project_id == bindparam("project"))
)
_BOUNDS = prepare(select(subnets.c.first_ip, subnets.c.last_ip).where(subnets.c.id == bindparam("id")))
_TAKE = prepare(
    update(subnets)
    .where(subnets.c.id == bindparam("of"), subnets.c.used < subnets.c.capacity)
    .values(
        used=subnets.c.used + 1,
        next_ip=case((subnets.c.next_ip >= subnets.c.last_ip, subnets.c.first_ip), else_=subnets.c.next_ip + 1),
    )
    .returning(subnets.c.next_ip, subnets.c.first_ip, subnets.c.last_ip)
)
_MOVE_CURSOR = prepare(update(subnets).where(subnets.c.id == bindparam("of")).values(next_ip=bindparam("to_ip")))
_GIVE_BACK = prepare(update(subnets).where(subnets.c.id == bindparam("of")).values(used=subnets.c.used - 1))
_given = {column.name: bindparam(column.name, type_=column.type) for column in ports.c}
_is_in_the_way = or_(
    ports.c.id == _given["id"],
    and_(ports.c.subnet_id == _given["subnet_id"], ports.c.ip_number == _given["ip_number"]),
    ports.c.mac_address == _given["mac_address"],
)
_INSERT_UNLESS_IN_THE_WAY = prepare(
    insert(ports).from_select(
        list(_given), select(*_given.values()).where(~select(ports.c.id).where(_is_in_the_way).exists())
    )
)
_HOLDER = prepare(
    select(ports.c.id).where(ports.c.subnet_id == bindparam("of"), ports.c.ip_number == bindparam("number"))
)
_neighbour = ports.alias()
_GAP = prepare(
    select(ports.c.ip_number + 1)
    .where(
        ports.c.subnet_id == bindparam("of"),
        ports.c.ip_number >= bindparam("start"),
        ports.c.ip_number < bindparam("last"),
        ~select(_neighbour.c.id)
        .where(_neighbour.c.subnet_id == bindparam("of"), _neighbour.c.ip_number == ports.c.ip_number + 1)
        .exists(),
    )
    .order_by(ports.c.ip_number)
    .limit(1)
)
_MAC_EXISTS = prepare(select(ports.c.id).where(ports.c.mac_address == bindparam("mac")))
_INSERT = prepare(insert(ports))
_RELEASE = prepare(delete(ports).where(ports.c.id == bindparam("of")).returning(ports.c.subnet_id))
_ACTIVATE = prepare(update(ports).where(ports.c.id == bindparam("of")).values(status=ACTIVE))
_SPEC = prepare(
    select(
        ports.c.id, ports.c.subnet_id, subnets.c.cidr, subnets.c.gateway_ip, subnets.c.dns_ip,
        ports.c.ip_address, ports.c.mac_address,
    )
    .join(subnets, subnets.c.id == ports.c.subnet_id)
    .where(ports.c.id == bindparam("id"))
)  # fmt: skip


class Networks:
    """What other rooms ask of the networks. `random_bits` chooses MAC addresses; tests hand in their own."""

    def __init__(self, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._random_bits = random_bits

    def declare(self, tx: Tx, project_id: str, vpcs: Sequence[DeclaredVpc]) -> None:
        """Make the catalogue's VPCs and subnets those of the project; see `declaration.declare`."""
        declare(tx, project_id, vpcs)

    def find_vpc(self, tx: Tx, project_id: str, vpc_id: str) -> Vpc | None:
        """The VPC with this id, when it belongs to the project."""
        row = tx.row(_FIND_VPC, {"id": vpc_id, "project": project_id})
        return None if row is None else Vpc(*_VPC_VALUES(row))

    def find_subnet(self, tx: Tx, project_id: str, subnet_id: str) -> Subnet | None:
        """The subnet with this id (`subnet_id` of the contract), when it belongs to the project."""
        row = tx.row(_FIND_SUBNET, {"id": subnet_id, "project": project_id})
        return None if row is None else Subnet(*_SUBNET_VALUES(row))

    def reserve(
        self,
        tx: Tx,
        *,
        project_id: str,
        subnet: Subnet,
        port_id: str,
        name: str,
        device_id: str,
        device_owner: str,
    ) -> PortSpec:
        """Hand out an address; a `port_id` that has one gets it again. `SubnetFull` when none is left."""
        number = _take(tx, subnet)
        if number is None:
            known = self.port_spec(tx, port_id)
            if known is not None:
                return known
            raise SubnetFull(subnet)
        row: dict[str, Any] = {
            "id": port_id, "project_id": project_id, "subnet_id": subnet.id, "vpc_id": subnet.vpc_id,
            "ip_number": number, "ip_address": str(IPv4Address(number)), "mac_address": self._mac(), "name": name,
            "device_id": device_id, "device_owner": device_owner, "status": BUILD, "created_at": tx.now,
        }  # fmt: skip
        if not tx.run(_INSERT_UNLESS_IN_THE_WAY, row):
            known = self.port_spec(tx, port_id)
            if known is not None:
                tx.run(_GIVE_BACK, {"of": subnet.id})
                return known
            row["ip_number"] = number = _skip_taken(tx, subnet, number)
            row["ip_address"], row["mac_address"] = str(IPv4Address(number)), self._free_mac(tx)
            tx.run(_INSERT, row)
        address, mac = row["ip_address"], row["mac_address"]
        return PortSpec(port_id, subnet.id, subnet.cidr, subnet.gateway_ip, subnet.dns_ip, address, mac)

    def release(self, tx: Tx, port_id: str) -> None:
        """Give the address back; nothing happens when there is no such port."""
        subnet_id = tx.scalar(_RELEASE, {"of": port_id})
        if subnet_id is not None:
            tx.run(_GIVE_BACK, {"of": subnet_id})

    def activate(self, tx: Tx, port_id: str) -> None:
        """Show the port as ACTIVE: its machine runs."""
        tx.run(_ACTIVATE, {"of": port_id})

    def port_spec(self, tx: Tx, port_id: str) -> PortSpec | None:
        """The port as the cloud wants it; None when there is none with this id."""
        row = tx.row(_SPEC, {"id": port_id})
        return None if row is None else PortSpec(**row_values(row))

    def _mac(self) -> str:
        bits = self._random_bits(24)
        return f"fa:16:3e:{bits >> 16:02x}:{bits >> 8 & 255:02x}:{bits & 255:02x}"

    def _free_mac(self, tx: Tx) -> str:
        mac = self._mac()
        while tx.row(_MAC_EXISTS, {"mac": mac}) is not None:
            mac = self._mac()
        return mac


def _take(tx: Tx, subnet: Subnet) -> int | None:
    """Count one more address as used: the one at the cursor, which moves on. None when all are used."""
    row = tx.row(_TAKE, {"of": subnet.id})
    if row is None:
        return None
    following: int = row["next_ip"]
    return following - 1 if following > row["first_ip"] else int(row["last_ip"])


def _skip_taken(tx: Tx, subnet: Subnet, number: int) -> int:
    """`number` if it is free, else the next free address after it, going round; the cursor follows."""
    if tx.row(_HOLDER, {"of": subnet.id, "number": number}) is None:
        return number
    bounds = tx.row(_BOUNDS, {"id": subnet.id})
    assert bounds is not None
    first, last = bounds["first_ip"], bounds["last_ip"]
    found = tx.scalar(_GAP, {"of": subnet.id, "start": number, "last": last})
    if found is None:
        is_first_free = tx.row(_HOLDER, {"of": subnet.id, "number": first}) is None
        found = first if is_first_free else tx.scalar(_GAP, {"of": subnet.id, "start": first, "last": last})
    assert found is not None, "the subnet's count of used addresses is wrong"
    tx.run(_MOVE_CURSOR, {"of": subnet.id, "to_ip": found + 1 if found < last else first})
    return int(found)


def row_values(row: Row) -> dict[str, Any]:
    """The row as keyword arguments."""
    return {name: row[name] for name in row.keys()}  # noqa: SIM118 - sqlite3.Row iterates over values
