"""Wire shapes of server groups and their tags (contract: operations, section 9)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from goldsmith.app_servers.schemas import Flavor, Tag
from goldsmith.app_servers.shared_schemas import Description, Moment, Name, Plain, TmsTag
from goldsmith.catalog.schemas import ProductInfo
from goldsmith.http.wire import Answer, Body

AppType = Literal["SESSION_DESKTOP_APP", "COMMON_APP"]
MountPolicy = Literal["USER", "SHARE", "ANY"]
ImageType = Literal["gold", "public", "private", "shared", "other"]
VolumeType = Literal["ESSD", "SSD", "GPSSD", "SAS", "SATA"]


class RoutePolicy(Body):
    """When a server takes no more sessions; 0 means not set (Terraform sends it)."""

    max_session: Annotated[int, Field(ge=0, le=1024)] | None = None
    cpu_threshold: Annotated[int, Field(ge=0, le=100, description="Percent.")] | None = None
    mem_threshold: Annotated[int, Field(ge=0, le=100, description="Percent.")] | None = None
    gpu_threshold: Annotated[int, Field(ge=0, le=100, description="Percent.")] | None = None


class UpdateServerGroup(Body):
    """What to change; what is absent stays.

    The fields after `route_policy` describe servers that the group would make; groups make none here, so these
    fields are accepted with their present value only.
    """

    name: Name | None = None
    description: Description | None = None
    route_policy: RoutePolicy | None = None
    storage_mount_policy: MountPolicy | None = None
    image_id: Annotated[str, Field(max_length=128)] | None = None
    image_product_id: Annotated[str, Field(max_length=128)] | None = None
    image_type: ImageType | None = None
    system_disk_type: VolumeType | None = None
    system_disk_size: Annotated[int, Field(ge=10, le=32768)] | None = None
    ou_name: Annotated[str, Field(max_length=255), Plain] | None = None
    app_type: AppType | None = None
    server_group_status: bool | None = None


class GroupName(Body):
    """A name to check."""

    name: Annotated[str, Field(max_length=255), Plain]


class NameVerdict(Answer):
    """Whether the name can be used; the rule that it breaks."""

    result: bool
    validate_rule: Literal["naming", "duplicate"] | None = None


class ScalingPolicy(Answer):
    """Whether the group makes servers by itself; it never does."""

    enable: bool = False


class IpVirtual(Answer):
    """Whether sessions have addresses of their own; they never have."""

    enable: bool = False


class ServerGroupBrief(Answer):
    """A server group in the brief list."""

    id: str
    name: str
    description: str
    app_type: AppType
    image_id: str
    os_type: str
    product_id: str
    subnet_id: str
    system_disk_type: str
    system_disk_size: Annotated[int, Field(description="GB.")]
    is_vdi: bool
    extra_session_type: Literal["GPU", "CPU"] | None = None
    extra_session_size: int
    site_type: str = "CENTER"
    storage_mount_policy: MountPolicy = "ANY"
    server_group_status: bool = Field(True, description="Whether the group is enabled; it always is.")
    primary_server_group_ids: list[str] = Field(default_factory=list)
    secondary_server_group_ids: list[str] = Field(default_factory=list)
    app_group_count: int
    enterprise_project_id: str
    create_time: Moment
    update_time: Moment


class ServerGroup(ServerGroupBrief):
    """A server group."""

    image_name: str
    product_info: ProductInfo | None = None
    subnet_name: str
    ou_name: str
    app_server_count: int
    app_server_flavor_count: int
    scaling_policy: ScalingPolicy = Field(default_factory=ScalingPolicy)
    tags: list[Tag]


class ServerGroupDetail(ServerGroup):
    """A server group by itself; `route_policy` has what was set."""

    flavors: list[Flavor]
    image_min_disk: int
    image_type: str
    image_product_id: str
    route_policy: RoutePolicy
    ip_virtual: IpVirtual = Field(default_factory=IpVirtual)


class ServerGroupPage(Answer):
    """A page of server groups, newest first."""

    count: int
    items: list[ServerGroup]


class ServerGroupBriefPage(Answer):
    """A page of server groups, newest first, with less of each."""

    count: int
    items: list[ServerGroupBrief]


class GroupState(Answer):
    """How many servers of the group are in which status."""

    aps_status: dict[str, int]


class Restrictions(Answer):
    """Most sessions on a server, and most groups the project can come to have."""

    max_session: int
    max_group_count: int


class TagValues(Answer):
    """A key and all its values in the project."""

    key: str
    values: list[str]


class ProjectTags(Answer):
    """All keys in the project."""

    tags: list[TagValues]


class GroupTags(Answer):
    """The tags of a group."""

    tags: list[Tag]
    sys_tags: list[Tag] = Field(default_factory=list)


Tags = Annotated[list[TmsTag], Field(min_length=1, max_length=20)]


class TagsBody(Body):
    """Tags of one group."""

    tags: Tags


class TagsOfGroup(Body):
    """Tags of the group named."""

    server_group_id: Annotated[str, Field(min_length=1, max_length=128)]
    tags: Tags


class TagsOfGroups(Body):
    """Tags of several groups."""

    items: Annotated[list[TagsOfGroup], Field(min_length=1, max_length=20)]
