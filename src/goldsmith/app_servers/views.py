"""App servers as the wire shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from goldsmith.app_servers import schemas
from goldsmith.app_servers.machines import VmStatus, server_status
from goldsmith.app_servers.owners import Finder
from goldsmith.catalog.schemas import ProductInfo
from goldsmith.catalog.service import Catalog
from goldsmith.images.service import Images
from goldsmith.store import Row, Tx


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is shown of a server but kept elsewhere."""

    group_name: str
    image_name: str
    os_version: str | None
    product: ProductInfo | None


@dataclass(frozen=True, slots=True)
class Views:
    """Makes answers from records, with what other rooms know."""

    catalog: Catalog
    images: Images
    server_groups: Finder

    def surroundings(self, tx: Tx, row: Row) -> Surroundings:
        """What the other rooms know of this server."""
        group = self.server_groups.find(tx, row["project_id"], row["server_group_id"])
        image = self.images.find(tx, row["project_id"], row["image_id"])
        return Surroundings(
            group["name"] if group is not None else "", image.name if image is not None else "",
            image.os_version if image is not None else None,
            product_info(self.catalog, row["product_id"], row["flavor_id"]),
        )  # fmt: skip


def brief(row: Row, around: Surroundings, vm_status: VmStatus) -> schemas.AppServer:
    """The server in a list."""
    return schemas.AppServer(**_fields(row, around, vm_status))


def detail(row: Row, around: Surroundings, vm_status: VmStatus) -> schemas.AppServerDetail:
    """The server by itself."""
    address = schemas.Address(addr=row["ip_address"], mac_addr=row["mac_address"], port_id=row["port_id"])
    return schemas.AppServerDetail(
        **_fields(row, around, vm_status), addresses={row["vpc_id"]: [address]},
        root_volume=schemas.VolumeInfo(type=row["volume_type"], size=row["volume_size"]),
    )  # fmt: skip


def _fields(row: Row, around: Surroundings, vm_status: VmStatus) -> dict[str, Any]:
    address = schemas.HostAddress(
        addr=row["ip_address"], mac_addr=row["mac_address"], port_id=row["port_id"], vpc_id=row["vpc_id"],
        subnet_id=row["subnet_id"],
    )  # fmt: skip
    same = (
        "id", "name", "machine_name", "description", "server_group_id", "image_id", "availability_zone", "domain",
        "ou_name", "instance_id", "os_type", "host_id", "enterprise_project_id",
    )  # fmt: skip
    return {name: row[name] for name in same} | {
        "server_group_name": around.group_name, "flavor": schemas.Flavor(id=row["flavor_id"], links=[]),
        "status": server_status(row, vm_status), "vm_status": vm_status, "task_status": row["task"] or "null",
        "create_time": row["create_time"], "update_time": row["update_time"],
        "os_version": around.os_version or None, "maintain_status": bool(row["maintain_status"]),
        "product_info": around.product, "metadata": _metadata(row, around), "host_address": [address],
        "tags": [schemas.Tag(**tag) for tag in json.loads(row["tags"])],
    }  # fmt: skip


def _metadata(row: Row, around: Surroundings) -> dict[str, str]:
    return {
        "charging_mode": "0", "vpc_id": row["vpc_id"], "os_type": row["os_type"], "image_name": around.image_name,
        "metering.image_id": row["image_id"], "metering.resourcespeccode": row["product_id"],
    }  # fmt: skip


def product_info(catalog: Catalog, product_id: str, flavor_id: str) -> ProductInfo | None:
    """The product in one of its sizes; None when the catalogue has it no longer."""
    product = catalog.product(product_id)
    flavor = product.flavor(flavor_id) if product is not None else None
    if product is None or flavor is None:
        return None
    return ProductInfo(
        product_id=product.product_id, flavor_id=flavor.flavor_id, type=product.type,
        architecture=product.architecture, cpu=str(flavor.vcpus), cpu_desc=flavor.cpu_desc,
        memory=str(flavor.memory_mib), is_gpu=product.is_gpu, gpu_desc=product.gpu_desc or None,
        system_disk_type=product.system_disk_type, system_disk_size=str(product.system_disk_gib),
        descriptions=product.description, charge_mode=product.charge_mode, sessions=product.sessions,
        status=product.status, package_type=product.package_type, series_type=product.series_type or None,
        support_gpu_type=product.support_gpu_type or None, cond_operation_az=product.cond_operation_az or None,
    )  # fmt: skip
