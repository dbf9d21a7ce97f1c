"""Quotas, tenant and workspace on the wire."""

from typing import Any

import pytest
from huaweicloudsdkworkspace.v2 import ListWorkspacesResponse, ShowAssistAuthConfigResponse
from huaweicloudsdkworkspaceapp.v1 import CheckQuotaResponse, ListTenantProfileResponse

from goldsmith.store.sqlite import SqliteStore
from goldsmith.tenancy.service import Tenancy

P = "a4da8115c9d8464ead3a38309130523f"
CHECK = f"/v1/{P}/check/quota"
ORDER: dict[str, Any] = {
    "product_id": "workspace.x86.performance.xlarge4", "subscription_num": 1, "disk_size": 60, "disk_num": 1,
}  # fmt: skip


async def test_an_order_within_the_quota_is_enough(client: Any) -> None:
    answer = await client.get(CHECK, **ORDER)
    assert answer.status == 200
    assert set(answer.json()) == set(CheckQuotaResponse.attribute_map.values())
    assert answer.json() == {
        "is_enough": True,
        "quota_remainder": [
            {"type": "INSTANCES", "remainder": 4, "need": 1},
            {"type": "VOLUMES", "remainder": 5, "need": 1},
            {"type": "VOLUME_GIGABYTES", "remainder": 300, "need": 60},
            {"type": "CORES", "remainder": 6, "need": 2},
            {"type": "MEMORY", "remainder": 4096, "need": 1024},
        ],
    }


@pytest.mark.parametrize(
    ("change", "short"),
    [
        ({"subscription_num": 5}, {"INSTANCES", "CORES", "MEMORY"}),
        ({"flavor_id": "local.xlarge.large", "subscription_num": 2}, {"CORES"}),
        ({"disk_num": 6}, {"VOLUMES"}),
        ({"disk_size": 310}, {"VOLUME_GIGABYTES"}),
        ({"product_id": "workspace.x86.gpu.a30"}, {"GPU_INSTANCES", "CORES", "MEMORY"}),
    ],
)
async def test_an_order_over_the_quota_is_not_enough(client: Any, change: dict[str, Any], short: set[str]) -> None:
    body = (await client.get(CHECK, **{**ORDER, **change})).json()
    rows = body["quota_remainder"]
    assert {row["type"] for row in rows if row["need"] > row["remainder"]} >= short
    assert body["is_enough"] is False


async def test_used_quota_is_gone(client: Any, store: SqliteStore, tenancy: Tenancy) -> None:
    store.write_now(lambda tx: tenancy.claim_quota(tx, P, {"INSTANCES": 4}))
    body = (await client.get(CHECK, **ORDER)).json()
    assert body["quota_remainder"][0] == {"type": "INSTANCES", "remainder": 0, "need": 1}
    assert body["is_enough"] is False


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"product_id": "workspace.unknown"}, "product_id"),
        ({"flavor_id": "s2.xlarge.2"}, "flavor_id"),
        ({"subscription_num": 101}, "subscription_num"),
        ({"subscription_num": 0}, "subscription_num"),
        ({"disk_size": 9}, "disk_size"),
        ({"disk_num": 12}, "disk_num"),
        ({"is_period": "perhaps"}, "is_period"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(client: Any, change: dict[str, Any], field: str) -> None:
    answer = await client.get(CHECK, **{**ORDER, **change})
    assert answer.status == 400
    assert answer.json()["error_code"] == "WKS.00211102"
    assert [each["field"] for each in answer.json()["details"]] == [field]


async def test_missing_parameters_are_all_named(client: Any) -> None:
    answer = await client.get(CHECK)
    fields = [each["field"] for each in answer.json()["details"]]
    assert fields == ["product_id", "subscription_num", "disk_size", "disk_num"]


async def test_the_profile_names_project_and_account(client: Any) -> None:
    body = (await client.get(f"/v1/{P}/tenant/profile")).json()
    assert set(body) == set(ListTenantProfileResponse.attribute_map.values())
    assert body["project_name"] == f"name of {P}"
    assert (body["tenant_domain_id"], body["tenant_domain_name"]) == ("d1", "goldsmith")
    assert (body["service_status"], body["open_with_ad"]) == ("active", False)
    assert body["create_time"].endswith("Z")
    assert (await client.get(f"/v1/{P}/tenant/profile")).json() == body


async def test_a_directory_shows_in_the_profile(with_directory: Any) -> None:
    assert (await with_directory.get(f"/v1/{P}/tenant/profile")).json()["open_with_ad"] is True


async def test_a_tenant_is_switched_off_and_on(client: Any) -> None:
    for status, shown in (("inactive", "CLOSED"), ("active", "SUBSCRIBED")):
        answer = await client.post(f"/v1/{P}/tenant/action/active", {"service_status": status})
        assert (answer.status, answer.json()) == (200, {"project_id": P, "service_status": status})
        assert (await client.get(f"/v1/{P}/tenant/profile")).json()["service_status"] == status
        assert (await client.get(f"/v2/{P}/workspaces")).json()["status"] == shown


@pytest.mark.parametrize("body", [{}, {"service_status": "on"}, {"service_status": "active", "x": 1}])
async def test_switching_refuses_with_the_code_of_its_family(client: Any, body: dict[str, Any]) -> None:
    answer = await client.post(f"/v1/{P}/tenant/action/active", body)
    assert (answer.status, answer.json()["error_code"]) == (400, "WKS.00139901")


async def test_the_workspace_is_one_flat_object(client: Any) -> None:
    body = (await client.get(f"/v2/{P}/workspaces")).json()
    assert set(body) <= set(ListWorkspacesResponse.attribute_map.values())
    assert (body["vpc_id"], body["vpc_name"]) == ("v1", "first")
    assert body["subnet_ids"] == [{"subnet_id": "s1"}, {"subnet_id": "s2"}]
    assert [each["vpc_id"] for each in body["vpc_config_infos"]] == ["v1", "v2"]
    assert (body["ad_domains"], body["config_status"]) == ({"domain_type": "LITE_AS"}, "3")


async def test_a_directory_shows_in_the_workspace(with_directory: Any) -> None:
    body = (await with_directory.get(f"/v2/{P}/workspaces")).json()
    assert body["config_status"] == "0"
    assert body["ad_domains"] == {
        "domain_type": "LOCAL_AD", "domain_name": "corp.example", "domain_admin_account": "administrator",
    }  # fmt: skip


async def test_terraform_finds_lock_and_second_factor(client: Any) -> None:
    lock = (await client.get(f"/v2/{P}/workspaces/lock-status")).json()
    assert (lock["is_lock"], lock["is_locked"]) == (0, 0)
    method = (await client.get(f"/v2/{P}/assist-auth-config/method-config")).json()
    assert method == {"otp_config_info": {"enable": False}}
    assert set(method) <= set(ShowAssistAuthConfigResponse.attribute_map.values())


async def test_the_operations_are_documented(client: Any) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/v2/{project_id}/users/{user_id}" in paths
    user = paths["/v2/{project_id}/users"]["post"]
    assert "409" in user["responses"]
