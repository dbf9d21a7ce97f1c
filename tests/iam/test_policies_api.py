"""Policies and grants on the wire: checked when written, named when missing, in force at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goldsmith.iam.policies.system import ADMINISTRATOR, READ_ONLY
from goldsmith.iam.revision import POLL_SECONDS
from goldsmith.iam.service import Iam
from goldsmith.iam.setup import PROJECT_ID

Root = World = Client = Any
"""`conftest.Root`, `conftest.World`, `conftest.Client`"""
ROLES, POLICIES = "/v3.0/OS-ROLE/roles", "/v5/policies"


def document(version: str, *actions: str, effect: str = "Allow") -> dict[str, Any]:
    return {"Version": version, "Statement": [{"Effect": effect, "Action": list(actions)}]}


def role(name: str = "lookers", *actions: str, **more: Any) -> dict[str, Any]:
    policy = document("1.1", *(actions or ("iam:users:get*", "iam:users:list*")))
    return {"role": {"display_name": name, "type": "AX", "description": "d", "policy": policy, **more}}


def identity(name: str = "lookers", *actions: str) -> dict[str, Any]:
    text = json.dumps(document("5.0", *(actions or ("iam:users:get*", "iam:users:list*"))))
    return {"policy_name": name, "policy_document": text}


async def may_list(client: Client, root: Root, user: str) -> bool:
    answer = await client.send("GET", "/v3/users", headers=root.headers(user))
    assert answer.status in {200, 403}
    return bool(answer.status == 200)


async def test_a_custom_role_lives_its_life(root: Root) -> None:
    made = (await root("POST", ROLES, role(), expect=201))["role"]
    assert (made["display_name"], made["type"], made["catalog"]) == ("lookers", "AX", "CUSTOMED")
    shown = (await root("GET", f"{ROLES}/{made['id']}"))["role"]
    assert (shown["references"], shown["policy"]) == (0, role()["role"]["policy"])
    listed = await root("GET", f"{ROLES}?page=1&per_page=10")
    assert (listed["total_number"], listed["roles"][0]["id"]) == (1, made["id"])
    await root("POST", ROLES, role(), expect=409)
    changed = await root("PATCH", f"{ROLES}/{made['id']}", role("viewers", "vpc:*:*"))
    assert changed["role"]["policy"]["Statement"][0]["Action"] == ["vpc:*:*"]
    await root("DELETE", f"{ROLES}/{made['id']}")
    await root("GET", f"{ROLES}/{made['id']}", expect=404)


async def test_system_policies_and_custom_ones_are_listed_as_roles(root: Root, world: World) -> None:
    made = (await root("POST", ROLES, role()))["role"]
    system = await root("GET", "/v3/roles?permission_type=policy&display_name=readonly")
    assert [each["id"] for each in system["roles"]] == [READ_ONLY.id]
    assert (await root("GET", "/v3/roles?permission_type=role"))["total_number"] == 0
    own = await root("GET", f"/v3/roles?domain_id={world.account.domain_id}&type=domain")
    assert [each["id"] for each in own["roles"]] == [made["id"]]
    assert (await root("GET", f"/v3/roles/{READ_ONLY.id}"))["role"]["display_name"] == READ_ONLY.name
    await root("DELETE", f"{ROLES}/{READ_ONLY.id}", expect=403)


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        (document("5.0", "vpc:ports:get"), "role.policy.Version"),
        (document("1.1", "vpc"), "role.policy.Statement[0].Action[0]"),
        (document("1.1", "vpc:ports:get", effect="Perhaps"), "role.policy.Statement[0].Effect"),
        ({"Version": "1.1", "Statement": []}, "role.policy.Statement"),
        ({}, "role.policy"),
    ],
)
async def test_a_faulty_role_names_the_place(root: Root, policy: Any, place: str) -> None:
    refused = await root("POST", ROLES, role(policy=policy), expect=400)
    assert refused["details"][0]["field"].startswith(place)
    assert (await root("GET", ROLES))["total_number"] == 0


async def test_an_identity_policy_lives_its_life(root: Root) -> None:
    made = (await root("POST", POLICIES, identity(), expect=201))["policy"]
    assert (made["policy_type"], made["default_version_id"], made["attachment_count"]) == ("custom", "v1", 0)
    room = f"{POLICIES}/{made['policy_id']}"
    await root("PUT", room, {"description": "other"})
    assert (await root("GET", room))["policy"]["description"] == "other"
    listed = await root("GET", f"{POLICIES}?policy_type=custom&limit=1")
    assert (listed["page_info"], len(listed["policies"])) == ({"current_count": 1}, 1)
    every = await root("GET", f"{POLICIES}?limit=2")
    following = await root("GET", f"{POLICIES}?limit=2&marker={every['page_info']['next_marker']}")
    assert not {each["policy_id"] for each in every["policies"]} & {each["policy_id"] for each in following["policies"]}
    await root("DELETE", room, expect=204)
    await root("GET", room, expect=404)


async def test_versions_are_kept_and_one_is_in_force(root: Root, client: Client) -> None:
    user = await root.user()
    made = (await root("POST", POLICIES, identity("p", "vpc:ports:get")))["policy"]["policy_id"]
    room = f"{POLICIES}/{made}"
    await root("POST", f"{room}/attach-user", {"user_id": user})
    assert not await may_list(client, root, user)
    body = {"policy_document": identity()["policy_document"], "set_as_default": True}
    assert (await root("POST", f"{room}/versions", body, expect=201))["policy_version"]["version_id"] == "v2"
    assert await may_list(client, root, user)
    await root("POST", f"{room}/versions/v1/set-default")
    assert not await may_list(client, root, user)
    await root("DELETE", f"{room}/versions/v1", expect=409)
    await root("DELETE", f"{room}/versions/v2", expect=204)
    versions = (await root("GET", f"{room}/versions"))["versions"]
    assert [(each["version_id"], each["is_default"]) for each in versions] == [("v1", True)]
    assert json.loads((await root("GET", f"{room}/versions/v1"))["policy_version"]["document"])
    await root("GET", f"{room}/versions/v2", expect=404)
    for number in range(3, 7):
        await root("POST", f"{room}/versions", body)
        assert number
    refused = await root("POST", f"{room}/versions", body, expect=409)
    assert refused["details"][0]["rule"] == "max_items"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "policy_document: line 1"),
        ('{"Version":"5.0","Version":"5.0","Statement":[]}', "policy_document.Version"),
        (json.dumps(document("1.1", "vpc:ports:get")), "policy_document.Version"),
        (json.dumps(document("5.0", "vpc:ports")), "policy_document.Statement[0].Action[0]"),
        (" " * 131_073, "policy_document"),
    ],
)
async def test_a_faulty_identity_policy_names_the_place(root: Root, text: str, place: str) -> None:
    refused = await root("POST", POLICIES, {"policy_name": "p", "policy_document": text}, expect=400)
    assert refused["details"][0]["field"].startswith(place)


async def test_what_is_attached_is_shown_from_both_sides(root: Root) -> None:
    user, group = await root.user(), await root.group()
    room = f"{POLICIES}/{ADMINISTRATOR.id}"
    await root("POST", f"{room}/attach-user", {"user_id": user})
    await root("POST", f"{room}/attach-user", {"user_id": user})
    await root("POST", f"{room}/attach-group", {"group_id": group})
    found = await root("GET", f"{room}/attached-entities")
    assert ([e["user_id"] for e in found["policy_users"]], [e["group_id"] for e in found["policy_groups"]]) == (
        [user], [group],
    )  # fmt: skip
    of_user = await root("GET", f"/v5/users/{user}/attached-policies")
    assert [each["policy_name"] for each in of_user["attached_policies"]] == [ADMINISTRATOR.name]
    assert (await root("GET", room))["policy"]["attachment_count"] == 2
    await root("POST", f"{room}/detach-group", {"group_id": group})
    await root("POST", f"{room}/detach-group", {"group_id": group}, expect=404)
    assert (await root("GET", f"/v5/groups/{group}/attached-policies"))["attached_policies"] == []


async def test_a_policy_that_is_held_stays(root: Root) -> None:
    user = await root.user()
    made = (await root("POST", POLICIES, identity()))["policy"]["policy_id"]
    await root("POST", f"{POLICIES}/{made}/attach-user", {"user_id": user})
    refused = await root("DELETE", f"{POLICIES}/{made}", expect=409)
    assert refused["details"][0]["rule"] == "in_use"
    await root("DELETE", f"/v3/users/{user}")
    await root("DELETE", f"{POLICIES}/{made}", expect=204)


async def test_a_group_gives_its_members_what_it_is_granted(root: Root, client: Client, world: World) -> None:
    user, group = await root.user(), await root.group()
    made = (await root("POST", ROLES, role()))["role"]["id"]
    await root("PUT", f"/v3/groups/{group}/users/{user}")
    path = f"/v3/domains/{world.account.domain_id}/groups/{group}/roles"
    assert not await may_list(client, root, user)
    await root("PUT", f"{path}/{made}", expect=204)
    assert await may_list(client, root, user)
    assert (await client.send("HEAD", f"{path}/{made}", headers=root.headers())).status == 204
    assert [each["id"] for each in (await root("GET", path))["roles"]] == [made]
    await root("PATCH", f"{ROLES}/{made}", role("lookers", "vpc:ports:get"))
    assert not await may_list(client, root, user)
    await root("PATCH", f"{ROLES}/{made}", role())
    assert await may_list(client, root, user)
    await root("DELETE", f"/v3/groups/{group}/users/{user}")
    assert not await may_list(client, root, user)
    await root("DELETE", f"{path}/{made}", expect=204)
    await root("DELETE", f"{path}/{made}", expect=404)


async def test_grants_in_projects_end_tokens_and_are_listed(root: Root, client: Client, world: World) -> None:
    user, group = await root.user(), await root.group()
    await root("PUT", f"/v3/groups/{group}/users/{user}")
    inherit = f"/v3/OS-INHERIT/domains/{world.account.domain_id}/groups/{group}/roles"
    for listed, one in (
        (f"/v3/projects/{PROJECT_ID}/groups/{group}/roles", f"/v3/projects/{PROJECT_ID}/groups/{group}/roles/{{}}"),
        (f"{inherit}/inherited_to_projects", inherit + "/{}/inherited_to_projects"),
        (
            f"/v3.0/OS-PERMISSION/enterprise-projects/0/groups/{group}/roles",
            f"/v3.0/OS-PERMISSION/enterprise-projects/0/groups/{group}/roles/{{}}",
        ),
    ):
        headers = root.headers(user)
        await root("PUT", one.format(READ_ONLY.id), expect=204)
        assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401
        assert [each["id"] for each in (await root("GET", listed))["roles"]] == [READ_ONLY.id]
        grants = await world.iam.grants_of(user)
        assert len(grants) == 1
        assert await world.iam.grants_of(user) is grants
        await root("DELETE", one.format(READ_ONLY.id), expect=204)
        assert await world.iam.grants_of(user) == ()


async def test_enterprise_projects_know_their_groups_and_users(root: Root) -> None:
    user, group = await root.user(), await root.group()
    room = "/v3.0/OS-PERMISSION/enterprise-projects/0"
    await root("PUT", f"{room}/users/{user}/roles/{READ_ONLY.id}")
    await root("PUT", f"{room}/groups/{group}/roles/{READ_ONLY.id}")
    assert [each["id"] for each in (await root("GET", f"{room}/users/{user}/roles"))["roles"]] == [READ_ONLY.id]
    assert [each["id"] for each in (await root("GET", f"{room}/groups"))["groups"]] == [group]
    of_group = await root("GET", f"/v3.0/OS-PERMISSION/groups/{group}/enterprise-projects")
    assert of_group == {"enterprise-projects": [{"projectId": "0"}]}


async def test_a_grant_to_what_is_missing_is_refused(root: Root, world: World) -> None:
    group, domain = await root.group(), world.account.domain_id
    for path, status in (
        (f"/v3/projects/none/groups/{group}/roles/{READ_ONLY.id}", 404),
        (f"/v3/projects/{PROJECT_ID}/groups/none/roles/{READ_ONLY.id}", 404),
        (f"/v3/projects/{PROJECT_ID}/groups/{group}/roles/none", 404),
        (f"/v3/domains/none/groups/{group}/roles/{READ_ONLY.id}", 404),
        (f"/v3/OS-INHERIT/domains/{domain}/groups/none/roles/{READ_ONLY.id}/inherited_to_projects", 404),
        (f"/v3.0/OS-PERMISSION/enterprise-projects/none/groups/{group}/roles/{READ_ONLY.id}", 400),
    ):
        await root("PUT", path, expect=status)
    assert (await root("GET", f"/v3/projects/{PROJECT_ID}/groups/{group}/roles"))["roles"] == []
    await root("POST", f"{POLICIES}/{ADMINISTRATOR.id}/attach-user", {"user_id": "none"}, expect=404)


async def test_an_administrator_who_is_not_root_leaves_the_root_user_alone(root: Root, client: Client) -> None:
    admin, me = await root.user(), root.world.account.user_id
    await root("POST", f"{POLICIES}/{ADMINISTRATOR.id}/attach-user", {"user_id": admin})
    group = await root.group()
    for method, path, body in (
        ("PATCH", f"/v3/users/{me}", {"user": {"password": "Other 1 word"}}),
        ("DELETE", f"/v3/users/{me}", None),
        ("PUT", f"/v3/groups/{group}/users/{me}", None),
        ("POST", f"{POLICIES}/{READ_ONLY.id}/attach-user", {"user_id": me}),
        ("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": me}}),
        ("DELETE", f"/v3.0/OS-CREDENTIAL/credentials/{root.world.account.access_key}", None),
    ):
        assert (await client.send(method, path, body, root.headers(admin))).status == 403, path
    made = await client.send("POST", "/v3/users", {"user": {"name": "bob"}}, root.headers(admin))
    assert made.status == 201


async def test_the_last_administrator_is_denied_no_way_back(root: Root, client: Client) -> None:
    """By no route, whoever takes it: attached, granted, through a group, by a change of what a policy says."""
    me, domain = root.world.account.user_id, root.world.account.domain_id
    admin, group, other = await root.user(), await root.group(), await root.group("others")
    await root("POST", f"{POLICIES}/{ADMINISTRATOR.id}/attach-user", {"user_id": admin})
    made = {}
    for name, *actions in (("harsh", "*"), ("mild", "workspace:*:*")):
        text = json.dumps(document("5.0", *actions, effect="Deny"))
        found = await root("POST", POLICIES, {"policy_name": name, "policy_document": text})
        made[name] = found["policy"]["policy_id"]
    wanted = role("classic", "workspace:*:*")
    wanted["role"]["policy"]["Statement"][0]["Effect"] = "Deny"
    classic = (await root("POST", ROLES, wanted))["role"]["id"]
    await root("PUT", f"/v3/groups/{group}/users/{me}")
    await root("POST", f"{POLICIES}/{made['mild']}/attach-group", {"group_id": group})
    await root("PUT", f"/v3/domains/{domain}/groups/{group}/roles/{classic}")
    await root("POST", f"{POLICIES}/{made['harsh']}/attach-group", {"group_id": other})
    statement = {"Effect": "Deny", "NotAction": "iam:users:*", "Condition": {"Bool": {"g:MFAPresent": "false"}}}
    version = {"policy_document": json.dumps({"Version": "5.0", "Statement": [statement]})}
    await root("POST", f"{POLICIES}/{made['mild']}/versions", version)
    wanted["role"]["policy"]["Statement"][0]["Action"] = ["iam:permissions:*"]
    for method, path, body in (
        ("POST", f"{POLICIES}/{made['harsh']}/attach-user", {"user_id": me}),
        ("POST", f"{POLICIES}/{made['harsh']}/attach-group", {"group_id": group}),
        ("PUT", f"/v3/domains/{domain}/groups/{group}/roles/{made['harsh']}", None),
        ("PUT", f"/v3/groups/{other}/users/{me}", None),
        ("POST", f"{POLICIES}/{made['mild']}/versions", {**version, "set_as_default": True}),
        ("POST", f"{POLICIES}/{made['mild']}/versions/v2/set-default", None),
        ("PATCH", f"{ROLES}/{classic}", wanted),
    ):
        refused = await client.send(method, path, body, root.headers())
        assert (refused.status, "deny the last administrator" in refused.body.decode()) == (409, True), path
        assert (await client.send(method, path, body, root.headers(admin))).status in {403, 409}, path
    in_projects = f"/v3/OS-INHERIT/domains/{domain}/groups/{group}/roles/{made['harsh']}/inherited_to_projects"
    await root("PUT", in_projects, expect=204)
    await root("DELETE", f"/v3/groups/{group}", expect=204)


async def test_a_change_is_in_force_in_another_process_within_a_second(root: Root, world: World) -> None:
    other = Iam(world.store, world.iam.tokens, world.box, world.passwords, clock=world.clock)
    now = 100.0
    other.revision._clock = lambda: now
    user = await root.user()
    assert await other.grants_of(user) == ()
    await root("POST", f"{POLICIES}/{READ_ONLY.id}/attach-user", {"user_id": user})
    assert [grant.id for grant in await world.iam.grants_of(user)] == [READ_ONLY.id]
    assert await other.grants_of(user) == ()
    now += POLL_SECONDS
    assert [grant.id for grant in await other.grants_of(user)] == [READ_ONLY.id]
    assert POLL_SECONDS < 1


async def test_the_document_of_all_operations_can_be_made(client: Client) -> None:
    answer = await client.send("GET", "/openapi.json")
    assert answer.status == 200
    assert "head" in answer.json()["paths"]["/v3/groups/{group_id}/users/{user_id}"]
