"""The same catalogue as ECS and EVS show it: zones, flavors and volume types (contract: neighbours, 3 and 4)."""

from __future__ import annotations

from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from goldsmith.catalog import schemas
from goldsmith.catalog.offers import Flavor, Product, VolumeType
from goldsmith.catalog.service import Catalog
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall

EXAMPLE_FLAVOR = {
    "id": "local.xlarge.small", "name": "local.xlarge.small", "vcpus": "2", "ram": 1024, "disk": "0",
    "os_extra_specs": {"cond:operation:status": "normal", "ecs:performancetype": "normal"},
}  # fmt: skip
EXAMPLE_VOLUME_TYPE = {
    "id": "8247b6ed-37f0-4c48-8ef1-f0027fb332bc", "name": "SAS", "is_public": True, "description": None,
    "qos_specs_id": None, "extra_specs": {
        "volume_backend_name": "SAS", "RESKEY:availability_zones": "local-1a,local-1b,local-1c",
    },
}  # fmt: skip

Text = Annotated[str, Query(max_length=255)]


class NeighboursCatalogApi:
    """HTTP side of the catalogue for clients of ECS and EVS."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @operation(
        "NovaListAvailabilityZones", "GET", "/v2.1/{project_id}/os-availability-zone", surface=Surface.ECS,
        action="ecs:availabilityZones:list", access=Access.LIST, tag="ECS", exclude_none=False,
        answer={"availabilityZoneInfo": [
            {"zoneName": "local-1a", "zoneState": {"available": True}, "hosts": None},
        ]},
    )  # fmt: skip
    async def list_zones(self, call: CurrentCall) -> schemas.EcsZones:
        """List availability zones; available are those in which a host stands."""
        hosted = set(self._catalog.zones_with_hosts)
        zones = [
            schemas.EcsZone(zoneName=zone.name, zoneState=schemas.EcsZoneState(available=zone.name in hosted))
            for zone in self._catalog.zones()
        ]
        return schemas.EcsZones(availabilityZoneInfo=zones)

    @operation(
        "ListFlavors", "GET", "/v1/{project_id}/cloudservers/flavors", surface=Surface.ECS,
        action="ecs:cloudServerFlavors:get", access=Access.LIST, tag="ECS",
        answer={"flavors": [EXAMPLE_FLAVOR]},
    )  # fmt: skip
    async def list_flavors(
        self,
        call: CurrentCall,
        availability_zone: Text = "",
        flavor_id: Text = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
        marker: Annotated[str, Query(max_length=255, description="The last flavor of the page before.")] = "",
    ) -> schemas.EcsFlavors:
        """List the flavors of all products."""
        found: dict[str, schemas.EcsFlavor] = {}
        for product in self._catalog.products():
            if availability_zone and self._catalog.status_in(product, availability_zone) == "abandon":
                continue
            for flavor in product.flavors:
                if flavor_id in ("", flavor.flavor_id):
                    found.setdefault(flavor.flavor_id, _flavor(product, flavor))
        ids = list(found)
        start = ids.index(marker) + 1 if marker in found else 0
        return schemas.EcsFlavors(flavors=[found[each] for each in ids[start : start + limit]])

    @operation(
        "CinderListVolumeTypes", "GET", "/v2/{project_id}/types", surface=Surface.ECS,
        action="evs:types:get", access=Access.LIST, tag="EVS", exclude_none=False,
        answer={"volume_types": [EXAMPLE_VOLUME_TYPE]},
    )  # fmt: skip
    async def list_volume_types(self, call: CurrentCall) -> schemas.EvsVolumeTypes:
        """List volume types."""
        return schemas.EvsVolumeTypes(volume_types=[_volume_type(each) for each in self._catalog.volume_types()])


def _flavor(product: Product, flavor: Flavor) -> schemas.EcsFlavor:
    specs = {"cond:operation:status": product.status, "ecs:performancetype": "normal"}
    if product.cond_operation_az:
        specs["cond:operation:az"] = product.cond_operation_az
    if product.is_gpu:
        specs |= {"ecs:performancetype": "gpu", "pci_passthrough:gpu_specs": product.support_gpu_type}
    return schemas.EcsFlavor(
        id=flavor.flavor_id,
        name=flavor.flavor_id,
        vcpus=str(flavor.vcpus),
        ram=flavor.memory_mib,
        os_extra_specs=specs,
    )


def _volume_type(volume_type: VolumeType) -> schemas.EvsVolumeType:
    name = volume_type.volume_type
    specs = {"volume_backend_name": name, "RESKEY:availability_zones": ",".join(volume_type.zones)}
    if volume_type.sold_out_zones:
        specs["os-vendor-extended:sold_out_availability_zones"] = ",".join(volume_type.sold_out_zones)
    return schemas.EvsVolumeType(
        id=str(uuid5(NAMESPACE_URL, f"goldsmith/volume-types/{name}")), name=name, extra_specs=specs
    )
