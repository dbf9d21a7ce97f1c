"""The IMS surface: listing, showing and deleting images (contract: neighbours, section 1; terraform, section 3).

These paths name no project: it is the scope of the token, or with an access key the one in `X-Project-Id`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Literal

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.http.operations import Access, Call, Resource, Surface, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.images import examples, schemas
from goldsmith.images.listing import (
    BadMoment,
    Order,
    at_moment,
    constant,
    in_enterprise_project,
    is_one_of,
    list_images,
    of_type,
    with_tag,
)
from goldsmith.images.models import images
from goldsmith.images.service import SEEN_VISIBILITY, Image, ImageProtected, Images, NotOwner
from goldsmith.store import Store

TAG = "Images"
KIND = "image"
KEYS = ("g:EnterpriseProjectId",)
Text = Annotated[str | None, Query(max_length=255)]
Flag = Literal["true", "false"]
Platform = Literal[
    "Windows", "Ubuntu", "RedHat", "Red Hat", "SUSE", "CentOS", "Debian", "OpenSUSE", "Oracle Linux", "Fedora",
    "Other", "CoreOS", "EulerOS", "Huawei Cloud EulerOS",
]  # fmt: skip
SortKey = Literal["created_at", "name", "container_format", "disk_format", "status", "id", "size"]


class ImagesApi:
    """Images a project may see."""

    def __init__(self, store: Store, images: Images) -> None:
        self._store = store
        self._images = images

    async def touched(self, call: Call, _body: bytes) -> Touched:
        """The image of the path; of one the project does not see, the id alone."""
        image_id, project = call.path["image_id"], call.caller.project_id
        image = await self._store.read(lambda tx: self._images.find(tx, project, image_id)) if project else None
        return Touched([_resource(image, project) if image is not None else Resource(KIND, image_id)])

    @operation(
        "ListImages", "GET", "/v2/cloudimages", surface=Surface.IMS, tag=TAG,
        action="ims:images:list", access=Access.LIST, resource_type=KIND, condition_keys=KEYS,
        answer=examples.IMAGES,
    )  # fmt: skip
    async def list_images(
        self,
        call: CurrentCall,
        id: Text = None,
        name: Text = None,
        owner: Text = None,
        imagetype: Annotated[Literal["gold", "private", "shared", "market"] | None, Query(alias="__imagetype")] = None,
        isregistered: Annotated[Flag, Query(alias="__isregistered")] = "true",
        os_type: Annotated[Literal["Linux", "Windows", "Other"] | None, Query(alias="__os_type")] = None,
        os_bit: Annotated[Literal["32", "64"] | None, Query(alias="__os_bit")] = None,
        platform: Annotated[Platform | None, Query(alias="__platform")] = None,
        status: Literal["queued", "saving", "deleted", "killed", "active"] | None = None,
        visibility: Literal["public", "private", "shared"] | None = None,
        enterprise_project_id: Text = None,
        member_status: Literal["accepted", "rejected", "pending"] = "accepted",
        min_disk: Annotated[int | None, Query(ge=0, le=1024)] = None,
        min_ram: Annotated[int | None, Query(ge=0)] = None,
        protected: bool | None = None,
        virtual_env_type: Literal["FusionCompute", "Ironic", "DataImage"] | None = None,
        disk_format: Literal["vhd", "zvhd", "raw", "qcow2", "zvhd2", "iso"] | None = None,
        container_format: Text = None,
        tag: Text = None,
        architecture: Literal["x86", "arm"] | None = None,
        created_at: Text = None,
        updated_at: Text = None,
        sort_key: SortKey = "created_at",
        sort_dir: Literal["asc", "desc"] = "desc",
        limit: Annotated[int, Query(ge=0, le=1000)] = 500,
        marker: Text = None,
    ) -> schemas.ImageList:
        """List images."""
        project, column = project_of(call), images.c
        conditions = is_one_of(column.id, id) + is_one_of(column.name, name) + is_one_of(column.project_id, owner)
        conditions += of_type(imagetype) + in_enterprise_project(enterprise_project_id) + with_tag(tag)
        conditions += is_one_of(column.os_type, os_type) + is_one_of(column.platform, platform)
        conditions += is_one_of(column.status, status) + is_one_of(SEEN_VISIBILITY, visibility)
        conditions += is_one_of(column.min_disk, min_disk) + is_one_of(column.min_ram, min_ram)
        conditions += is_one_of(column.architecture, architecture)
        conditions += is_one_of(column.declared, None if protected is None else int(protected))
        conditions += constant("true", isregistered) + constant(schemas.OS_BIT, os_bit)
        conditions += constant(schemas.VIRTUAL_ENV_TYPE, virtual_env_type)
        conditions += constant(schemas.DISK_FORMAT, disk_format)
        conditions += constant(schemas.CONTAINER_FORMAT, container_format)
        for field, text in (("created_at", created_at), ("updated_at", updated_at)):
            try:
                conditions += at_moment(column[field], text)
            except BadMoment as error:
                message = "Write it as operator:time, for instance gte:2024-05-07T07:54:21Z."
                raise errors.refusal([Problem(field, text, "time", message)]) from error
        order = Order(sort_key, sort_dir == "desc", limit, marker)
        sees = None if call.sees is None else partial(_seen, call.sees, project)
        found = await self._store.read(lambda tx: list_images(tx, project, conditions, member_status, order, sees))
        return schemas.ImageList(images=[schemas.image_info(image) for image in found])

    @operation(
        "GlanceShowImage", "GET", "/v2/images/{image_id}", surface=Surface.IMS, tag=TAG,
        action="ims:images:get", resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.NOT_FOUND,),
        answer=examples.IMAGE,
    )  # fmt: skip
    async def show_image(self, call: CurrentCall, image_id: str) -> schemas.ImageInfo:
        """Show an image."""
        project = project_of(call)
        image = await self._store.read(lambda tx: self._images.find(tx, project, image_id))
        if image is None:
            raise errors.NOT_FOUND.error(f"There is no image {image_id}; GET /v2/cloudimages lists them.")
        return schemas.image_info(image)

    @operation(
        "GlanceDeleteImage", "DELETE", "/v2/images/{image_id}", surface=Surface.IMS, tag=TAG, success=204,
        action="ims:images:delete", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS, touches="touched",
    )  # fmt: skip
    async def delete_image(self, call: CurrentCall, image_id: str) -> None:
        """Delete an image of this project; an unknown id is not an error."""
        project = project_of(call)
        try:
            await self._store.write(lambda tx: self._images.delete(tx, project, image_id))
        except NotOwner as error:
            text = f"Image {image_id} belongs to another project; only its owner can delete it."
            raise errors.FORBIDDEN.error(text) from error
        except ImageProtected as error:
            text = f"Image {image_id} is declared in the catalogue file and can only be removed there."
            raise errors.FORBIDDEN.error(text) from error


def project_of(call: Call) -> str:
    """The project the credential stands for; a refusal that says how to name one when it stands for none."""
    if not call.caller.project_id:
        message = "Use a token scoped to a project, or name the project in this header."
        raise errors.refusal([Problem("X-Project-Id", None, "required", message)])
    return call.caller.project_id


def _resource(image: Image, project_id: str | None) -> Resource:
    """Images of other projects are in none of the account's enterprise projects."""
    return Resource(KIND, image.id, image.enterprise_project_id if image.project_id == project_id else None)


def _seen(sees: Callable[[Iterable[Resource]], list[bool]], project_id: str, found: Sequence[Image]) -> Sequence[bool]:
    return sees(_resource(image, project_id) for image in found)
