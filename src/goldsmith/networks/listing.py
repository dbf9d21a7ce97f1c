"""Lists of VPCs, subnets and ports: conditions from filters, pages by marker.

Lists are in the order of ids, and a page begins after its marker, the last id of the page before. So pages stay
whole while ports come and go, and a marker whose row is gone still works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, bindparam, func, select
from sqlalchemy.sql.elements import ColumnElement

from goldsmith.networks.models import ports, subnets, vpcs
from goldsmith.networks.schemas import PageInfo, cidr_id
from goldsmith.networks.service import (
    PORT_COLUMNS,
    SUBNET_COLUMNS,
    VPC_COLUMNS,
    Port,
    Subnet,
    Vpc,
    row_values,
)
from goldsmith.store import Row, Tx, prepare

T = TypeVar("T", Vpc, Subnet, Port)
Conditions = list[ColumnElement[bool]]
Values = Sequence[str] | str | None
Sight = Callable[[Sequence[Row]], Sequence[bool]]
"""Tells of rows, which have an id, which of them the caller may see."""

_SUBNETS_PER_VPC = prepare(
    select(subnets.c.vpc_id, func.count().label("found"))
    .where(subnets.c.project_id == bindparam("project"))
    .group_by(subnets.c.vpc_id)
)
_SUBNET_IDS = prepare(select(subnets.c.id).where(subnets.c.project_id == bindparam("project")))
_FIND_PORT = prepare(
    select(*PORT_COLUMNS).where(ports.c.id == bindparam("id"), ports.c.project_id == bindparam("project"))
)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and whether there are more after it."""

    items: list[T]
    has_more: bool

    @property
    def info(self) -> PageInfo:
        """What v3 says about the page."""
        ids = [item.id for item in self.items]
        return PageInfo(
            previous_marker=ids[0] if ids else None,
            current_count=len(ids),
            next_marker=ids[-1] if self.has_more and ids else None,
        )


def among(column: Column[Any], values: Values) -> Conditions:
    """The column has one of the values; no condition when there are none."""
    if not values:
        return []
    return [column == values] if isinstance(values, str) else [column.in_(values)]


def with_address(tx: Tx, project_id: str, filters: Sequence[str]) -> Conditions:
    """Ports with one of the addresses, and in one of the subnets, that `ip_address=…` and `subnet_id=…` name."""
    named: dict[str, list[str]] = {}
    for entry in filters:
        key, _, value = entry.partition("=")
        named.setdefault(key.removesuffix("_cidr_id").removesuffix("_id"), []).append(value)
    conditions = among(ports.c.ip_address, named.get("ip_address"))
    if "subnet" in named:
        ids = (str(row["id"]) for row in tx.rows(_SUBNET_IDS, {"project": project_id}))
        conditions.append(ports.c.subnet_id.in_([each for each in ids if cidr_id(each) in named["subnet"]]))
    return conditions


def list_vpcs(
    tx: Tx, project_id: str, conditions: Conditions, limit: int, marker: str | None, sees: Sight | None = None
) -> Page[Vpc]:
    """The project's VPCs that meet the conditions."""
    query = select(*VPC_COLUMNS).where(vpcs.c.project_id == project_id, *conditions)
    return _page(tx, query, vpcs.c.id, Vpc, limit, marker, sees)


def list_subnets(
    tx: Tx, project_id: str, conditions: Conditions, limit: int, marker: str | None, sees: Sight | None = None
) -> Page[Subnet]:
    """The project's subnets that meet the conditions."""
    query = select(*SUBNET_COLUMNS).where(subnets.c.project_id == project_id, *conditions)
    return _page(tx, query, subnets.c.id, Subnet, limit, marker, sees)


def list_ports(
    tx: Tx, project_id: str, conditions: Conditions, limit: int, marker: str | None, sees: Sight | None = None
) -> Page[Port]:
    """The project's ports that meet the conditions."""
    query = select(*PORT_COLUMNS).where(ports.c.project_id == project_id, *conditions)
    return _page(tx, query, ports.c.id, Port, limit, marker, sees)


def find_port(tx: Tx, project_id: str, port_id: str) -> Port | None:
    """The port with this id, when it belongs to the project."""
    row = tx.row(_FIND_PORT, {"id": port_id, "project": project_id})
    return None if row is None else Port(**row_values(row))


def subnets_per_vpc(tx: Tx, project_id: str) -> dict[str, int]:
    """How many subnets each VPC of the project has; those without any are left out."""
    return {row["vpc_id"]: row["found"] for row in tx.rows(_SUBNETS_PER_VPC, {"project": project_id})}


def _page(
    tx: Tx, query: Any, id_column: Column[Any], kind: type[T], limit: int, marker: str | None, sees: Sight | None
) -> Page[T]:
    if marker:
        query = query.where(id_column > marker)
    query = query.order_by(id_column)
    if sees is None:
        rows = tx.rows(query.limit(limit + 1))
    else:
        every = tx.rows(query)
        rows = list(compress(every, sees(every)))
    return Page([kind(**row_values(row)) for row in rows[:limit]], len(rows) > limit)
