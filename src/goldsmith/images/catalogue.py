"""Bringing the tables in line with the images of the catalogue file, at every start.

An image the file no longer names is marked deleted and stays: machines and images made from it still name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import bindparam, delete, insert, select, update

from goldsmith.images.models import image_members, images
from goldsmith.store import Tx, prepare


class DeclaredImage(Protocol):
    """An image of the catalogue file. `min_disk` in GB, `min_ram` in MB, `file` is the cloud's id."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def os_type(self) -> str: ...
    @property
    def os_version(self) -> str: ...
    @property
    def platform(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def min_disk(self) -> int: ...
    @property
    def min_ram(self) -> int: ...
    @property
    def description(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def spce_code(self) -> str: ...
    @property
    def product_id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def members(self) -> Sequence[str]: ...


_FIELDS = (
    "name", "kind", "os_type", "os_version", "platform", "architecture", "min_disk", "min_ram", "description",
    "file", "spce_code", "product_id",
)  # fmt: skip
_FIND = prepare(select(images).where(images.c.id == bindparam("id")))
_DECLARED = prepare(select(images.c.id).where(images.c.declared == 1, images.c.status != "deleted"))
_ADD = prepare(insert(images))
_CHANGE = prepare(
    update(images)
    .where(images.c.id == bindparam("of"))
    .values(
        {
            name: bindparam(f"to_{name}")
            for name in (*_FIELDS, "project_id", "visibility", "status", "declared", "updated_at")
        }
    )
)
_RETIRE = prepare(
    update(images).where(images.c.id == bindparam("of")).values(status="deleted", updated_at=bindparam("at"))
)
_FORGET_MEMBERS = prepare(delete(image_members).where(image_members.c.image_id == bindparam("of")))
_ADD_MEMBER = prepare(insert(image_members))


def declare(tx: Tx, owner_project: str, entries: Sequence[DeclaredImage]) -> None:
    """Make `entries` the declared images; `owner_project` owns those that name no owner. Repeatable."""
    for entry in entries:
        _declare(tx, owner_project, entry)
    kept = {entry.id for entry in entries}
    for row in tx.rows(_DECLARED):
        if row["id"] not in kept:
            tx.run(_RETIRE, {"of": row["id"], "at": tx.now})


def _declare(tx: Tx, owner_project: str, entry: DeclaredImage) -> None:
    wanted: dict[str, Any] = {name: getattr(entry, name) or "" for name in _FIELDS}
    wanted |= {
        "min_disk": entry.min_disk, "min_ram": entry.min_ram, "project_id": entry.owner or owner_project,
        "visibility": _visibility(entry), "status": "active", "declared": 1,
    }  # fmt: skip
    row = tx.row(_FIND, {"id": entry.id})
    if row is None:
        new = {
            "id": entry.id, "size": 0, "tags": "[]", "enterprise_project_id": "0", "source_server_id": "",
            "base_image_id": "", "created_at": tx.now, "updated_at": tx.now,
        }  # fmt: skip
        tx.run(_ADD, wanted | new)
    elif any(row[name] != value for name, value in wanted.items()):
        changes = {f"to_{name}": value for name, value in wanted.items()}
        tx.run(_CHANGE, {"of": entry.id, **changes, "to_updated_at": tx.now})
    tx.run(_FORGET_MEMBERS, {"of": entry.id})
    for member in dict.fromkeys(entry.members):
        tx.run(_ADD_MEMBER, {"image_id": entry.id, "project_id": member, "status": "accepted"})


def _visibility(entry: DeclaredImage) -> str:
    if entry.kind in ("gold", "public") or (entry.kind == "other" and not entry.owner):
        return "public"
    return "shared" if entry.kind == "shared" else "private"
