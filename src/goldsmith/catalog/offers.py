"""What the catalogue offers, as other rooms see it: plain frozen values, made from the entries of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldsmith.catalog.file import DirectoryEntry, ProductEntry, VolumeTypeEntry, ZoneEntry, zone_statuses


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone; `product_ids` empty means that every product is offered there."""

    name: str
    name_en: str
    name_zh: str
    site_type: str
    is_default: bool
    is_visible: bool
    product_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumeType:
    """A kind of disk and the zones that have it."""

    volume_type: str
    resource_spec_code: str
    name_en: str
    name_zh: str
    zones: tuple[str, ...]
    sold_out_zones: tuple[str, ...]

    def is_offered_in(self, zone: str) -> bool:
        """Whether a disk of this type can be made in `zone`."""
        return zone in self.zones and zone not in self.sold_out_zones


@dataclass(frozen=True, slots=True)
class SessionType:
    """Paid sessions of one kind, `CPU` or `GPU`."""

    session_type: str
    resource_spec_code: str


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size: virtual CPUs and memory."""

    flavor_id: str
    vcpus: int
    memory_mib: int
    cpu_desc: str


@dataclass(frozen=True, slots=True)
class Product:
    """A package that can be ordered in one or more sizes; `sessions` come with it."""

    product_id: str
    type: str
    description: str
    flavors: tuple[Flavor, ...]
    architecture: str
    os_types: tuple[str, ...]
    charge_mode: str
    package_type: str
    series_type: str
    status: str
    cond_operation_az: str
    zone_statuses: Mapping[str, str]
    sessions: int
    system_disk_type: str
    system_disk_gib: int
    is_gpu: bool
    gpu_desc: str
    support_gpu_type: str

    def flavor(self, flavor_id: str | None) -> Flavor | None:
        """The flavor with this id, the default one for None or ""; None when there is no such flavor."""
        if not flavor_id:
            return self.flavors[0]
        return next((flavor for flavor in self.flavors if flavor.flavor_id == flavor_id), None)


@dataclass(frozen=True, slots=True)
class Directory:
    """The Active Directory that guests join."""

    domain_name: str
    organizational_units: tuple[str, ...]
    admin_account: str

    def has_unit(self, name: str) -> bool:
        """Whether there is an organizational unit of this name; case does not matter in a directory."""
        return name.casefold() in {unit.casefold() for unit in self.organizational_units}


def zone_of(entry: ZoneEntry) -> Zone:
    """The zone of an entry."""
    names = entry.display_name
    return Zone(entry.name, names.en, names.zh, entry.site_type, entry.default, entry.visible, entry.product_ids)


def volume_type_of(entry: VolumeTypeEntry, all_zones: tuple[str, ...]) -> VolumeType:
    """The volume type of an entry; without zones of its own it is offered in all."""
    return VolumeType(
        volume_type=entry.type,
        resource_spec_code=entry.resource_spec_code,
        name_en=entry.name.en,
        name_zh=entry.name.zh,
        zones=entry.zones or all_zones,
        sold_out_zones=entry.sold_out_zones,
    )


def product_of(entry: ProductEntry) -> Product:
    """The product of an entry."""
    return Product(
        product_id=entry.id,
        type=entry.type,
        description=entry.description,
        flavors=tuple(Flavor(each.id, each.vcpus, each.memory, each.cpu_desc) for each in entry.flavors),
        architecture=entry.architecture,
        os_types=entry.os_types,
        charge_mode=entry.charge_mode,
        package_type=entry.package_type,
        series_type=entry.series_type,
        status=entry.status,
        cond_operation_az=entry.cond_operation_az,
        zone_statuses=zone_statuses(entry.cond_operation_az),
        sessions=entry.sessions,
        system_disk_type=entry.system_disk_type,
        system_disk_gib=entry.system_disk_size,
        is_gpu=entry.is_gpu,
        gpu_desc=entry.gpu_desc,
        support_gpu_type=entry.support_gpu_type,
    )


def directory_of(entry: DirectoryEntry) -> Directory:
    """The directory of the entry."""
    return Directory(entry.domain_name, entry.organizational_units, entry.admin_account)
