"""Images: finding the one a request names, and saying exactly what does not fit.

Images of public visibility (gold, public, and others without an owner) are seen by everybody, the rest by
their owner and the projects whose membership is accepted. To a member a private image is a shared one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, case, delete, exists, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from goldsmith.errors import Problem
from goldsmith.images.catalogue import DeclaredImage, declare
from goldsmith.images.models import image_members, images
from goldsmith.store import Row, Tx, prepare

ACTIVE = "active"
DELETED = "deleted"


class ImageProtected(Exception):
    """The image comes from the catalogue file and can only be removed there."""


class NotOwner(Exception):
    """The image is another project's."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as one project sees it.

    `kind` is the contract's image type, `project_id` the owner, `file` the cloud's id of it; `min_disk` is in
    GB, `min_ram` in MB, `size` in bytes. `source_server_id` and `base_image_id` tell its origin.
    """

    id: str
    project_id: str
    name: str
    kind: str
    visibility: str
    status: str
    os_type: str
    os_version: str
    platform: str
    architecture: str
    min_disk: int
    min_ram: int
    size: int
    file: str
    spce_code: str
    product_id: str
    description: str
    tags: tuple[str, ...]
    enterprise_project_id: str
    declared: bool
    source_server_id: str
    base_image_id: str
    created_at: int
    updated_at: int


def membership(status: str | ColumnElement[Any] = "accepted") -> ColumnElement[bool]:
    """The project (parameter `project`) is a member of the image with this status."""
    return exists().where(
        image_members.c.image_id == images.c.id,
        image_members.c.project_id == bindparam("project"),
        image_members.c.status == status,
    )


IS_OWN = images.c.project_id == bindparam("project")
SEEN_KIND = case((or_(IS_OWN, images.c.kind != "private"), images.c.kind), else_="shared")
SEEN_VISIBILITY = case((or_(IS_OWN, images.c.visibility != "private"), images.c.visibility), else_="shared")
"""Kind and visibility in the eyes of the project."""

_SEEN = {"kind": SEEN_KIND.label("kind"), "visibility": SEEN_VISIBILITY.label("visibility")}
SEEN_COLUMNS = [_SEEN.get(name, images.c[name]) for name in Image.__dataclass_fields__]
VISIBLE = or_(images.c.visibility == "public", IS_OWN, membership())

_FIND = prepare(select(*SEEN_COLUMNS).where(images.c.id == bindparam("id"), images.c.status != DELETED, VISIBLE))
_ADD = prepare(insert(images))
_DELETE = prepare(
    update(images).where(images.c.id == bindparam("of")).values(status=DELETED, updated_at=bindparam("at"))
)
_FORGET_MEMBERS = prepare(delete(image_members).where(image_members.c.image_id == bindparam("of")))


class Images:
    """What other rooms ask of the image catalogue."""

    def declare(self, tx: Tx, owner_project: str, entries: Sequence[DeclaredImage]) -> None:
        """Make the catalogue's images the declared ones; see `catalogue.declare`."""
        declare(tx, owner_project, entries)

    def find(self, tx: Tx, project_id: str, image_id: str) -> Image | None:
        """The image with this id, when the project may see it and it is not deleted."""
        row = tx.row(_FIND, {"id": image_id, "project": project_id})
        return None if row is None else image_from(row)

    def add(self, tx: Tx, image: Image) -> None:
        """Record an image that was built. Raises `Duplicate` when the id is taken."""
        fields = {name: getattr(image, name) for name in Image.__dataclass_fields__}
        tx.run(_ADD, fields | {"tags": json.dumps(image.tags), "declared": int(image.declared)})

    def delete(self, tx: Tx, project_id: str, image_id: str) -> bool:
        """Delete an own image; False when the project sees none with this id.

        `NotOwner` when the project only may use it, `ImageProtected` when the catalogue file declares it.
        """
        image = self.find(tx, project_id, image_id)
        if image is None:
            return False
        if image.project_id != project_id:
            raise NotOwner(image_id)
        if image.declared:
            raise ImageProtected(image_id)
        tx.run(_DELETE, {"of": image_id, "at": tx.now})
        tx.run(_FORGET_MEMBERS, {"of": image_id})
        return True

    def check_ref(
        self,
        tx: Tx,
        project_id: str,
        *,
        image_id: str | None,
        image_type: str | None,
        spce_code: str | None,
        product_id: str | None,
    ) -> Image | list[Problem]:
        """The image an ImageRef (operations.md, section 0) means, or everything that is wrong with it.

        A part that is None was reported already: what needs it is not checked, and the list may be empty.
        """
        image = self.find(tx, project_id, image_id) if image_id is not None else None
        problems: list[Problem] = []
        if image_id is not None:
            problems += _check_id(image_id, image)
        if image is not None and image_type not in (None, image.kind):
            message = f"Image {image.id} ({image.name}) is of type {image.kind}, not {image_type}."
            problems.append(Problem("image_ref.image_type", image_type, "image_type", message))
        if (image.kind if image is not None else image_type) == "gold":
            problems += _check_listing("spce_code", spce_code, image.spce_code if image else None)
            problems += _check_listing("product_id", product_id, image.product_id if image else None)
        return image if image is not None and not problems else problems


def _check_id(image_id: str, image: Image | None) -> list[Problem]:
    if image is None:
        message = f"There is no image {image_id} in this project; GET /v2/cloudimages lists them."
        return [Problem("image_ref.id", image_id, "exists", message)]
    if image.status != ACTIVE:
        message = f"Image {image_id} ({image.name}) is {image.status}; wait until it is {ACTIVE}."
        return [Problem("image_ref.id", image_id, "status", message)]
    return []


def _check_listing(field: str, sent: str | None, listed: str | None) -> list[Problem]:
    """What is wrong with a code of a gold image; `listed` is None when the image is not known."""
    if sent is None:
        return []
    if not sent:
        message = f"A gold image needs the {field} of its marketplace listing."
        return [Problem(f"image_ref.{field}", sent, "required", message)]
    if listed is not None and sent != listed:
        message = f"The {field} of this image's marketplace listing is {listed!r}, not {sent!r}."
        return [Problem(f"image_ref.{field}", sent, "listing", message)]
    return []


def image_from(row: Row) -> Image:
    """The `Image` in a row of `SEEN_COLUMNS`."""
    fields: dict[str, Any] = {name: row[name] for name in Image.__dataclass_fields__}
    fields["tags"], fields["declared"] = tuple(json.loads(row["tags"])), bool(row["declared"])
    return Image(**fields)
