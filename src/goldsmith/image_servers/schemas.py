"""Wire shapes of image servers (contract: operations, section 2).

Only what can be said of a field alone is said here; what depends on the world or on other fields is in
`preflight.py`. null stands for "not given" wherever a field is optional, because published examples and Terraform
send it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from goldsmith.app_servers.shared_schemas import Description, Name, Plain, TmsTag
from goldsmith.http.wire import Answer, Body

NO_SPACE = r"^\S*$"
ListingCode = Annotated[
    Annotated[str, Field(max_length=100, pattern=NO_SPACE)] | None, AfterValidator(lambda code: code or "")
]
"""What names an image of the marketplace; null is as good as nothing."""


class Volume(Body):
    """The system disk."""

    type: Literal["ESSD", "SSD", "GPSSD", "SAS", "SATA"]
    size: Annotated[int, Field(ge=10, le=1024, multiple_of=10, description="GB.")]
    cluster_id: Annotated[str, Field(max_length=255)] | None = None


class ImageRef(Body):
    """The source image."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    image_type: Literal["gold", "public", "private", "shared", "other"]
    spce_code: ListingCode = ""
    product_id: ListingCode = ""


class ImageAccountInfo(Body):
    """An account that may use the image server."""

    account: Annotated[str, Field(min_length=1, max_length=128), Plain]
    account_type: Literal["USER", "USER_GROUP"]
    domain: Annotated[str, Field(max_length=64), Plain] | None = None


class WdhParam(Body):
    """Placement on a dedicated host."""

    dedicated_host_id: Annotated[str, Field(max_length=255)] | None = None
    tenancy: Annotated[str, Field(max_length=255)] | None = None


class RoutePolicy(Body):
    """When a multi-session server takes no more sessions; 0 means not set (Terraform sends it)."""

    max_session: Annotated[int, Field(ge=0, le=1024)] | None = None
    cpu_threshold: Annotated[int, Field(ge=0, le=100, description="Percent.")] | None = None
    mem_threshold: Annotated[int, Field(ge=0, le=100, description="Percent.")] | None = None


class CreateImageServer(Body):
    """What to make."""

    name: Name
    description: Description | None = None
    root_volume: Volume
    image_ref: ImageRef
    vpc_id: Annotated[str, Field(min_length=1, max_length=128)]
    subnet_id: Annotated[str, Field(min_length=1, max_length=128)]
    product_id: Annotated[str, Field(min_length=1, max_length=128)]
    flavor_id: Annotated[str, Field(max_length=255)] | None = None
    availability_zone: Annotated[str, Field(max_length=255)] | None = None
    attach_apps: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=100)] | None = (
        None
    )
    authorize_accounts: Annotated[list[ImageAccountInfo], Field(min_length=1, max_length=1)]
    ou_name: Annotated[str, Field(max_length=255), Plain] | None = None
    is_vdi: bool | None = None
    scheduler_hints: WdhParam | None = None
    extra_session_type: Literal["GPU", "CPU"] | None = None
    extra_session_size: Annotated[int, Field(ge=1, le=10000)] | None = None
    route_policy: RoutePolicy | None = None
    tags: Annotated[list[TmsTag], Field(max_length=20)] | None = None
    enterprise_project_id: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9-]*$")] | None = None


class CreateAnswer(Answer):
    """The job that makes the image server; for a dry run only that it would have been accepted."""

    job_id: str | None = None
    dry_run: bool | None = Field(None, description="Extension: true when nothing was created because of `dry_run`.")


class UpdateImageServer(Body):
    """What to change; what is absent stays."""

    name: Name | None = None
    description: Description | None = None


class DeleteImageServers(Body):
    """Which image servers to delete, and whether with everything that was made for them."""

    items: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=20)]
    recursive: bool | None = None


class ShownImageRef(Answer):
    """The source image as it was sent."""

    id: str
    image_type: str
    spce_code: str
    product_id: str


class ShownAccount(Answer):
    """The authorised account as it was sent."""

    account: str
    account_type: str
    domain: str | None = None


class ImageServer(Answer):
    """An image server."""

    id: str
    name: str
    description: str
    image_ref: ShownImageRef
    server_group_id: str
    app_group_id: str
    server_id: str
    instance_id: str
    image_id: str
    status: Literal["CREATING", "ACTIVE", "BUILDING", "BUILT", "ERROR", "DELETING"]
    authorize_accounts: list[ShownAccount]
    create_time: str
    update_time: str
    enterprise_project_id: str


class ImageServers(Answer):
    """A page of image servers, newest first."""

    count: int
    items: list[ImageServer]
