"""Wire shapes of app servers (contract: operations, section 8)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from goldsmith.app_servers.machines import ServerStatus, VmStatus
from goldsmith.app_servers.models import Task
from goldsmith.app_servers.shared_schemas import Description, Moment, Name
from goldsmith.catalog.schemas import ProductInfo
from goldsmith.http.wire import Answer, Body, Ids


class UpdateServer(Body):
    """What to change; what is absent stays."""

    name: Name | None = None
    description: Description | None = None
    maintain_status: Annotated[bool, Field(description="Whether the server is under maintenance.")] | None = None


class Servers(Body):
    """Which servers."""

    items: Ids


class HaltServers(Body):
    """Which servers to stop or reboot, and how: `SOFT` asks the guest, `HARD` cuts the power."""

    items: Ids
    type: Literal["SOFT", "HARD"]


class FlavorLink(Answer):
    """A link to a flavor (`hrel` is spelt so)."""

    rel: str
    hrel: str


class Flavor(Answer):
    """The size of a server."""

    id: str
    links: list[FlavorLink]


class Tag(Answer):
    """A tag as it was sent."""

    key: str
    value: str | None = None


class HostAddress(Answer):
    """An address of the server and where it comes from. Filled by Python names, written under the aliases."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    addr: str
    version: int = 4
    mac_addr: str = Field(alias="OS-EXT-IPS-MAC:mac_addr")
    port_id: str = Field(alias="OS-EXT-IPS:port_id")
    kind: str = Field("fixed", alias="OS-EXT-IPS:type")
    vpc_id: str
    subnet_id: str
    tenant_type: str = "tenant"


class Address(Answer):
    """The same as ECS writes it; the version is text here."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    addr: str
    version: str = "4"
    mac_addr: str = Field(alias="OS-EXT-IPS-MAC:mac_addr")
    port_id: str = Field(alias="OS-EXT-IPS:port_id")
    kind: str = Field("fixed", alias="OS-EXT-IPS:type")


class VolumeInfo(Answer):
    """A disk of the server."""

    type: str
    size: Annotated[int, Field(description="GB.")]
    encrypt_flag: str = "0"


class Freeze(Answer):
    """Why a server is frozen; never here, since nobody is billed."""

    effect: int
    scene: str


class SecurityGroup(Answer):
    """A security group of the server."""

    id: str
    name: str


class AppServer(Answer):
    """An app server."""

    id: str
    name: str
    machine_name: str
    description: str
    server_group_id: str
    server_group_name: str
    flavor: Flavor
    status: ServerStatus
    vm_status: VmStatus
    task_status: Task | Literal["null"] = "null"
    create_time: Moment
    update_time: Moment
    image_id: str
    availability_zone: str
    domain: str
    ou_name: str
    sid: str = ""
    instance_id: str
    os_version: str | None = None
    os_type: str
    order_id: str = ""
    maintain_status: bool
    scaling_auto_create: bool = False
    host_id: str
    product_info: ProductInfo | None = None
    metadata: dict[str, str]
    session_count: int = 0
    freeze: list[Freeze] = Field(default_factory=list)
    host_address: list[HostAddress]
    enterprise_project_id: str
    tags: list[Tag]


class AppServerDetail(AppServer):
    """An app server with its disks and addresses, these by the id of their VPC."""

    addresses: dict[str, list[Address]]
    root_volume: VolumeInfo
    data_volumes: list[VolumeInfo] = Field(default_factory=list)
    security_groups: list[SecurityGroup] = Field(default_factory=list)


class AppServerPage(Answer):
    """A page of app servers, newest first."""

    count: int
    items: list[AppServer]
