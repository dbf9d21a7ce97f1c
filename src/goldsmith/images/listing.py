"""The list of images: conditions from filters, any of seven orders, pages by marker.

A page begins after the image its marker names, in the order of the list; images with the same sort value are in
the order of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from typing import Any

from sqlalchemy import Column, and_, false, func, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from goldsmith.images.models import images
from goldsmith.images.service import DELETED, IS_OWN, SEEN_COLUMNS, SEEN_KIND, Image, image_from, membership
from goldsmith.store import Tx

ORDERS: dict[str, Column[Any]] = {name: images.c[name] for name in ("created_at", "name", "status", "size", "id")}
"""Sort keys that make a difference; the container and disk formats are the same for all."""

OPERATORS = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__", "eq": "__eq__", "neq": "__ne__"}


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted, and where a page of it begins."""

    key: str = "created_at"
    descending: bool = True
    limit: int = 500
    marker: str | None = None


class BadMoment(ValueError):
    """A time filter is not of the form `operator:time`."""


def is_one_of(column: ColumnElement[Any], value: object) -> list[ColumnElement[bool]]:
    """The column has the value; no condition when there is none."""
    return [] if value is None or value == "" else [column == value]


def constant(held: object, value: object) -> list[ColumnElement[bool]]:
    """Every image has `held`: nothing is found when another value is asked for."""
    return [] if value in (None, "", held) else [false()]


def of_type(imagetype: str | None) -> list[ColumnElement[bool]]:
    """Images that IMS calls by this type."""
    is_public = images.c.visibility == "public"
    if imagetype == "gold":
        return [or_(SEEN_KIND == "public", and_(SEEN_KIND == "other", is_public))]
    if imagetype == "private":
        return [or_(SEEN_KIND == "private", and_(SEEN_KIND == "other", ~is_public))]
    return is_one_of(SEEN_KIND, {"market": "gold", "shared": "shared"}.get(imagetype or ""))


def with_tag(tag: str | None) -> list[ColumnElement[bool]]:
    """Images that carry the tag: it is looked for as an element of the JSON list."""
    if not tag:
        return []
    element = json.dumps(tag)
    return [
        or_(
            func.instr(images.c.tags, f"[{element}") == 1,
            func.instr(images.c.tags, f", {element}") > 0,
        )
    ]


def in_enterprise_project(wanted: str | None) -> list[ColumnElement[bool]]:
    """Images of an enterprise project; those of other projects are in none and always found."""
    if wanted == "all_granted_eps":
        return []
    return [or_(~IS_OWN, images.c.enterprise_project_id == (wanted or "0"))]


def at_moment(column: Column[Any], text: str | None) -> list[ColumnElement[bool]]:
    """The time column compared as `gte:2024-05-07T07:54:21Z` says; `BadMoment` when it is written differently."""
    if not text:
        return []
    operator, _, moment = text.partition(":")
    try:
        parsed = datetime.fromisoformat(moment)
        method = OPERATORS[operator]
    except (KeyError, ValueError) as error:
        raise BadMoment(text) from error
    seconds = int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
    found: ColumnElement[bool] = getattr(column // 1000, method)(seconds)
    return [found]


def list_images(
    tx: Tx, project_id: str, conditions: Sequence[ColumnElement[bool]], member_status: str, order: Order,
    sees: Callable[[Sequence[Image]], Sequence[bool]] | None = None,
) -> list[Image]:  # fmt: skip
    """Images the project may see and that meet the conditions; nothing when the marker is unknown.

    `sees` tells which of them the caller may see; None means all. `member_status` is what a
    membership must be for the images of other projects to be found.
    """
    is_visible = or_(images.c.visibility == "public", IS_OWN, membership(member_status))
    column = ORDERS.get(order.key, images.c.id)
    query = select(*SEEN_COLUMNS).where(images.c.status != DELETED, is_visible, *conditions)
    if order.marker:
        marker = tx.row(select(column.label("value")).where(images.c.id == order.marker))
        if marker is None:
            return []
        query = query.where(_after(column, marker["value"], order))
    for each in (column, images.c.id):
        query = query.order_by(each.desc() if order.descending else each.asc())
    if sees is None:
        return [image_from(row) for row in tx.rows(query.limit(order.limit), {"project": project_id})]
    found = [image_from(row) for row in tx.rows(query, {"project": project_id})]
    return list(compress(found, sees(found)))[: order.limit]


def _after(column: Column[Any], value: Any, order: Order) -> ColumnElement[bool]:
    same = and_(column == literal(value), _beyond(images.c.id, order.marker, order.descending))
    return or_(_beyond(column, value, order.descending), same)


def _beyond(column: Column[Any], value: Any, descending: bool) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column < value if descending else column > value
    return found
