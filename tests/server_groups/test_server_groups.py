"""Server groups as the official client sees them."""

from __future__ import annotations

from typing import Any

import huaweicloudsdkworkspaceapp.v1 as sdk
import pytest
from tests.app_servers.remains import ended, forgotten, made, refused, remove
from tests.service import PROJECT, Service, example

TAGS = [{"key": "team", "value": "blue"}, {"key": "stage", "value": "测试 1"}]


def listed(client: Any, **filters: Any) -> list[str]:
    page = client.list_server_groups(sdk.ListServerGroupsRequest(limit=100, **filters))
    assert page.count == len(page.items)
    return [item.id for item in page.items]


def show(client: Any, group_id: str) -> Any:
    return client.show_server_group(sdk.ShowServerGroupRequest(server_group_id=group_id))


def tags_of(client: Any, group_id: str) -> dict[str, str | None]:
    found = client.show_server_group_tag(sdk.ShowServerGroupTagRequest(server_group_id=group_id))
    return {tag.key: tag.value for tag in found.tags}


def test_what_a_create_said_is_visible_in_its_server_group(tidy_service: Service) -> None:
    owned, client = made(tidy_service, "visible", tags=TAGS), tidy_service.sdk()
    group = show(client, owned["server_group_id"])
    assert (group.name, group.app_type, group.is_vdi) == ("visible", "SESSION_DESKTOP_APP", True)
    assert group.product_id == group.product_info.product_id == "workspace.x86.performance.xlarge4"
    assert (group.system_disk_type, group.system_disk_size) == ("SATA", 60)
    assert group.subnet_id == "a5842cb4-5718-4b0a-8b27-3a3e9c74f977"
    assert group.image_id == owned["image_ref"]["id"]
    assert group.image_type == "gold"
    assert group.image_name
    assert group.subnet_name
    assert [(tag.key, tag.value) for tag in group.tags] == [("team", "blue"), ("stage", "测试 1")]
    assert (group.app_server_count, group.app_server_flavor_count, group.app_group_count) == (1, 1, 1)
    assert [flavor.id for flavor in group.flavors] == ["local.xlarge.small"]
    assert group.route_policy is not None
    state = client.show_server_group_state(sdk.ShowServerGroupStateRequest(server_group_id=group.id))
    assert state.aps_status == {"REGISTERED": 1}
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"
    assert refused(lambda: show(client, group.id)).status_code == 404


def test_every_filter_narrows_both_lists(tidy_service: Service) -> None:
    blue, bare = forgotten(tidy_service, "Blue", tags=TAGS), forgotten(tidy_service, "bare")
    client, one, two = tidy_service.sdk(), blue["server_group_id"], bare["server_group_id"]
    assert listed(client) == [two, one]
    assert listed(client, server_group_name="bLU") == [one]
    assert listed(client, server_group_id=two) == [two]
    assert listed(client, app_type="COMMON_APP") == []
    assert listed(client, enterprise_project_id="0") == [two, one]
    assert listed(client, is_secondary_server_group="true") == []
    assert listed(client, is_secondary_server_group="false") == [two, one]
    assert listed(client, tags="team=blue") == [one]
    assert listed(client, tags="team=blue,stage=测试 1") == [one]
    assert listed(client, tags="team=blu") == []
    assert listed(client, tags="team=blue,stage=other") == []
    brief = client.list_tenant_server_groups(sdk.ListTenantServerGroupsRequest(sever_group_name="blue"))
    assert [(item.id, item.app_group_count) for item in brief.items] == [(one, 1)]
    for left in (blue, bare):
        remove(tidy_service, left)


def test_a_group_is_deleted_only_when_nothing_is_in_it_and_nobody_owns_it(tidy_service: Service) -> None:
    owned, client = made(tidy_service, "in use"), tidy_service.sdk()
    deletion = sdk.DeleteServerGroupsRequest(server_group_id=owned["server_group_id"])
    error = refused(lambda: client.delete_server_groups(deletion))
    assert (error.status_code, owned["id"] in error.error_msg) == (409, True)
    assert tidy_service.delete(owned["id"], recursive=False)["status"] == "SUCCESS"
    error = refused(lambda: client.delete_server_groups(deletion))
    assert (error.status_code, "delete the servers first" in error.error_msg) == (409, True)
    job_id = client.delete_server(sdk.DeleteServerRequest(server_id=owned["server_id"])).job_id
    assert ended(client, job_id).status == "SUCCESS"
    for _ in range(2):
        client.delete_server_groups(deletion)
    app_group = client.show_app_group_detail(sdk.ShowAppGroupDetailRequest(app_group_id=owned["app_group_id"]))
    assert (app_group.app_server_group_id, app_group.app_server_group_name) == ("", "")
    client.delete_app_group(sdk.DeleteAppGroupRequest(app_group_id=owned["app_group_id"]))


def test_a_group_is_owned_while_its_image_server_is_being_created(tidy_service: Service) -> None:
    job_id = tidy_service.create(example("early"))
    server_id = tidy_service.job(job_id)["sub_jobs"][0]["job_resource_info"]["resource_id"]
    group_id = tidy_service.call("GET", tidy_service.servers(f"/{server_id}")).json()["server_group_id"]
    answer = tidy_service.call("DELETE", f"/v1/{PROJECT}/app-server-groups/{group_id}")
    assert answer.status_code == 409
    assert tidy_service.wait(job_id)["status"] == "SUCCESS"
    assert tidy_service.delete(server_id)["status"] == "SUCCESS"


def test_name_and_description_change_and_what_is_fixed_is_refused_unless_it_stays(tidy_service: Service) -> None:
    first, second = forgotten(tidy_service, "one"), forgotten(tidy_service, "two")
    client, group_id = tidy_service.sdk(), first["server_group_id"]

    def update(**change: Any) -> None:
        client.update_server_group(sdk.UpdateServerGroupRequest(group_id, sdk.UpdateServerGroupReq(**change)))

    update(name="three", description="seen", system_disk_size=60, app_type="SESSION_DESKTOP_APP")
    assert (show(client, group_id).name, show(client, group_id).description) == ("three", "seen")
    assert refused(lambda: update(name="two")).status_code == 409
    error = refused(lambda: update(system_disk_size=80, route_policy=sdk.RoutePolicyDetail(max_session=2)))
    assert (error.status_code, error.error_code) == (400, "WKS.00169901")
    assert "route_policy" in error.error_msg
    for left in (first, second):
        remove(tidy_service, left)


@pytest.mark.parametrize(
    ("name", "verdict"), [("fresh", (True, None)), ("taken", (False, "duplicate")), ("no!", (False, "naming")),
                          ("", (False, "naming")), ("x" * 65, (False, "naming"))],
)  # fmt: skip
def test_a_name_is_judged(tidy_service: Service, name: str, verdict: tuple[bool, str | None]) -> None:
    left = forgotten(tidy_service, "taken")
    answer = tidy_service.sdk().validate_server_group(
        sdk.ValidateServerGroupRequest(sdk.ValidateSeverGroupReq(name=name))
    )
    assert (answer.result, answer.validate_rule) == verdict
    remove(tidy_service, left)


def test_the_restrictions_follow_the_quota(tidy_service: Service) -> None:
    client = tidy_service.sdk()
    before = client.show_server_group_restrict(sdk.ShowServerGroupRestrictRequest())
    left = forgotten(tidy_service, "counts")
    after = client.show_server_group_restrict(sdk.ShowServerGroupRestrictRequest())
    assert (before.max_session, before.max_group_count) == (1024, after.max_group_count)
    remove(tidy_service, left)


def test_tags_are_added_replaced_and_removed(tidy_service: Service) -> None:
    first, second = forgotten(tidy_service, "tagged", tags=TAGS), forgotten(tidy_service, "untagged")
    client, one, two = tidy_service.sdk(), first["server_group_id"], second["server_group_id"]
    red, blue = sdk.TmsTag(key="team", value="red"), sdk.TmsTag(key="team", value="blue")
    answer = client.create_server_group_tags(sdk.CreateServerGroupTagsRequest(one, sdk.CreateResourceTagReq([red])))
    assert answer.status_code == 204
    assert tags_of(client, one) == {"team": "red", "stage": "测试 1"}
    both = [sdk.ServerGroupTagsInfo(server_group_id=each, tags=[blue]) for each in (one, two)]
    batch = sdk.BatchCreateServerGroupTagsRequest(sdk.BatchCreateServerGroupTagsReq(both[1:]))
    assert client.batch_create_server_group_tags(batch).status_code == 204
    everything = client.list_server_group_tag(sdk.ListServerGroupTagRequest())
    assert {tag.key: tag.values for tag in everything.tags} == {"team": ["blue", "red"], "stage": ["测试 1"]}
    removal = sdk.DeleteServerGroupTagsRequest(one, sdk.DeleteResourceTagReq([sdk.TmsTag(key="stage")]))
    assert client.delete_server_group_tags(removal).status_code == 204
    assert tags_of(client, one) == {"team": "red"}
    removals = sdk.BatchDeleteServerGroupTagsRequest(sdk.BatchDeleteServerGroupTagsReq(both))
    assert client.batch_delete_server_group_tags(removals).status_code == 204
    assert (tags_of(client, one), tags_of(client, two)) == ({}, {})
    for left in (first, second):
        remove(tidy_service, left)


def test_tags_that_cannot_be_added_change_nothing(tidy_service: Service) -> None:
    left = forgotten(tidy_service, "full", tags=[{"key": f"k{number}"} for number in range(19)])
    group_id = left["server_group_id"]
    path = f"/v1/{PROJECT}/server-group/{group_id}/tags/create"
    for tags in ([{"key": "a"}, {"key": "b"}], [{"key": "a"}, {"key": "a"}], [{"key": "_sys_a"}]):
        assert tidy_service.call("POST", path, {"tags": tags}).status_code == 400
    items = [{"server_group_id": each, "tags": [{"key": "a"}]} for each in (group_id, "nowhere")]
    answer = tidy_service.call("POST", f"/v1/{PROJECT}/server-group/tags/batch-create", {"items": items})
    assert [problem["field"] for problem in answer.json()["details"]] == ["items[1].server_group_id"]
    assert len(tags_of(tidy_service.sdk(), group_id)) == 19
    assert tidy_service.call("GET", f"/v1/{PROJECT}/server-group/nowhere/tags").status_code == 404
    remove(tidy_service, left)
