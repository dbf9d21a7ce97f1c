"""Users on the wire: made, changed, removed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

Root = World = Client = Any
"""`conftest.Root`, `conftest.World`, `conftest.Client`"""
PASSWORD = "Str0ng enough"


async def login(client: Client, name: str, password: str) -> int:
    user = {"name": name, "password": password, "domain": {"name": "goldsmith"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return int((await client.send("POST", "/v3/auth/tokens", {"auth": auth})).status)


async def test_a_user_is_made_shown_listed_changed_and_deleted(root: Root, client: Client, world: World) -> None:
    domain_id = world.account.domain_id
    new = {"name": "ann", "domain_id": domain_id, "password": PASSWORD, "email": "ann@example.com", "enabled": True}
    made = (await root("POST", "/v3.0/OS-USER/users", {"user": new}, expect=201))["user"]
    assert (made["name"], made["email"], made["is_domain_owner"]) == ("ann", "ann@example.com", False)
    assert PASSWORD not in str(made)
    assert await login(client, "ann", PASSWORD) == 201
    shown = (await root("GET", f"/v3.0/OS-USER/users/{made['id']}"))["user"]
    assert shown == made
    listed = (await root("GET", f"/v3/users?name=ann&domain_id={domain_id}&enabled=true"))["users"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert len((await root("GET", "/v3/users"))["users"]) == 2
    assert (await root("GET", "/v3/users?domain_id=x"))["users"] == []
    changed = await root("PUT", f"/v3.0/OS-USER/users/{made['id']}", {"user": {"name": "anna", "phone": "123"}})
    assert (changed["user"]["name"], changed["user"]["email"]) == ("anna", "ann@example.com")
    patched = await root("PATCH", f"/v3/users/{made['id']}", {"user": {"description": "new"}})
    assert patched["user"]["description"] == "new"
    await root("DELETE", f"/v3/users/{made['id']}", expect=204)
    await root("GET", f"/v3/users/{made['id']}", expect=404)
    assert await login(client, "anna", PASSWORD) == 401


@pytest.mark.parametrize(
    "password", ["short1", "onlyletters", "12345678901", "robin.hood", "dooh.nibor", "a1\n\n\n\n\n\n\n", "a1" * 65]
)
async def test_a_weak_password_is_refused_and_not_repeated(root: Root, world: World, password: str) -> None:
    user = {"name": "Robin.Hood", "domain_id": world.account.domain_id, "password": password}
    refused = await root("POST", "/v3.0/OS-USER/users", {"user": user}, expect=400)
    assert {each["field"] for each in refused["details"]} == {"user.password"}
    assert password not in str(refused["details"])
    assert len((await root("GET", "/v3/users"))["users"]) == 1


async def test_names_are_unique_and_the_account_is_ones_own(root: Root, world: World) -> None:
    first = await root.user("ann")
    user = {"user": {"name": "ann", "domain_id": world.account.domain_id}}
    refused = await root("POST", "/v3.0/OS-USER/users", user, expect=409)
    assert (refused["error_code"], refused["details"][0]["field"]) == ("IAM.0005", "user.name")
    await root("POST", "/v3/users", {"user": {"name": "bob", "domain_id": "other"}}, expect=400)
    second = await root.user("bob")
    await root("PATCH", f"/v3/users/{second}", {"user": {"name": "ann"}}, expect=409)
    assert (await root("GET", f"/v3/users/{first}"))["user"]["name"] == "ann"
    await root("POST", "/v3/users", {"user": {"name": "9bad"}}, expect=400)


async def test_what_ends_a_users_tokens(root: Root, client: Client) -> None:
    user_id = await root.user("ann", password=PASSWORD)
    for change in ({"password": PASSWORD + "2"}, {"enabled": False}):
        headers = root.headers(user_id)
        assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 200
        await root("PUT", f"/v3.0/OS-USER/users/{user_id}", {"user": change})
        assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401
    assert await login(client, "ann", PASSWORD + "2") == 401
    await root("PATCH", f"/v3/users/{user_id}", {"user": {"enabled": True}})
    assert await login(client, "ann", PASSWORD + "2") == 201


async def test_ones_own_password_needs_the_old_one(root: Root, client: Client) -> None:
    user_id = await root.user("ann", password=PASSWORD)
    target, headers = f"/v3/users/{user_id}/password", root.headers(user_id)

    async def change(old: str, new: str, path: str = target) -> Any:
        body = {"user": {"original_password": old, "password": new}}
        return await client.send("POST", path, body, headers)

    wrong = await change("not this 1", "another 1 pw")
    assert (wrong.status, wrong.json()["error"]["details"][0]["field"]) == (400, "user.original_password")
    assert (await change(PASSWORD, PASSWORD)).status == 400
    assert (await change(PASSWORD, "ann")).status == 400
    assert (await change(PASSWORD, "another 1 pw", "/v3/users/other/password")).status == 403
    assert (await change(PASSWORD, "another 1 pw")).status == 204
    assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401
    assert await login(client, "ann", "another 1 pw") == 201
    assert await login(client, "ann", PASSWORD) == 401


async def test_the_last_administrator_stays(root: Root, world: World) -> None:
    me = world.account.user_id
    for refused in (
        await root("DELETE", f"/v3/users/{me}", expect=409),
        await root("PATCH", f"/v3/users/{me}", {"user": {"enabled": False}}, expect=409),
    ):
        assert "last administrator" in refused["error"]["message"]
    assert (await root("GET", f"/v3/users/{me}"))["user"]["enabled"]


async def test_a_user_with_running_jobs_stays(root: Root, world: World) -> None:
    user_id = await root.user()
    world.busy.add(user_id)
    refused = await root("DELETE", f"/v3/users/{user_id}", expect=409)
    assert refused["error"]["details"][0]["rule"] == "running_jobs"
    world.busy.clear()
    await root("DELETE", f"/v3/users/{user_id}", expect=204)


async def test_a_user_without_permission_manages_nobody(root: Root, client: Client) -> None:
    headers = root.headers(await root.user())
    for method, path, body in (
        ("GET", "/v3/users", None),
        ("POST", "/v3/users", {"user": {"name": "eve"}}),
        ("POST", "/v3/groups", {"group": {"name": "g"}}),
        ("GET", "/v5/policies", None),
    ):
        assert (await client.send(method, path, body, headers)).status == 403
