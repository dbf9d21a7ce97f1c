"""Workspace users on the wire, as the SDK and Terraform use them."""

from typing import Any

import pytest
from huaweicloudsdkworkspace.v2 import CreateUserRequest, EditUserReq, User, UserDetail

from goldsmith.store.sqlite import SqliteStore
from goldsmith.tenancy import user_schemas
from goldsmith.tenancy.service import Tenancy

P = "a4da8115c9d8464ead3a38309130523f"
USERS = f"/v2/{P}/users"
TERRAFORM = {
    "user_name": "user001", "user_email": "user001@example.com", "account_expires": "0",
    "enable_change_password": True, "next_login_change_password": True,
}  # fmt: skip
WITH_PASSWORD = {"user_name": "user001", "active_type": "ADMIN_ACTIVATE", "password": "Sesame-2024"}


async def create(client: Any, **body: Any) -> str:
    answer = await client.post(USERS, {**TERRAFORM, **body})
    assert answer.status == 201, answer.text
    assert set(answer.json()) == {"id"}
    found: str = answer.json()["id"]
    return found


async def detail(client: Any, user_id: str) -> dict[str, Any]:
    answer = await client.get(f"{USERS}/{user_id}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()["user_detail"]
    return found


def test_bodies_have_the_fields_of_the_official_sdk() -> None:
    assert set(user_schemas.CreateUser.model_fields) == set(CreateUserRequest.attribute_map.values())
    assert set(user_schemas.EditUser.model_fields) == set(EditUserReq.attribute_map.values())


async def test_a_user_lives_as_terraform_makes_it_live(client: Any) -> None:
    user_id = await create(client, description="First shift")
    found = await detail(client, user_id)
    assert set(found) <= set(UserDetail.attribute_map.values())
    assert (found["user_name"], found["user_email"]) == ("user001", "user001@example.com")
    assert (found["account_expires"], found["locked"], found["total_desktops"]) == (0, False, 0)
    change = {
        "user_email": "", "description": "", "account_expires": "2030-01-31T12:00:00.000Z",
        "enable_change_password": False, "next_login_change_password": False, "password_never_expired": True,
        "disabled": True,
    }  # fmt: skip
    answer = await client.send("PUT", f"{USERS}/{user_id}", change)
    assert (answer.status, answer.json()) == (200, {"id": user_id})
    found = await detail(client, user_id)
    assert found["account_expires"] == 1_896_091_200_000
    assert (found["user_email"], found["description"]) == ("", "")
    assert (found["disabled"], found["password_never_expired"], found["enable_change_password"]) == (True, True, False)
    answer = await client.send("DELETE", f"{USERS}/{user_id}")
    assert (answer.status, answer.text) == (204, "")
    answer = await client.get(f"{USERS}/{user_id}")
    assert (answer.status, answer.json()["error_code"]) == (400, "WKS.00170312")


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"description": "x"}), ("DELETE", None)])
async def test_an_unknown_user_has_the_code_that_clients_read_as_not_found(client: Any, method: str, body: Any) -> None:
    await create(client)
    answer = await client.send(method, f"{USERS}/nobody", body)
    assert (answer.status, answer.json()["error_code"]) == (400, "WKS.00170312")
    assert "nobody" in answer.json()["error_msg"]


async def test_a_user_of_another_project_does_not_exist(client: Any) -> None:
    user_id = await create(client)
    for method in ("GET", "DELETE"):
        assert (await client.send(method, f"/v2/other/users/{user_id}")).status == 400
    assert (await client.send("PUT", f"/v2/other/users/{user_id}", {"disabled": True})).status == 400
    assert (await client.get("/v2/other/users")).json() == {"total_count": 0, "users": []}
    assert (await detail(client, user_id))["disabled"] is False


async def test_a_wrong_change_is_not_taken_for_a_missing_user(client: Any) -> None:
    user_id = await create(client)
    answer = await client.send("PUT", f"{USERS}/{user_id}", {"account_expires": "tomorrow", "user_name": "x"})
    assert (answer.status, answer.json()["error_code"]) == (400, "WKS.00211102")
    assert [each["field"] for each in answer.json()["details"]] == ["account_expires", "user_name"]


async def test_a_name_is_taken_whatever_its_case(client: Any) -> None:
    await create(client)
    answer = await client.post(USERS, {**TERRAFORM, "user_name": "USER001"})
    assert answer.status == 409
    assert answer.json()["details"][0]["field"] == "user_name"


async def test_a_password_is_kept_and_never_shown(client: Any, store: SqliteStore, tenancy: Tenancy) -> None:
    answer = await client.post(USERS, WITH_PASSWORD)
    assert answer.status == 201
    user: Any = store.read_now(lambda tx: tenancy.find_user(tx, P, "user001"))
    assert tenancy.password_of(user) == "Sesame-2024"
    shown = (await client.get(f"{USERS}/{user.id}")).text + (await client.get(USERS)).text + answer.text
    assert "Sesame" not in shown
    assert 'password"' not in shown.replace('_password"', "")


@pytest.mark.parametrize(
    "password",
    [
        "Short-1",
        "x" * 24 + "-Longer-12",
        "secret-secret",
        "Secret user001 -",
        "Secret 100RESU -",
        "Line\nbreak-1",
        12345678,
    ],
)
async def test_a_bad_password_is_refused_without_repeating_it(client: Any, password: Any) -> None:
    answer = await client.post(USERS, {**WITH_PASSWORD, "password": password})
    assert answer.status == 400
    (problem,) = answer.json()["details"]
    assert (problem["field"], problem["value"]) == ("password", None)
    assert str(password) not in answer.text


async def test_everything_that_is_wrong_is_reported_at_once(client: Any) -> None:
    await create(client)
    body = {
        "user_name": "user001", "password": "weak", "user_email": "nobody", "account_expires": "2030",
        "active_type": "NEVER", "group_ids": ["g"], "size": 1, "enable_change_password": "yes",
    }  # fmt: skip
    answer = await client.post(USERS, body)
    assert answer.status == 400
    fields = {each["field"] for each in answer.json()["details"]}
    assert fields == set(body)
    assert "weak" not in answer.text


@pytest.mark.parametrize("name", ["", "1user", "user name", "-user", "u" * 21, "用户", "a@b"])
async def test_names_follow_the_published_rule(client: Any, name: str) -> None:
    answer = await client.post(USERS, {**TERRAFORM, "user_name": name})
    assert (answer.status, answer.json()["details"][0]["field"]) == (400, "user_name")


@pytest.mark.parametrize("name", ["1234", "u", "User.name-1_x", "U" * 20])
async def test_good_names_are_taken(client: Any, name: str) -> None:
    await create(client, user_name=name)


async def test_whoever_activates_an_account_must_be_reachable(client: Any) -> None:
    answer = await client.post(USERS, {"user_name": "user001"})
    assert answer.json()["details"][0]["rule"] == "contact"
    assert (await client.post(USERS, {"user_name": "user001", "user_phone": "+86 1234567"})).status == 201


async def test_a_directory_knows_the_passwords_of_its_users(client: Any, with_directory: Any) -> None:
    body = {"user_name": "user001", "active_type": "ADMIN_ACTIVATE"}
    answer = await client.post(USERS, body)
    assert answer.json()["details"][0]["field"] == "password"
    answer = await with_directory.post(USERS, {**body, "domain": "other.example"})
    assert answer.json()["details"][0]["field"] == "domain"
    assert (await with_directory.post(USERS, {**body, "domain": "CORP.example"})).status == 201


async def test_users_are_listed_and_filtered(client: Any) -> None:
    for number in range(1, 5):
        await create(client, user_name=f"user00{number}", description="even" if number % 2 == 0 else "odd_one")
    body = (await client.get(USERS)).json()
    assert body["total_count"] == 4
    assert set(body["users"][0]) <= set(User.attribute_map.values())
    assert body["users"][0]["account_expires"] == "0"

    async def names(**query: Any) -> list[str]:
        found = (await client.get(USERS, **query)).json()
        return [user["user_name"] for user in found["users"]]

    assert await names(limit=2, offset=1) == ["user002", "user003"]
    assert await names(user_name="R003") == ["user003"]
    assert await names(user_names=["USER001", "user004"]) == ["user001", "user004"]
    assert await names(description="d_o") == ["user001", "user003"]
    assert await names(user_name="%") == []
    assert await names(disabled="true") == []
    assert await names(active_type="ADMIN_ACTIVATE") == []
    assert await names(group_name="g") == []
    assert await names(enterprise_project_id="0", domain="") == ["user001", "user002", "user003", "user004"]
    assert (await client.get(USERS, limit=2, user_name="user")).json()["total_count"] == 4
