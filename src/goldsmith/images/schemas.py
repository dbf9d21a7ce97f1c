"""What the IMS surface answers (contract: neighbours, section 1).

IMS has its own words: its `gold` is a public image, its `market` what the image server API calls `gold`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from goldsmith.images.service import Image

IMAGE_TYPES = {"gold": "market", "public": "gold", "private": "private", "shared": "shared"}
"""The contract's image types in the words of IMS; `other` depends on who may see it."""

CONTAINER_FORMAT = "bare"
DISK_FORMAT = "qcow2"
VIRTUAL_ENV_TYPE = "FusionCompute"
OS_BIT = "64"
SOURCE_TYPE = "uds"


class ImageInfo(BaseModel):
    """An image. Fields are filled by their Python names and written under their aliases."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    name: str
    status: str
    visibility: str
    image_type: str = Field(alias="__imagetype")
    os_type: str = Field(alias="__os_type")
    os_version: str = Field(alias="__os_version")
    os_bit: str = Field(OS_BIT, alias="__os_bit")
    platform: str = Field(alias="__platform")
    is_registered: str = Field("true", alias="__isregistered")
    image_source_type: str = Field(SOURCE_TYPE, alias="__image_source_type")
    image_size: str = Field(alias="__image_size")
    product_code: str | None = Field(None, alias="__productcode")
    description: str = Field(alias="__description")
    original_image_name: str = Field(alias="__originalimagename")
    lazy_loading: str = Field("false", alias="__lazyloading")
    support_kvm: str = Field("true", alias="__support_kvm")
    support_arm: str = Field(alias="__support_arm")
    min_disk: int
    min_ram: int
    owner: str
    protected: bool
    virtual_env_type: str = VIRTUAL_ENV_TYPE
    container_format: str = CONTAINER_FORMAT
    disk_format: str = DISK_FORMAT
    enterprise_project_id: str
    size: int
    tags: list[str]
    self_link: str = Field(alias="self")
    file: str
    schema_link: str = Field("/v2/schemas/image", alias="schema")
    created_at: str
    updated_at: str
    active_at: str | None = None


class ImageList(BaseModel):
    """Answer of `GET /v2/cloudimages`."""

    images: list[ImageInfo]


def image_info(image: Image) -> ImageInfo:
    """The image as IMS shows it."""
    created = _time(image.created_at)
    return ImageInfo(
        id=image.id, name=image.name, status=image.status, visibility=image.visibility,
        image_type=_image_type(image), os_type=image.os_type, os_version=image.os_version,
        platform=image.platform, image_size=str(image.size), product_code=image.product_id or None,
        description=image.description, original_image_name=image.name,
        support_arm="true" if image.architecture == "arm" else "false", min_disk=image.min_disk,
        min_ram=image.min_ram, owner=image.project_id, protected=image.declared,
        enterprise_project_id=image.enterprise_project_id, size=image.size, tags=list(image.tags),
        self_link=f"/v2/images/{image.id}", file=f"/v2/images/{image.id}/file", created_at=created,
        updated_at=_time(image.updated_at), active_at=created if image.status == "active" else None,
    )  # fmt: skip


def _image_type(image: Image) -> str:
    return IMAGE_TYPES.get(image.kind, "gold" if image.visibility == "public" else "private")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
