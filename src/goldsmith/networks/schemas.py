"""What the VPC surface answers: v1 and v3 shapes of the same three things (contract: neighbours, 2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from goldsmith.networks.service import ACTIVE, Port, Subnet, Vpc

DEFAULT_PROJECT = "0"
"""The enterprise project everything here belongs to."""


class Shape(BaseModel):
    """Fields are filled by their Python names and written under their aliases."""

    model_config = ConfigDict(populate_by_name=True)


class VpcV1(Shape):
    """A VPC as v1 shows it."""

    id: str
    name: str
    cidr: str
    description: str
    routes: list[dict[str, str]] = []
    status: str = "OK"
    enterprise_project_id: str = DEFAULT_PROJECT
    tenant_id: str
    created_at: str
    updated_at: str


class CloudResource(Shape):
    """How many resources of a type a VPC holds."""

    resource_type: str
    resource_count: int


class VpcV3(Shape):
    """A VPC as v3 shows it."""

    id: str
    name: str
    cidr: str
    description: str
    extend_cidrs: list[str] = []
    status: str = ACTIVE
    project_id: str
    enterprise_project_id: str = DEFAULT_PROJECT
    cloud_resources: list[CloudResource]
    tags: list[dict[str, str]] = []
    created_at: str
    updated_at: str


class SubnetV1(Shape):
    """A subnet; `id` is what the image server's `subnet_id` means."""

    id: str
    name: str
    description: str = ""
    cidr: str
    gateway_ip: str
    ipv6_enable: bool = False
    dhcp_enable: bool = True
    primary_dns: str
    secondary_dns: str
    dns_list: list[str] = Field(alias="dnsList")
    availability_zone: str
    vpc_id: str
    status: str = ACTIVE
    neutron_network_id: str
    neutron_subnet_id: str
    extra_dhcp_opts: list[dict[str, str]] = []
    scope: str = "center"
    tenant_id: str
    created_at: str
    updated_at: str


class FixedIp(Shape):
    """An address of a port in v1; `subnet_id` is the `neutron_subnet_id` of the subnet."""

    ip_address: str
    subnet_id: str


class PortV1(Shape):
    """A port as v1 shows it."""

    id: str
    name: str
    network_id: str
    admin_state_up: bool = True
    mac_address: str
    fixed_ips: list[FixedIp]
    device_id: str
    device_owner: str
    tenant_id: str
    status: str
    security_groups: list[str] = []
    allowed_address_pairs: list[dict[str, str]] = []
    extra_dhcp_opts: list[dict[str, str]] = []
    vnic_type: str = Field("normal", alias="binding:vnic_type")
    dns_assignment: list[dict[str, str]] = []
    dns_name: str = ""
    vif_details: dict[str, Any] = Field({}, alias="binding:vif_details")
    profile: dict[str, Any] = Field({}, alias="binding:profile")
    instance_id: str = ""
    instance_type: str = ""
    port_security_enabled: bool = True


class PrivateIp(Shape):
    """An address of a port in v3."""

    ip_address: str
    subnet_cidr_id: str


class PortV3(Shape):
    """A port as v3 shows it."""

    id: str
    name: str
    description: str = ""
    admin_state_up: bool = True
    project_id: str
    tenant_id: str
    virsubnet_id: str
    vpc_id: str
    vpc_tenant_id: str
    mac_address: str
    private_ips: list[PrivateIp]
    device_id: str
    device_owner: str
    status: str
    security_groups: list[str] = []
    allowed_address_pairs: list[dict[str, str]] = []
    extra_dhcp_opts: list[dict[str, str]] = []
    vnic_type: str = Field("normal", alias="binding:vnic_type")
    port_security_enabled: bool = True
    instance_id: str = ""
    instance_type: str = ""
    scope: str = "center"
    tags: list[dict[str, str]] = []
    created_at: str
    updated_at: str


class PageInfo(Shape):
    """Where this page stands; `next_marker` is absent on the last one."""

    previous_marker: str | None = None
    current_count: int
    next_marker: str | None = None


class VpcListV1(Shape):
    """Answer of `GET /v1/{p}/vpcs`."""

    vpcs: list[VpcV1]


class VpcAnswerV1(Shape):
    """Answer of `GET /v1/{p}/vpcs/{id}`."""

    vpc: VpcV1


class VpcListV3(Shape):
    """Answer of `GET /v3/{p}/vpc/vpcs`."""

    request_id: str
    vpcs: list[VpcV3]
    page_info: PageInfo


class VpcAnswerV3(Shape):
    """Answer of `GET /v3/{p}/vpc/vpcs/{id}`."""

    request_id: str
    vpc: VpcV3


class SubnetList(Shape):
    """Answer of `GET /v1/{p}/subnets`."""

    subnets: list[SubnetV1]


class SubnetAnswer(Shape):
    """Answer of `GET /v1/{p}/subnets/{id}`."""

    subnet: SubnetV1


class PortListV1(Shape):
    """Answer of `GET /v1/{p}/ports`."""

    ports: list[PortV1]


class PortAnswerV1(Shape):
    """Answer of `GET /v1/{p}/ports/{id}`."""

    port: PortV1


class PortListV3(Shape):
    """Answer of `GET /v3/{p}/ports`."""

    request_id: str
    ports: list[PortV3]
    page_info: PageInfo


class PortAnswerV3(Shape):
    """Answer of `GET /v3/{p}/ports/{id}`."""

    request_id: str
    port: PortV3


def cidr_id(subnet_id: str) -> str:
    """The `neutron_subnet_id` (v3: `subnet_cidr_id`) of a subnet, derived from its id."""
    return str(uuid5(NAMESPACE_OID, subnet_id))


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def vpc_v1(vpc: Vpc) -> VpcV1:
    """The VPC in v1 shape."""
    return VpcV1(
        id=vpc.id, name=vpc.name, cidr=vpc.cidr, description=vpc.description, tenant_id=vpc.project_id,
        created_at=_time(vpc.created_at), updated_at=_time(vpc.updated_at),
    )  # fmt: skip


def vpc_v3(vpc: Vpc, subnets: int) -> VpcV3:
    """The VPC in v3 shape; `subnets` is how many it has."""
    return VpcV3(
        id=vpc.id, name=vpc.name, cidr=vpc.cidr, description=vpc.description, project_id=vpc.project_id,
        cloud_resources=[
            CloudResource(resource_type="routetable", resource_count=1),
            CloudResource(resource_type="virsubnet", resource_count=subnets),
        ],
        created_at=_time(vpc.created_at), updated_at=_time(vpc.updated_at),
    )  # fmt: skip


def subnet_v1(subnet: Subnet) -> SubnetV1:
    """The subnet in v1 shape, the only one there is."""
    servers = subnet.dns.split(",") if subnet.dns else [subnet.dns_ip]
    return SubnetV1(
        id=subnet.id, name=subnet.name, cidr=subnet.cidr, gateway_ip=subnet.gateway_ip, dns_list=servers,
        primary_dns=servers[0], secondary_dns=servers[1] if len(servers) > 1 else "", vpc_id=subnet.vpc_id,
        availability_zone=subnet.availability_zone, neutron_network_id=subnet.id,
        neutron_subnet_id=cidr_id(subnet.id), tenant_id=subnet.project_id,
        created_at=_time(subnet.created_at), updated_at=_time(subnet.updated_at),
    )  # fmt: skip


def port_v1(port: Port) -> PortV1:
    """The port in v1 shape."""
    return PortV1(
        id=port.id, name=port.name, network_id=port.subnet_id, mac_address=port.mac_address,
        fixed_ips=[FixedIp(ip_address=port.ip_address, subnet_id=cidr_id(port.subnet_id))],
        device_id=port.device_id, device_owner=port.device_owner, tenant_id=port.project_id,
        status=port.status,
    )  # fmt: skip


def port_v3(port: Port) -> PortV3:
    """The port in v3 shape."""
    return PortV3(
        id=port.id, name=port.name, project_id=port.project_id, tenant_id=port.project_id,
        virsubnet_id=port.subnet_id, vpc_id=port.vpc_id, vpc_tenant_id=port.project_id,
        mac_address=port.mac_address, device_id=port.device_id, device_owner=port.device_owner,
        private_ips=[PrivateIp(ip_address=port.ip_address, subnet_cidr_id=cidr_id(port.subnet_id))],
        status=port.status, created_at=_time(port.created_at), updated_at=_time(port.created_at),
    )  # fmt: skip
