"""The catalogue on the wire: field names and types of the contract, filters, and the neighbours' views."""

from typing import Any

import pytest
from huaweicloudsdkworkspaceapp.v1 import (
    ListAvailabilityZoneResponse,
    ListAzResponse,
    ListProductResponse,
    ListSessionTypeResponse,
    ListVolumeTypeResponse,
    ProductDetailInfo,
)

V1 = "/v1/p"


async def get(client: Any, path: str, **query: str) -> Any:
    answer = await client.get(path, **query)
    assert answer.status == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("volume-type", ListVolumeTypeResponse),
        ("availability-zone", ListAvailabilityZoneResponse),
        ("availability-zone/summary", ListAzResponse),
        ("product", ListProductResponse),
        ("session-type", ListSessionTypeResponse),
    ],
)
async def test_the_official_sdk_knows_every_field(client: Any, path: str, model: Any) -> None:
    body = await get(client, f"{V1}/{path}")
    assert set(body) <= set(model.attribute_map.values())


async def test_products_are_listed_once_for_each_flavor_with_numbers_as_text(client: Any) -> None:
    body = await get(client, f"{V1}/product", product_id="workspace.x86.performance.xlarge4")
    assert set(body) == {"products"}
    small, large = body["products"]
    assert set(small) <= set(ProductDetailInfo.attribute_map.values())
    assert (small["cpu"], small["memory"], small["system_disk_size"]) == ("2", "1024", "80")
    assert (large["cpu"], large["memory"]) == ("4", "2048")
    assert small["sessions"] == 3
    assert small["is_gpu"] is False


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"flavor_id": "local.xlarge.large"}, {"workspace.x86.performance.xlarge4"}),
        ({"package_type": "dedicated"}, {"workspace.x86.dedicated.small"}),
        ({"product_id": "nothing"}, set()),
        ({"charge_mode": "1"}, set()),
        ({"architecture": "arm"}, set()),
        ({"os_type": "MacOS"}, set()),
        ({"product_id": "workspace.x86.base.zonal", "availability_zone": "local-1b"}, {"workspace.x86.base.zonal"}),
        ({"product_id": "workspace.x86.base.zonal", "availability_zone": "local-1c"}, set()),
        ({"product_id": "workspace.x86.base.small", "architecture": "x86", "os_type": ""},
         {"workspace.x86.base.small"}),
    ],
)  # fmt: skip
async def test_products_are_filtered(client: Any, query: dict[str, str], found: set[str]) -> None:
    body = await get(client, f"{V1}/product", **query)
    assert {each["product_id"] for each in body["products"]} == found


async def test_zone_and_system_of_the_filter_are_repeated(client: Any) -> None:
    body = await get(client, f"{V1}/product", availability_zone="local-1a", os_type="Windows")
    assert (body["availability_zone"], body["os_type"]) == ("local-1a", "Windows")
    assert "workspace.x86.base.retired" not in {each["product_id"] for each in body["products"]}


async def test_zones_say_what_is_sold_out(client: Any) -> None:
    body = await get(client, f"{V1}/availability-zone")
    assert body["total_count"] == 3
    first, second, _ = body["availability_zones"]
    assert first["default_availability_zone"] is True
    assert first["sold_out"] == {"products": ["workspace.x86.gpu.a30"]}
    assert "workspace.x86.base.zonal" in second["sold_out"]["products"]
    assert first["i18n"] == {"en_us": "Local zone A", "zh_cn": "本地可用区A"}
    summary = await get(client, f"{V1}/availability-zone/summary")
    assert summary == {
        "azs": {"CENTER": body["availability_zones"]}, "default_type": "CENTER", "support_type": ["CENTER"],
    }  # fmt: skip


async def test_volume_types_say_where_they_are(client: Any) -> None:
    body = await get(client, f"{V1}/volume-type")
    by_type = {each["volume_type"]: each for each in body["volume_types"]}
    assert set(by_type) == {"ESSD", "SSD", "GPSSD", "SAS", "SATA"}
    assert by_type["ESSD"]["volume_type_extra_specs"] == {
        "availability_zone": "local-1a,local-1b,local-1c", "sold_out_availability_zone": "local-1c",
    }  # fmt: skip
    assert by_type["SAS"]["name"][0] == {"language": "en-us", "value": "High IO Disk"}


async def test_session_types_have_a_query_form(client: Any) -> None:
    listed = await get(client, f"{V1}/session-type")
    assert [each["session_type"] for each in listed["session_types"]] == ["GPU", "CPU"]
    queried = await client.post(f"{V1}/session-type", {})
    assert queried.json() == listed
    queried = await client.post(f"{V1}/session-type")
    assert queried.json() == listed
    queried = await client.post(f"{V1}/session-type", {"session_type": "CPU"})
    assert [each["session_type"] for each in queried.json()["session_types"]] == ["CPU"]
    queried = await client.post(f"{V1}/session-type", {"session_type": "CPU", "resource_type": "x"})
    assert queried.json() == {"session_types": []}


async def test_session_types_refuse_with_the_code_of_their_family(client: Any) -> None:
    answer = await client.post(f"{V1}/session-type", {"session_type": "TPU", "size": 1})
    assert answer.status == 400
    body = answer.json()
    assert body["error_code"] == "WKS.00139901"
    assert [each["field"] for each in body["details"]] == ["session_type", "size"]


async def test_too_long_filters_are_refused(client: Any) -> None:
    answer = await client.get(f"{V1}/product", product_id="x" * 256)
    assert answer.status == 400
    assert answer.json()["error_code"] == "WKS.00211102"


async def test_ecs_zones_are_available_where_a_host_stands(client: Any) -> None:
    body = await get(client, "/v2.1/p/os-availability-zone")
    zones = {zone["zoneName"]: zone for zone in body["availabilityZoneInfo"]}
    assert zones["local-1a"] == {"zoneName": "local-1a", "zoneState": {"available": True}, "hosts": None}
    assert zones["local-1b"]["zoneState"] == {"available": False}


async def test_ecs_flavors_are_paged_by_marker(client: Any) -> None:
    whole = (await get(client, "/v1/p/cloudservers/flavors"))["flavors"]
    assert whole[0] == {
        "id": "local.xlarge.small", "name": "local.xlarge.small", "vcpus": "2", "ram": 1024, "disk": "0",
        "os_extra_specs": {"cond:operation:status": "normal", "ecs:performancetype": "normal"},
    }  # fmt: skip
    page = await get(client, "/v1/p/cloudservers/flavors", marker=whole[1]["id"], limit="2")
    assert page["flavors"] == whole[2:4]
    one = await get(client, "/v1/p/cloudservers/flavors", flavor_id="local.gpu.a30")
    assert one["flavors"][0]["os_extra_specs"]["ecs:performancetype"] == "gpu"
    there = await get(client, "/v1/p/cloudservers/flavors", availability_zone="local-1c")
    assert "local.zonal.1" not in {each["id"] for each in there["flavors"]}


async def test_ecs_refuses_in_its_own_shape(client: Any) -> None:
    answer = await client.get("/v1/p/cloudservers/flavors", limit="0")
    assert answer.status == 400
    assert set(answer.json()) == {"error"}


async def test_evs_shows_the_same_volume_types(client: Any) -> None:
    body = await get(client, "/v2/p/types")
    by_name = {each["name"]: each for each in body["volume_types"]}
    assert by_name["ESSD"]["extra_specs"] == {
        "volume_backend_name": "ESSD",
        "RESKEY:availability_zones": "local-1a,local-1b,local-1c",
        "os-vendor-extended:sold_out_availability_zones": "local-1c",
    }
    assert by_name["SAS"]["description"] is None


async def test_the_operations_are_documented(client: Any) -> None:
    document = await get(client, "/openapi.json")
    assert "/v1/{project_id}/product" in document["paths"]
