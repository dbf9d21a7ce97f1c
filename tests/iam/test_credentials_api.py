"""Access keys, permanent and temporary, and tokens that are ended."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.iam.models import access_keys
from goldsmith.iam.signature import sign

Root = World = Client = Any
"""`conftest.Root`, `conftest.World`, `conftest.Client`"""
KEYS, TEMPORARY = "/v3.0/OS-CREDENTIAL/credentials", "/v3.0/OS-CREDENTIAL/securitytokens"


def signed(world: World, key: Any, secret: str = "") -> dict[str, Any]:
    """What the gate gets of a GET that is signed with a key as IAM hands it out."""
    headers = [(b"host", b"h")]
    if "securitytoken" in key:
        headers.append((b"x-security-token", key["securitytoken"].encode()))
    sent = {"method": "GET", "raw_path": b"/v3/users", "query_string": b"", "body": b""}
    return sent | {"headers": sign(key["access"], secret or key["secret"], headers=headers, now=world.clock(), **sent)}


async def refusal(world: World, request: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await world.iam.authenticate(**request, **more)
    assert caught.value.kind is errors.UNAUTHENTICATED
    return caught.value.message


def temporary(**more: Any) -> dict[str, Any]:
    return {"auth": {"identity": {"methods": ["token"], **more}}}


async def test_a_permanent_key_lives_its_life(root: Root, world: World) -> None:
    user = await root.user()
    made = (await root("POST", KEYS, {"credential": {"user_id": user, "description": "ci"}}, expect=201))["credential"]
    assert (await world.iam.authenticate(**signed(world, made))).user_id == user
    rows = world.store.read_now(lambda tx: str([tuple(row) for row in tx.rows(select(access_keys))]))
    assert made["secret"] not in rows
    shown = (await root("GET", f"{KEYS}/{made['access']}"))["credential"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert [each["access"] for each in (await root("GET", f"{KEYS}?user_id={user}"))["credentials"]] == [made["access"]]
    changed = await root("PUT", f"{KEYS}/{made['access']}", {"credential": {"status": "inactive"}})
    assert changed["credential"]["status"] == "inactive"
    assert "disabled" in await refusal(world, signed(world, made))
    await root("PUT", f"{KEYS}/{made['access']}", {"credential": {"status": "active", "description": "x"}})
    assert await world.iam.authenticate(**signed(world, made))
    await root("DELETE", f"{KEYS}/{made['access']}", expect=204)
    assert "verify aksk signature fail" in await refusal(world, signed(world, made))
    await root("GET", f"{KEYS}/{made['access']}", expect=404)


async def test_a_user_has_two_keys_at_most(root: Root) -> None:
    user = await root.user()
    for _ in range(2):
        await root("POST", KEYS, {"credential": {"user_id": user}})
    refused = await root("POST", KEYS, {"credential": {"user_id": user}}, expect=409)
    assert refused["details"][0]["rule"] == "max_items"
    await root("POST", KEYS, {"credential": {"user_id": "none"}}, expect=404)


async def test_a_key_that_goes_ends_its_users_tokens(root: Root, client: Client) -> None:
    user = await root.user()
    key = (await root("POST", KEYS, {"credential": {"user_id": user}}))["credential"]["access"]
    headers = root.headers(user)
    await root("DELETE", f"{KEYS}/{key}")
    assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401


async def test_a_temporary_key_works_with_its_security_token_until_it_is_over(root: Root, world: World) -> None:
    made = (await root("POST", TEMPORARY, temporary(token={"duration_seconds": 900}), expect=201))["credential"]
    caller = await world.iam.authenticate(**signed(world, made))
    assert (caller.user_name, caller.credential_kind, caller.credential_id) == (
        "admin", "temporary_key", made["access"],
    )  # fmt: skip
    assert "signature fail" in await refusal(world, signed(world, made, secret="wrong"))
    alone = {name: value for name, value in made.items() if name != "securitytoken"}
    assert "signature fail" in await refusal(world, signed(world, alone))
    other = (await root("POST", TEMPORARY, temporary()))["credential"]
    assert "signature fail" in await refusal(world, signed(world, made | {"securitytoken": other["securitytoken"]}))
    assert "decrypt" in await refusal(world, signed(world, made | {"securitytoken": "x"}))
    world.clock.pass_(seconds=900)
    assert "token expires" in await refusal(world, signed(world, made))


async def test_a_token_is_no_security_token_and_the_other_way_round(root: Root, world: World) -> None:
    made = (await root("POST", TEMPORARY, temporary()))["credential"]
    token = root.headers()["X-Auth-Token"]
    assert "decrypt" in await refusal(world, signed(world, made | {"securitytoken": token}))
    request = signed(world, made) | {"headers": [(b"x-auth-token", made["securitytoken"].encode())]}
    assert "decrypt" in await refusal(world, request)


async def test_a_policy_narrows_a_temporary_key_even_of_root(root: Root, client: Client, world: World) -> None:
    policy = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["iam:users:listUsers"]}]}
    made = (await root("POST", TEMPORARY, temporary(policy=policy)))["credential"]
    caller = await world.iam.authenticate(**signed(world, made))
    assert caller.session_policy is not None

    async def status(method: str, path: str, body: Any = None) -> int:
        raw = b"" if body is None else __import__("json").dumps(body).encode()
        headers = [(b"host", b"iam.example:8080"), (b"x-security-token", made["securitytoken"].encode())]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        added = sign(
            made["access"], made["secret"], method=method, raw_path=path.encode(), headers=headers, body=raw,
            now=world.clock(),
        )  # fmt: skip
        sent = {name.decode(): value.decode() for name, value in added}
        return int((await client.send(method, path, body, sent)).status)

    assert await status("GET", "/v3/users") == 200
    assert await status("GET", "/v3/groups") == 403
    assert await status("POST", TEMPORARY, temporary()) == 403
    password = {"user": {"original_password": world.account.password, "password": "Other 1 word"}}
    assert await status("POST", f"/v3/users/{world.account.user_id}/password", password) == 403
    assert await status("POST", KEYS, {"credential": {"user_id": world.account.user_id}}) == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (temporary(token={"duration_seconds": 899}), "auth.identity.token.duration_seconds"),
        (temporary(token={"duration_seconds": 86401}), "auth.identity.token.duration_seconds"),
        (temporary(policy={"Version": "9"}), "auth.identity.policy"),
        (
            temporary(policy={"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["a:b:" + "c" * 4100]}]}),
            "auth.identity.policy",
        ),
        ({"auth": {"identity": {"methods": ["assume_role"]}}}, "auth.identity.methods[0]"),
    ],
)
async def test_a_faulty_request_for_a_temporary_key_names_the_place(root: Root, body: Any, field: str) -> None:
    refused = await root("POST", TEMPORARY, body, expect=400)
    assert refused["details"][0]["field"].startswith(field)


async def test_a_temporary_key_ends_with_its_user_and_with_its_token(root: Root, client: Client, world: World) -> None:
    user = await root.user()
    headers = root.headers(user)

    async def make() -> Any:
        return (await client.send("POST", TEMPORARY, temporary(), headers)).json()["credential"]

    first = await make()
    world.clock.pass_(milliseconds=1)
    ended = headers | {"X-Subject-Token": headers["X-Auth-Token"]}
    assert (await client.send("DELETE", "/v3/auth/tokens", headers=ended)).status == 204
    assert (await client.send("GET", "/v3/auth/projects", headers=headers)).status == 401
    assert "no longer valid" in await refusal(world, signed(world, first))
    headers = root.headers(user)
    second = await make()
    assert await world.iam.authenticate(**signed(world, second))
    await root("PATCH", f"/v3/users/{user}", {"user": {"enabled": False}})
    assert "no longer valid" in await refusal(world, signed(world, second))


async def test_only_the_root_user_ends_the_tokens_of_others(root: Root, client: Client) -> None:
    theirs, own = root.headers(await root.user("ann")), root.headers(await root.user("bob"))
    subject = {"X-Subject-Token": theirs["X-Auth-Token"]}
    assert (await client.send("DELETE", "/v3/auth/tokens", headers=own | subject)).status == 404
    assert (await client.send("DELETE", "/v3/auth/tokens", headers=root.headers() | subject)).status == 204
    assert (await client.send("GET", "/v3/auth/projects", headers=theirs)).status == 401
