"""Catalogue operations of Workspace: volume types, availability zones, products, session types."""

from __future__ import annotations

from typing import Annotated

from goldsmith.catalog import schemas
from goldsmith.catalog.offers import Flavor, Product, SessionType, VolumeType, Zone
from goldsmith.catalog.service import Catalog
from goldsmith.http.operations import Access, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall

TAG = "catalogue"
FAMILY_13 = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00139901")
FAMILY_14 = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00149901")
SESSION_RESOURCE = "hws.resource.type.workspace.appstreamsession"
CLOUD_SERVICE = "hws.service.type.vdi"

EXAMPLE_VOLUME_TYPE = {
    "resource_spec_code": "workspace.volume.high", "volume_type": "SAS", "volume_product_type": "workspace",
    "resource_type": "hws.resource.type.workspace.volume", "cloud_service_type": CLOUD_SERVICE,
    "name": [{"language": "en-us", "value": "High IO Disk"}, {"language": "zh-cn", "value": "高IO磁盘"}],
    "volume_type_extra_specs": {
        "availability_zone": "local-1a,local-1b,local-1c", "sold_out_availability_zone": "",
    },
}  # fmt: skip
EXAMPLE_ZONE = {
    "availability_zone": "local-1a", "display_name": "Local zone A",
    "i18n": {"en_us": "Local zone A", "zh_cn": "本地可用区A"}, "sold_out": {"products": []}, "product_ids": [],
    "visible": True, "default_availability_zone": True,
}  # fmt: skip
EXAMPLE_PRODUCT = {
    "product_id": "workspace.x86.performance.xlarge4", "flavor_id": "local.xlarge.small", "type": "ADVANCED",
    "architecture": "x86", "cpu": "2", "cpu_desc": "2 vCPUs", "memory": "1024", "is_gpu": False,
    "system_disk_type": "SAS", "system_disk_size": "80", "descriptions": "Performance | 2 vCPUs | 1 GB",
    "charge_mode": "0", "contain_data_disk": False,
    "resource_type": "hws.resource.type.workspace.appstream", "cloud_service_type": CLOUD_SERVICE,
    "volume_product_type": "workspace", "sessions": 3, "status": "normal", "sub_product_list": [],
    "domain_ids": [], "package_type": "general",
}  # fmt: skip
EXAMPLE_SESSION_TYPE = {
    "resource_spec_code": "workspace.appstreamsession.premium", "session_type": "GPU",
    "resource_type": SESSION_RESOURCE, "cloud_service_type": CLOUD_SERVICE,
}  # fmt: skip

Filter = Annotated[str, Query(max_length=255, description="Exact match; empty: everything.")]


class CatalogApi:
    """HTTP side of the catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @operation(
        "ListVolumeType", "GET", "/v1/{project_id}/volume-type",
        action="workspace:volumeTypes:list", access=Access.LIST, codes=FAMILY_14, tag=TAG,
        answer={"volume_types": [EXAMPLE_VOLUME_TYPE]},
    )  # fmt: skip
    async def list_volume_types(self, call: CurrentCall) -> schemas.VolumeTypes:
        """List the types of system disks."""
        return schemas.VolumeTypes(volume_types=[_volume_type(each) for each in self._catalog.volume_types()])

    @operation(
        "ListAvailabilityZone", "GET", "/v1/{project_id}/availability-zone",
        action="workspace:availabilityZones:list", access=Access.LIST, tag=TAG,
        answer={"availability_zones": [EXAMPLE_ZONE], "total_count": 1},
    )  # fmt: skip
    async def list_zones(self, call: CurrentCall) -> schemas.Zones:
        """List availability zones."""
        zones = [self._zone(zone) for zone in self._catalog.zones()]
        return schemas.Zones(availability_zones=zones, total_count=len(zones))

    @operation(
        "ListAz", "GET", "/v1/{project_id}/availability-zone/summary",
        action="workspace:availabilityZones:list", access=Access.LIST, tag=TAG,
        answer={"azs": {"CENTER": [EXAMPLE_ZONE]}, "default_type": "CENTER", "support_type": ["CENTER"]},
    )  # fmt: skip
    async def summarise_zones(self, call: CurrentCall) -> schemas.ZoneSummary:
        """List availability zones by type of site."""
        by_site: dict[str, list[schemas.ZoneInfo]] = {}
        for zone in self._catalog.zones():
            by_site.setdefault(zone.site_type, []).append(self._zone(zone))
        return schemas.ZoneSummary(
            azs=by_site, default_type=self._catalog.default_zone.site_type, support_type=list(by_site)
        )

    @operation(
        "ListProduct", "GET", "/v1/{project_id}/product",
        action="workspace:products:list", access=Access.LIST, tag=TAG,
        answer={"products": [EXAMPLE_PRODUCT]},
    )  # fmt: skip
    async def list_products(
        self,
        call: CurrentCall,
        product_id: Filter = "",
        flavor_id: Filter = "",
        availability_zone: Annotated[
            str, Query(max_length=255, description="Leaves out what is off the shelf in this zone.")
        ] = "",
        os_type: Filter = "",
        charge_mode: Filter = "",
        architecture: Filter = "",
        package_type: Filter = "",
    ) -> schemas.Products:
        """List products, each flavor as an entry of its own."""
        catalog = self._catalog
        found = [
            _product(product, flavor)
            for product in catalog.products()
            for flavor in product.flavors
            if product_id in ("", product.product_id)
            and flavor_id in ("", flavor.flavor_id)
            and (not availability_zone or catalog.status_in(product, availability_zone) != "abandon")
            and (not os_type or os_type in product.os_types)
            and charge_mode in ("", product.charge_mode)
            and architecture in ("", product.architecture)
            and package_type in ("", product.package_type)
        ]
        return schemas.Products(availability_zone=availability_zone or None, os_type=os_type or None, products=found)

    @operation(
        "ListSessionType", "GET", "/v1/{project_id}/session-type",
        action="workspace:sessionTypes:list", access=Access.LIST, codes=FAMILY_13, tag=TAG,
        answer={"session_types": [EXAMPLE_SESSION_TYPE]},
    )  # fmt: skip
    async def list_session_types(self, call: CurrentCall) -> schemas.SessionTypes:
        """List the kinds of sessions that can be bought."""
        return schemas.SessionTypes(session_types=self._session_types())

    @operation(
        "ShowSessionTypes", "POST", "/v1/{project_id}/session-type",
        action="workspace:sessionTypes:list", access=Access.LIST, codes=FAMILY_13, tag=TAG, deprecated=True,
        example={"session_type": "GPU"}, answer={"session_types": [EXAMPLE_SESSION_TYPE]},
    )  # fmt: skip
    async def query_session_types(
        self, call: CurrentCall, body: schemas.SessionTypeQuery | None = None
    ) -> schemas.SessionTypes:
        """Query the kinds of sessions that can be bought."""
        wanted = body.model_dump(exclude_none=True) if body is not None else {}
        found = [
            each
            for each in self._session_types()
            if all(getattr(each, name) == value for name, value in wanted.items())
        ]
        return schemas.SessionTypes(session_types=found)

    def _session_types(self) -> list[schemas.SessionTypeInfo]:
        return [_session_type(each) for each in self._catalog.session_types()]

    def _zone(self, zone: Zone) -> schemas.ZoneInfo:
        sold_out = [
            product.product_id
            for product in self._catalog.products()
            if self._catalog.status_in(product, zone.name) in ("sellout", "obt_sellout")
        ]
        return schemas.ZoneInfo(
            availability_zone=zone.name,
            display_name=zone.name_en,
            i18n=schemas.ZoneNames(en_us=zone.name_en, zh_cn=zone.name_zh),
            sold_out=schemas.SoldOut(products=sold_out),
            product_ids=list(zone.product_ids),
            visible=zone.is_visible,
            default_availability_zone=zone.is_default,
        )


def _volume_type(volume_type: VolumeType) -> schemas.VolumeTypeInfo:
    return schemas.VolumeTypeInfo(
        resource_spec_code=volume_type.resource_spec_code,
        volume_type=volume_type.volume_type,
        name=[
            schemas.LocalName(language="en-us", value=volume_type.name_en),
            schemas.LocalName(language="zh-cn", value=volume_type.name_zh),
        ],
        volume_type_extra_specs=schemas.VolumeTypeSpecs(
            availability_zone=",".join(volume_type.zones),
            sold_out_availability_zone=",".join(volume_type.sold_out_zones),
        ),
    )


def _session_type(session_type: SessionType) -> schemas.SessionTypeInfo:
    return schemas.SessionTypeInfo(
        resource_spec_code=session_type.resource_spec_code,
        session_type=session_type.session_type,
        resource_type=SESSION_RESOURCE,
        cloud_service_type=CLOUD_SERVICE,
    )


def _product(product: Product, flavor: Flavor) -> schemas.ProductInfo:
    return schemas.ProductInfo(
        product_id=product.product_id,
        flavor_id=flavor.flavor_id,
        type=product.type,
        architecture=product.architecture,
        cpu=str(flavor.vcpus),
        cpu_desc=flavor.cpu_desc,
        memory=str(flavor.memory_mib),
        is_gpu=product.is_gpu,
        gpu_desc=product.gpu_desc or None,
        system_disk_type=product.system_disk_type,
        system_disk_size=str(product.system_disk_gib),
        descriptions=product.description,
        charge_mode=product.charge_mode,
        sessions=product.sessions,
        status=product.status,
        cond_operation_az=product.cond_operation_az or None,
        package_type=product.package_type,
        series_type=product.series_type or None,
        support_gpu_type=product.support_gpu_type or None,
    )
