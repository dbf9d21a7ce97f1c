"""One page of a table, narrowed to what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, func, select

from goldsmith.store.interface import Row, Tx


def page_of(
    tx: Tx,
    table: Table,
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]],
    *,
    offset: int,
    limit: int,
    facts: Sequence[Column[Any]] = (),
    sees: Callable[[Sequence[Row]], Sequence[bool]] | None = None,
) -> tuple[int, Sequence[Row]]:
    """How many rows match, and one page of them.

    `sees` is handed the ids and `facts` of all that match and tells which of them count; None means all.
    """
    if sees is None:
        count: int = tx.scalar(select(func.count()).select_from(table).where(*conditions))
        return count, tx.rows(select(table).where(*conditions).order_by(*order).offset(offset).limit(limit))
    known = tx.rows(select(table.c.id, *facts).where(*conditions).order_by(*order))
    seen = [row["id"] for row, is_seen in zip(known, sees(known), strict=True) if is_seen]
    page = select(table).where(table.c.id.in_(seen[offset : offset + limit])).order_by(*order)
    return len(seen), tx.rows(page)
