"""Server groups as the wire shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.schemas import Flavor, Tag
from goldsmith.app_servers.service import AppServers
from goldsmith.app_servers.views import product_info
from goldsmith.catalog.service import Catalog
from goldsmith.images.service import Image, Images
from goldsmith.networks.service import Networks
from goldsmith.server_groups import schemas
from goldsmith.store import Row, Tx


@dataclass(frozen=True, slots=True)
class Views:
    """Makes answers from records, with what other rooms know; every function runs in the caller's transaction."""

    catalog: Catalog
    images: Images
    networks: Networks
    app_servers: AppServers
    app_groups: AppGroups

    def brief(self, tx: Tx, row: Row) -> schemas.ServerGroupBrief:
        """The group in the brief list."""
        return schemas.ServerGroupBrief(**self._brief(tx, row))

    def full(self, tx: Tx, row: Row) -> schemas.ServerGroup:
        """The group in the list."""
        return schemas.ServerGroup(**self._full(tx, row, self._image(tx, row)))

    def detail(self, tx: Tx, row: Row) -> schemas.ServerGroupDetail:
        """The group by itself."""
        image = self._image(tx, row)
        return schemas.ServerGroupDetail(
            **self._full(tx, row, image), flavors=[Flavor(id=row["flavor_id"], links=[])],
            image_min_disk=image.min_disk if image is not None else 0, image_type=row["image_type"],
            image_product_id=image.product_id if image is not None else "",
            route_policy=schemas.RoutePolicy(**json.loads(row["route_policy"])),
        )  # fmt: skip

    def _image(self, tx: Tx, row: Row) -> Image | None:
        return self.images.find(tx, row["project_id"], row["image_id"])

    def _brief(self, tx: Tx, row: Row) -> dict[str, Any]:
        same = (
            "id", "name", "description", "app_type", "image_id", "os_type", "product_id", "subnet_id",
            "system_disk_type", "system_disk_size", "extra_session_size", "enterprise_project_id",
        )  # fmt: skip
        return {name: row[name] for name in same} | {
            "is_vdi": bool(row["is_vdi"]), "extra_session_type": row["extra_session_type"] or None,
            "app_group_count": self.app_groups.count(tx, row["id"]), "create_time": row["create_time"],
            "update_time": row["update_time"],
        }  # fmt: skip

    def _full(self, tx: Tx, row: Row, image: Image | None) -> dict[str, Any]:
        subnet = self.networks.find_subnet(tx, row["project_id"], row["subnet_id"])
        servers = self.app_servers.of_group(tx, row["id"])
        return self._brief(tx, row) | {
            "image_name": image.name if image is not None else "",
            "subnet_name": subnet.name if subnet is not None else "", "ou_name": row["ou_name"],
            "product_info": product_info(self.catalog, row["product_id"], row["flavor_id"]),
            "app_server_count": len(servers),
            "app_server_flavor_count": len({server["flavor_id"] for server in servers}),
            "tags": [Tag(**tag) for tag in json.loads(row["tags"])],
        }  # fmt: skip
