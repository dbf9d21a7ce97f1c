"""App groups and authorisations as the official client sees them."""

from __future__ import annotations

from typing import Any

import huaweicloudsdkworkspaceapp.v1 as sdk
from tests.app_servers.remains import ended, forgotten, made, refused, remove
from tests.service import PROJECT, Service


def listed(client: Any, **filters: Any) -> list[str]:
    page = client.list_app_group(sdk.ListAppGroupRequest(limit=100, **filters))
    assert page.count == len(page.items)
    return [item.id for item in page.items]


def authorised(client: Any, **filters: Any) -> list[str]:
    page = client.list_app_group_authorization(sdk.ListAppGroupAuthorizationRequest(**filters))
    assert page.count == len(page.authorizations)
    return [item.account for item in page.authorizations]


def user(service: Service, name: str) -> str:
    body = {"user_name": name, "user_email": f"{name}@example.com", "active_type": "USER_ACTIVATE"}
    answer = service.call("POST", f"/v2/{PROJECT}/users", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def accounts(*names: str) -> list[Any]:
    return [sdk.AccountInfo(account=name, account_type="USER") for name in names]


def test_the_account_of_a_create_is_visible(tidy_service: Service) -> None:
    owned, client = made(tidy_service, "seen"), tidy_service.sdk()
    shown = client.show_app_group_detail(sdk.ShowAppGroupDetailRequest(app_group_id=owned["app_group_id"]))
    assert (shown.name, shown.tenant_id, shown.app_count) == ("seen", PROJECT, 0)
    assert (shown.app_type, shown.authorization_type) == ("SESSION_DESKTOP_APP", "APP_GROUP")
    assert (shown.app_server_group_id, shown.app_server_group_name) == (owned["server_group_id"], "seen")
    found = client.list_app_group_authorization(
        sdk.ListAppGroupAuthorizationRequest(app_group_id=owned["app_group_id"])
    )
    (right,) = found.authorizations
    assert (right.account, right.account_type) == ("administrator", "USER")
    assert right.domain == owned["authorize_accounts"][0]["domain"]
    assert (right.app_group_id, right.app_group_name) == (owned["app_group_id"], "seen")
    assert authorised(client, account_id=right.account_id) == ["administrator"]
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"
    assert authorised(client) == []


def test_an_app_group_of_a_live_image_server_is_deleted_only_with_it(tidy_service: Service) -> None:
    owned, left, client = made(tidy_service, "owned"), forgotten(tidy_service, "free"), tidy_service.sdk()
    ids = [left["app_group_id"], owned["app_group_id"]]
    for call in (
        lambda: client.delete_app_group(sdk.DeleteAppGroupRequest(app_group_id=ids[1])),
        lambda: client.batch_delete_app_group(sdk.BatchDeleteAppGroupRequest(sdk.DeleteAppGroupReq(ids))),
    ):
        error = refused(call)
        assert (error.status_code, owned["id"] in error.error_msg) == (409, True)
    assert set(listed(client)) == set(ids)
    client.batch_delete_app_group(sdk.BatchDeleteAppGroupRequest(sdk.DeleteAppGroupReq([ids[0], "unknown"])))
    assert listed(client) == [ids[1]]
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"
    remove(tidy_service, left)


def test_every_filter_narrows_the_list(tidy_service: Service) -> None:
    first, second = forgotten(tidy_service, "First"), forgotten(tidy_service, "second")
    client, one, two = tidy_service.sdk(), first["app_group_id"], second["app_group_id"]
    assert listed(client) == [two, one]
    assert listed(client, name="fIRs") == [one]
    assert listed(client, app_group_id=two) == [two]
    assert listed(client, app_server_group_id=first["server_group_id"]) == [one]
    assert listed(client, app_type="COMMON_APP") == []
    assert listed(client, authorization_type="APP") == []
    assert listed(client, authorization_type="APP_GROUP") == [two, one]
    for left in (first, second):
        remove(tidy_service, left)


def test_a_group_is_renamed_and_bound_only_while_it_is_bound_to_none(tidy_service: Service) -> None:
    first, second = forgotten(tidy_service, "one"), forgotten(tidy_service, "two")
    client, group_id = tidy_service.sdk(), first["app_group_id"]

    def update(**change: Any) -> Any:
        return client.update_app_group(sdk.UpdateAppGroupRequest(group_id, sdk.UpdateAppGroupReq(**change)))

    changed = update(name="three", description="seen")
    assert (changed.id, changed.name, changed.description) == (group_id, "three", "seen")
    assert refused(lambda: update(app_server_group_id=second["server_group_id"])).status_code == 409
    job_id = client.delete_server(sdk.DeleteServerRequest(server_id=first["server_id"])).job_id
    assert ended(client, job_id).status == "SUCCESS"
    client.delete_server_groups(sdk.DeleteServerGroupsRequest(server_group_id=first["server_group_id"]))
    assert refused(lambda: update(app_server_group_id="nowhere")).status_code == 400
    assert update(app_server_group_id=second["server_group_id"]).app_server_group_name == "two"
    for left in (first, second):
        remove(tidy_service, left)


def test_a_recursive_deletion_leaves_no_group_bound_to_what_it_removed(tidy_service: Service) -> None:
    owned, left, client = made(tidy_service, "goes"), forgotten(tidy_service, "stays"), tidy_service.sdk()
    job_id = client.delete_server(sdk.DeleteServerRequest(server_id=left["server_id"])).job_id
    assert ended(client, job_id).status == "SUCCESS"
    client.delete_server_groups(sdk.DeleteServerGroupsRequest(server_group_id=left["server_group_id"]))
    change = sdk.UpdateAppGroupReq(app_server_group_id=owned["server_group_id"])
    client.update_app_group(sdk.UpdateAppGroupRequest(left["app_group_id"], change))
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"
    shown = client.show_app_group_detail(sdk.ShowAppGroupDetailRequest(app_group_id=left["app_group_id"]))
    assert shown.app_server_group_id == ""
    remove(tidy_service, left)


def test_accounts_are_authorised_once_and_lose_it_again(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "shared"), tidy_service.sdk()
    ada, group_id = user(tidy_service, "Ada"), left["app_group_id"]
    grant = sdk.AppGroupAuthorizeReq(app_group_ids=[group_id], accounts=accounts("ada", "administrator"))
    for _ in range(2):
        client.add_app_group_authorization(sdk.AddAppGroupAuthorizationRequest(body=grant))
    assert sorted(authorised(client)) == ["Ada", "administrator"]
    assert authorised(client, account="ADA") == ["Ada"]
    assert authorised(client, account_id=ada, account_type="USER") == ["Ada"]
    assert authorised(client, account_type="USER_GROUP") == []
    loss = sdk.AppGroupAuthorizeReq(app_group_ids=[group_id, "unknown"], accounts=accounts("ada", "nobody"))
    client.batch_delete_app_group_authorization(sdk.BatchDeleteAppGroupAuthorizationRequest(body=loss))
    assert authorised(client) == ["administrator"]
    assert tidy_service.call("DELETE", f"/v2/{PROJECT}/users/{ada}").status_code < 300
    remove(tidy_service, left)


def test_a_grant_names_everything_that_is_wrong(tidy_service: Service) -> None:
    body = {
        "accounts": [{"account": "nobody", "account_type": "USER"}, {"account": "g", "account_type": "USER_GROUP"},
                     {"account": "administrator", "account_type": "ROBOT"}],
        "app_group_ids": ["nowhere"],
    }  # fmt: skip
    answer = tidy_service.call("POST", f"/v1/{PROJECT}/app-groups/authorizations", body)
    assert answer.status_code == 400
    fields = {problem["field"] for problem in answer.json()["details"]}
    assert fields == {
        "accounts[2].account_type", "accounts[0].account", "accounts[1].account_type", "app_group_ids[0]"
    }  # fmt: skip
