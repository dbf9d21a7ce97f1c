"""Wire shapes of the catalogue (contract: operations, section 6; neighbours, sections 3 and 4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from goldsmith.http.wire import Answer, Body

ShortText = Annotated[str, Field(max_length=255)]


class LocalName(Answer):
    """A name in one language."""

    language: str
    value: str


class VolumeTypeSpecs(Answer):
    """Where a volume type is offered and where it is sold out, separated by commas."""

    availability_zone: str
    sold_out_availability_zone: str


class VolumeTypeInfo(Answer):
    """A volume type as Workspace shows it."""

    resource_spec_code: str
    volume_type: str
    volume_product_type: str = "workspace"
    resource_type: str = "hws.resource.type.workspace.volume"
    cloud_service_type: str = "hws.service.type.vdi"
    name: list[LocalName]
    volume_type_extra_specs: VolumeTypeSpecs


class VolumeTypes(Answer):
    """All volume types."""

    volume_types: list[VolumeTypeInfo]


class SoldOut(Answer):
    """Products that are sold out in a zone."""

    products: list[str]


class ZoneNames(Answer):
    """A zone's name in two languages."""

    en_us: str
    zh_cn: str


class ZoneInfo(Answer):
    """An availability zone; `product_ids` empty means all products."""

    availability_zone: str
    display_name: str
    i18n: ZoneNames
    sold_out: SoldOut
    product_ids: list[str]
    visible: bool
    default_availability_zone: bool


class Zones(Answer):
    """All availability zones."""

    availability_zones: list[ZoneInfo]
    total_count: int


class ZoneSummary(Answer):
    """The zones by type of site."""

    azs: dict[str, list[ZoneInfo]]
    default_type: str
    support_type: list[str]


class ProductInfo(Answer):
    """A product in one of its flavors; numbers that the contract has as text are text."""

    product_id: str
    flavor_id: str
    type: str
    architecture: str
    cpu: str
    cpu_desc: str
    memory: Annotated[str, Field(description="MB.")]
    is_gpu: bool
    gpu_desc: str | None = None
    system_disk_type: str
    system_disk_size: str
    descriptions: str
    charge_mode: str
    contain_data_disk: bool = False
    resource_type: str = "hws.resource.type.workspace.appstream"
    cloud_service_type: str = "hws.service.type.vdi"
    volume_product_type: str = "workspace"
    sessions: int
    status: str
    cond_operation_az: str | None = None
    sub_product_list: tuple[str, ...] = ()
    domain_ids: tuple[str, ...] = ()
    package_type: str
    series_type: str | None = None
    support_gpu_type: str | None = None


class Products(Answer):
    """The products that match; the zone and operating system that were asked for are repeated."""

    availability_zone: str | None = None
    os_type: str | None = None
    products: list[ProductInfo]


class SessionTypeInfo(Answer):
    """Paid sessions of one kind."""

    resource_spec_code: str
    session_type: Literal["GPU", "CPU"]
    resource_type: str
    cloud_service_type: str


class SessionTypes(Answer):
    """Session types."""

    session_types: list[SessionTypeInfo]


class SessionTypeQuery(Body):
    """Filters of the deprecated query form; each that is given must be equal."""

    resource_spec_code: ShortText | None = None
    session_type: Literal["GPU", "CPU"] | None = None
    resource_type: ShortText | None = None
    cloud_service_type: ShortText | None = None


class EcsZoneState(Answer):
    """Whether servers can be made in a zone."""

    available: bool


class EcsZone(Answer):
    """A zone as ECS shows it."""

    zoneName: str
    zoneState: EcsZoneState
    hosts: None = None


class EcsZones(Answer):
    """The zones as ECS shows them."""

    availabilityZoneInfo: list[EcsZone]


class EcsFlavor(Answer):
    """A flavor as ECS shows it; `ram` in MB."""

    id: str
    name: str
    vcpus: str
    ram: int
    disk: str = "0"
    os_extra_specs: dict[str, str]


class EcsFlavors(Answer):
    """Flavors."""

    flavors: list[EcsFlavor]


class EvsVolumeType(Answer):
    """A volume type as EVS shows it."""

    id: str
    name: str
    is_public: bool = True
    description: str | None = None
    qos_specs_id: str | None = None
    extra_specs: dict[str, str]


class EvsVolumeTypes(Answer):
    """The volume types as EVS shows them."""

    volume_types: list[EvsVolumeType]
