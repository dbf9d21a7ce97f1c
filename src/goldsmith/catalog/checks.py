"""What must hold between the entries of `catalog.toml`; each finding is a sentence that names its entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from goldsmith.catalog.file import CatalogFile, SubnetEntry, VpcEntry, zone_statuses

Reference = tuple[str, str, Iterable[str]]


def findings(file: CatalogFile) -> Iterator[str]:
    """Everything that does not fit together."""
    yield from _repeated(file)
    yield from _dangling(file)
    if sum(zone.default for zone in file.availability_zones) != 1:
        yield "availability_zones: exactly one must have default = true"
    for image in file.images:
        if image.kind == "gold" and not (image.spce_code and image.product_id):
            yield f"image {image.id}: a gold image needs spce_code and product_id"
        if image.members and not image.owner:
            yield f"image {image.id}: members need an owner who shares it with them"
        if image.kind in ("private", "shared") and not image.owner:
            yield f"image {image.id}: a {image.kind} image needs an owner, the id of a project"
    for vpc in file.vpcs:
        yield from _misplaced_subnets(vpc)


def _repeated(file: CatalogFile) -> Iterator[str]:
    subnets = [subnet.id for vpc in file.vpcs for subnet in vpc.subnets]
    keys: dict[str, list[str]] = {
        "availability_zones": [zone.name for zone in file.availability_zones],
        "volume_types": [volume_type.type for volume_type in file.volume_types],
        "session_types": [session_type.type for session_type in file.session_types],
        "products": [product.id for product in file.products],
        "images": [image.id for image in file.images],
        "vpcs": [vpc.id for vpc in file.vpcs],
        "subnets": subnets,
    }
    for product in file.products:
        keys[f"product {product.id}: flavors"] = [flavor.id for flavor in product.flavors]
    for section, names in keys.items():
        for name, times in Counter(names).items():
            if times > 1:
                yield f"{section}: {name} is declared {times} times"


def _dangling(file: CatalogFile) -> Iterator[str]:
    zones = {zone.name for zone in file.availability_zones}
    products = {product.id for product in file.products}
    for owner, key, names in _zone_references(file):
        for name in names:
            if name not in zones:
                yield f"{owner}: {key} names {name}, which is not an availability zone of this file"
    for zone in file.availability_zones:
        for product_id in zone.product_ids:
            if product_id not in products:
                yield f"availability zone {zone.name}: product_ids names {product_id}, which is not a product"
    volume_types = {volume_type.type for volume_type in file.volume_types}
    for product in file.products:
        if product.system_disk_type not in volume_types:
            yield f"product {product.id}: system_disk_type {product.system_disk_type} is not a volume type"


def _zone_references(file: CatalogFile) -> Iterator[Reference]:
    for volume_type in file.volume_types:
        yield f"volume type {volume_type.type}", "zones", volume_type.zones
        yield f"volume type {volume_type.type}", "sold_out_zones", volume_type.sold_out_zones
    for product in file.products:
        yield f"product {product.id}", "cond_operation_az", zone_statuses(product.cond_operation_az)
    for vpc in file.vpcs:
        for subnet in vpc.subnets:
            yield f"subnet {subnet.id}", "availability_zone", filter(None, [subnet.availability_zone])


def _misplaced_subnets(vpc: VpcEntry) -> Iterator[str]:
    whole = IPv4Network(vpc.cidr)
    before: list[SubnetEntry] = []
    for subnet in vpc.subnets:
        part = IPv4Network(subnet.cidr)
        if not part.subnet_of(whole):
            yield f"subnet {subnet.id}: {subnet.cidr} is not inside {vpc.cidr}, the range of VPC {vpc.id}"
        if not _is_host(subnet.gateway_ip, part):
            yield f"subnet {subnet.id}: gateway_ip {subnet.gateway_ip} is no host address of {subnet.cidr}"
        for other in before:
            if part.overlaps(IPv4Network(other.cidr)):
                yield f"subnet {subnet.id}: {subnet.cidr} overlaps {other.cidr} of subnet {other.id}"
        before.append(subnet)


def _is_host(address: str, network: IPv4Network) -> bool:
    ends = (network.network_address, network.broadcast_address)
    return IPv4Address(address) in network and IPv4Address(address) not in ends
