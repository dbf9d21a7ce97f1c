"""Groups and their members on the wire."""

from __future__ import annotations

from typing import Any

Root = Client = Any
"""`conftest.Root`, `conftest.Client`"""


async def test_a_group_is_made_shown_listed_changed_and_deleted(root: Root) -> None:
    made = (await root("POST", "/v3/groups", {"group": {"name": "builders", "description": "d"}}, expect=201))["group"]
    assert (await root("GET", f"/v3/groups/{made['id']}"))["group"] == made
    assert [each["name"] for each in (await root("GET", "/v3/groups?name=builders"))["groups"]] == ["builders"]
    assert (await root("GET", "/v3/groups?name=none"))["groups"] == []
    await root("POST", "/v3/groups", {"group": {"name": "builders"}}, expect=409)
    changed = await root("PATCH", f"/v3/groups/{made['id']}", {"group": {"name": "makers"}})
    assert (changed["group"]["name"], changed["group"]["description"]) == ("makers", "d")
    await root("DELETE", f"/v3/groups/{made['id']}", expect=204)
    await root("GET", f"/v3/groups/{made['id']}", expect=404)


async def test_users_come_and_go(root: Root, client: Client) -> None:
    group, user = await root.group(), await root.user()
    path = f"/v3/groups/{group}/users/{user}"
    assert (await client.send("HEAD", path, headers=root.headers())).status == 404
    await root("PUT", path, expect=204)
    await root("PUT", path, expect=204)
    assert (await client.send("HEAD", path, headers=root.headers())).status == 204
    assert [each["id"] for each in (await root("GET", f"/v3/groups/{group}/users"))["users"]] == [user]
    assert [each["id"] for each in (await root("GET", f"/v3/users/{user}/groups"))["groups"]] == [group]
    await root("DELETE", path, expect=204)
    await root("DELETE", path, expect=404)
    assert (await root("GET", f"/v3/groups/{group}/users"))["users"] == []


async def test_a_missing_group_or_user_is_named(root: Root) -> None:
    group, user = await root.group(), await root.user()
    for path, field in ((f"/v3/groups/none/users/{user}", "group_id"), (f"/v3/groups/{group}/users/none", "user_id")):
        refused = await root("PUT", path, expect=404)
        assert refused["error"]["details"][0]["field"] == field


async def test_membership_ends_the_tokens_of_who_comes_or_goes(root: Root, client: Client) -> None:
    group, user, other = await root.group(), await root.user("ann"), await root.user("bob")
    theirs = root.headers(other)
    for method in ("PUT", "DELETE"):
        headers = root.headers(user)
        await root(method, f"/v3/groups/{group}/users/{user}")
        assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401
    assert (await client.send("GET", "/v3/auth/projects", headers=theirs)).status == 200


async def test_who_is_deleted_is_in_no_group_any_more(root: Root) -> None:
    group, user = await root.group(), await root.user()
    await root("PUT", f"/v3/groups/{group}/users/{user}")
    await root("DELETE", f"/v3/users/{user}")
    assert (await root("GET", f"/v3/groups/{group}/users"))["users"] == []
