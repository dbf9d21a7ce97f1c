"""The shape of `catalog.toml`, entry by entry; how entries refer to each other is checked in `checks.py`.

Every model is frozen and refuses unknown keys, so a spelling mistake is an error and not a missing feature.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=128)]
SpecCode = Annotated[str, Field(pattern=r"^\S{0,100}$")]
VolumeKind = Literal["ESSD", "SSD", "GPSSD", "SAS", "SATA"]
SessionKind = Literal["GPU", "CPU"]
ImageKind = Literal["gold", "public", "private", "shared", "other"]
OsType = Literal["Linux", "Windows", "Other"]
Architecture = Literal["x86", "arm"]
SaleStatus = Literal["normal", "abandon", "sellout", "obt", "obt_sellout", "promotion"]

_ZONE_STATUS = re.compile(r"([^(),\s]+)\((normal|abandon|sellout|obt|obt_sellout|promotion)\)")


def _network(text: str) -> str:
    IPv4Network(text)
    return text


def _address(text: str) -> str:
    IPv4Address(text)
    return text


def zone_statuses(text: str) -> dict[str, str]:
    """`az0(normal),az1(sellout)` as a mapping; raises `ValueError` when it is written differently."""
    statuses: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _ZONE_STATUS.fullmatch(part)
        if match is None:
            raise ValueError(f"write it as zone(status),zone(status); {part!r} is not of that form")
        statuses[match[1]] = match[2]
    return statuses


def _zone_statuses_text(text: str) -> str:
    zone_statuses(text)
    return text


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Cidr = Annotated[str, AfterValidator(_network)]
Address = Annotated[str, AfterValidator(_address)]
Strings = Annotated[tuple[Id, ...], BeforeValidator(_tuple)]


class Entry(BaseModel):
    """What every entry has in common."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NameEntry(Entry):
    """A name in two languages."""

    en: Annotated[str, Field(min_length=1)]
    zh: Annotated[str, Field(min_length=1)]


class ZoneEntry(Entry):
    """`[[availability_zones]]`; `product_ids` empty means that every product is offered."""

    name: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^(),\s]+$")]
    display_name: NameEntry
    site_type: Literal["CENTER", "IES"] = "CENTER"
    default: bool = False
    visible: bool = True
    product_ids: Strings = ()


class VolumeTypeEntry(Entry):
    """`[[volume_types]]`; `zones` empty means all of them."""

    type: VolumeKind
    resource_spec_code: Annotated[SpecCode, Field(min_length=1)]
    name: NameEntry
    zones: Strings = ()
    sold_out_zones: Strings = ()


class SessionTypeEntry(Entry):
    """`[[session_types]]`: sessions that can be bought on top of a product's own."""

    type: SessionKind
    resource_spec_code: Annotated[SpecCode, Field(min_length=1)]


class FlavorEntry(Entry):
    """A size of a product; the first one is used when a request names none. `memory` is in MB."""

    id: Annotated[str, Field(min_length=1, max_length=255)]
    vcpus: Annotated[int, Field(ge=1, le=1024)]
    memory: Annotated[int, Field(ge=128)]
    cpu_desc: str = ""


class ProductEntry(Entry):
    """`[[products]]`; `status` holds in every zone that `cond_operation_az` does not list."""

    id: Id
    type: Literal["BASE", "ADVANCED"] = "BASE"
    description: str = ""
    flavors: Annotated[tuple[FlavorEntry, ...], Field(min_length=1), BeforeValidator(_tuple)]
    architecture: Architecture = "x86"
    os_types: Annotated[tuple[OsType, ...], BeforeValidator(_tuple)] = ("Linux", "Windows", "Other")
    charge_mode: Literal["0", "1"] = "0"
    package_type: Literal["general", "dedicated"] = "general"
    series_type: str = ""
    status: SaleStatus = "normal"
    cond_operation_az: Annotated[str, AfterValidator(_zone_statuses_text)] = ""
    sessions: Annotated[int, Field(ge=1)] = 1
    system_disk_type: VolumeKind = "SAS"
    system_disk_size: Annotated[int, Field(ge=10, le=1024, multiple_of=10)] = 80
    is_gpu: bool = False
    gpu_desc: str = ""
    support_gpu_type: str = ""


class ImageEntry(Entry):
    """`[[images]]`: `file` is a qcow2 in the data folder's `images/`, or an absolute path.

    `owner` and `members` are project ids; without an owner the image belongs to the service. `min_disk` is in
    GB, `min_ram` in MB.
    """

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=128)]
    kind: ImageKind
    os_type: OsType = "Linux"
    os_version: str = "Debian GNU/Linux 12 64bit"
    platform: str = "Debian"
    architecture: Architecture = "x86"
    min_disk: Annotated[int, Field(ge=1, le=1024)] = 10
    min_ram: Annotated[int, Field(ge=0)] = 0
    description: str = ""
    file: Annotated[str, Field(min_length=1)] = "debian-12"
    spce_code: SpecCode = ""
    product_id: SpecCode = ""
    owner: str = ""
    members: Strings = ()


class SubnetEntry(Entry):
    """A subnet of a VPC; `availability_zone` empty means that it reaches all of them."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=64)]
    cidr: Cidr
    gateway_ip: Address
    dns: Annotated[tuple[Address, ...], BeforeValidator(_tuple)] = ()
    availability_zone: str = ""


class VpcEntry(Entry):
    """`[[vpcs]]`."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=64)]
    cidr: Cidr
    description: Annotated[str, Field(max_length=255)] = ""
    subnets: Annotated[tuple[SubnetEntry, ...], BeforeValidator(_tuple)] = ()


class QuotaEntry(Entry):
    """`[quotas]`: what each project may hold at once; `MEMORY` is in MB."""

    INSTANCES: Annotated[int, Field(ge=0)] = 100_000
    VOLUMES: Annotated[int, Field(ge=0)] = 100_000
    VOLUME_GIGABYTES: Annotated[int, Field(ge=0)] = 10_000_000
    CORES: Annotated[int, Field(ge=0)] = 1_000_000
    MEMORY: Annotated[int, Field(ge=0)] = 1_000_000_000
    GPU_INSTANCES: Annotated[int, Field(ge=0)] = 100


class DirectoryEntry(Entry):
    """`[directory]`: the Active Directory the guests join; leave it out when there is none."""

    domain_name: Annotated[str, Field(min_length=1, max_length=64)]
    organizational_units: Strings = ()
    admin_account: Annotated[str, Field(min_length=1, max_length=64)] = "administrator"


class CatalogFile(Entry):
    """The whole file."""

    availability_zones: Annotated[tuple[ZoneEntry, ...], Field(min_length=1), BeforeValidator(_tuple)]
    volume_types: Annotated[tuple[VolumeTypeEntry, ...], Field(min_length=1), BeforeValidator(_tuple)]
    session_types: Annotated[tuple[SessionTypeEntry, ...], BeforeValidator(_tuple)] = ()
    products: Annotated[tuple[ProductEntry, ...], Field(min_length=1), BeforeValidator(_tuple)]
    images: Annotated[tuple[ImageEntry, ...], BeforeValidator(_tuple)] = ()
    vpcs: Annotated[tuple[VpcEntry, ...], BeforeValidator(_tuple)] = ()
    storage_pools: Strings = ()
    quotas: QuotaEntry = QuotaEntry()
    directory: DirectoryEntry | None = None
