"""The IAM operations on the wire: as documented, and as the official SDK calls them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkiam.v3 import (
    IamClient,
    KeystoneCreateProjectOption,
    KeystoneCreateProjectRequest,
    KeystoneCreateProjectRequestBody,
    KeystoneListAuthDomainsRequest,
    KeystoneListProjectsRequest,
)
from sqlalchemy import insert

from goldsmith.iam.models import users
from goldsmith.iam.setup import PROJECT_ID

Client = World = Any
"""`conftest.Client`, `conftest.World`"""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def login(world: World, scope: Any = None, **user: Any) -> dict[str, Any]:
    named = {"name": "admin", "password": world.account.password, "domain": {"name": "goldsmith"}} | user
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
    return {"auth": auth | ({} if scope is None else {"scope": scope})}


async def token(client: Client, world: World, scope: Any = None) -> str:
    answer = await client.send("POST", "/v3/auth/tokens", login(world, scope))
    assert answer.status == 201, answer.body
    text: str = answer.headers["x-subject-token"]
    return text


PROJECT = {"project": {"name": "local-1"}}


async def test_a_password_gives_a_token_for_a_project(client: Client, world: World) -> None:
    answer = await client.send("POST", "/v3/auth/tokens", login(world, PROJECT))
    assert answer.status == 201
    assert answer.headers["x-subject-token"] not in answer.body.decode()
    shown, account = answer.json()["token"], world.account
    domain = {"id": account.domain_id, "name": "goldsmith"}
    assert shown["project"] == {"domain": domain, "id": PROJECT_ID, "name": "local-1"}
    assert shown["user"] == {
        "domain": domain,
        "id": account.user_id,
        "name": "admin",
        "password_expires_at": "",
    }
    assert shown["methods"] == ["password"]
    assert shown["roles"] == [{"id": "0", "name": "te_admin"}]
    assert shown["issued_at"] == "2026-01-02T03:04:05.678000Z"
    assert shown["expires_at"] == "2026-01-03T03:04:05.678000Z"
    assert "domain" not in shown
    urls = {each["type"]: each["endpoints"][0]["url"] for each in shown["catalog"]}
    assert urls["iam"] == "http://iam.example:8080/v3"
    assert set(urls) == {"iam", "appstream", "workspace", "ims", "vpc", "ecs", "evs", "eps"}


@pytest.mark.parametrize(
    "scope", [None, {}, {"domain": {"name": "goldsmith"}}, {"project": None, "domain": {"name": "goldsmith"}}]
)
async def test_without_a_project_the_token_is_for_the_account(client: Client, world: World, scope: Any) -> None:
    answer = await client.send("POST", "/v3/auth/tokens?nocatalog=true", login(world, scope))
    shown = answer.json()["token"]
    assert shown["domain"] == {"id": world.account.domain_id, "name": "goldsmith"}
    assert "project" not in shown
    assert "catalog" not in shown


async def test_users_and_scopes_may_be_given_by_id(client: Client, world: World) -> None:
    body = login(world, {"project": {"id": PROJECT_ID}})
    body["auth"]["identity"]["password"]["user"] = {
        "id": world.account.user_id,
        "password": world.account.password,
    }
    assert (await client.send("POST", "/v3/auth/tokens?nocatalog", body)).json()["token"]["project"]["id"] == PROJECT_ID
    by_domain = login(world, {"domain": {"id": world.account.domain_id}}, domain={"id": world.account.domain_id})
    assert (await client.send("POST", "/v3/auth/tokens", by_domain)).status == 201
    project = {"project": {"name": "local-1", "domain": {"name": "goldsmith"}}}
    assert await token(client, world, project)


@pytest.mark.parametrize("change", [{"password": "x"}, {"name": "nobody"}, {"domain": {"name": "x"}}])
async def test_a_wrong_login_always_gets_the_same_answer(client: Client, world: World, change: Any) -> None:
    answer = await client.send("POST", "/v3/auth/tokens", login(world, PROJECT, **change))
    assert answer.status == 401
    message = "The username or password is wrong."
    assert answer.json() == {"error": {"code": 401, "message": message, "title": "Unauthorized"}}


@pytest.mark.parametrize(
    "scope",
    [
        {"project": {"name": "x"}},
        {"project": {"id": "x"}},
        {"domain": {"name": "x"}},
        {"project": {"name": "local-1", "domain": {"id": "x"}}},
    ],
)
async def test_a_scope_that_is_not_the_users_is_forbidden(client: Client, world: World, scope: Any) -> None:
    answer = await client.send("POST", "/v3/auth/tokens", login(world, scope))
    assert (answer.status, answer.json()["error"]["title"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("identity", "field"),
    [
        ({"methods": ["password"]}, "auth.identity.password"),
        ({"methods": ["token"], "password": {"user": {"password": "p"}}}, "auth.identity.token"),
        ({"methods": ["totp"]}, "auth.identity.methods[0]"),
        ({"methods": []}, "auth.identity.methods"),
        (
            {"methods": ["password"], "password": {"user": {"name": "u", "password": "hunter2"}}},
            "auth.identity.password.user",
        ),
    ],
)
async def test_a_login_that_lacks_something_says_what(client: Client, identity: Any, field: str) -> None:
    answer = await client.send("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["code"], error["title"]) == (400, "Bad Request")
    assert [each["field"] for each in error["details"]] == [field]
    assert b"hunter2" not in answer.body


async def test_a_token_gives_a_token_of_another_scope_that_ends_with_it(client: Client, world: World) -> None:
    first = await token(client, world, PROJECT)
    world.clock.pass_(hours=1)
    auth = {
        "identity": {"methods": ["token"], "token": {"id": first}},
        "scope": {"domain": {"name": "goldsmith"}},
    }
    answer = await client.send("POST", "/v3/auth/tokens", {"auth": auth})
    shown = answer.json()["token"]
    assert answer.status == 201
    assert shown["methods"] == ["password", "token"]
    assert shown["expires_at"] == "2026-01-03T03:04:05.678000Z"
    auth["identity"]["token"] = {"id": "bad"}
    assert (await client.send("POST", "/v3/auth/tokens", {"auth": auth})).status == 401


async def test_a_token_can_be_checked(client: Client, world: World) -> None:
    text = await token(client, world, PROJECT)
    headers = {"X-Auth-Token": text, "X-Subject-Token": text}
    answer = await client.send("GET", "/v3/auth/tokens?nocatalog=1", headers=headers)
    assert answer.status == 200
    assert answer.headers["x-subject-token"] == text
    assert answer.json()["token"]["project"]["id"] == PROJECT_ID
    assert TIME.fullmatch(answer.json()["token"]["expires_at"])
    bad = await client.send("GET", "/v3/auth/tokens", headers=headers | {"X-Subject-Token": "x"})
    message = "X-Subject-Token is invalid in the request"
    assert bad.json() == {"error": {"code": 404, "message": message, "title": "Not Found"}}
    assert (await client.send("GET", "/v3/auth/tokens", headers={"X-Subject-Token": text})).status == 401
    assert (await client.send("GET", "/v3/auth/tokens", headers={"X-Auth-Token": text})).status == 400


async def test_the_default_project_is_the_one_named_like_the_region(client: Client, world: World) -> None:
    headers = {"X-Auth-Token": await token(client, world)}
    answer = await client.send("GET", "/v3/projects?name=local-1", headers=headers)
    domain_id = world.account.domain_id
    assert answer.json() == {
        "links": {"next": None, "previous": None, "self": "http://iam.example:8080/v3/projects?name=local-1"},
        "projects": [
            {
                "id": PROJECT_ID, "name": "local-1", "domain_id": domain_id, "parent_id": domain_id,
                "enabled": True, "is_domain": False, "description": "The default project.",
                "links": {"self": f"http://iam.example:8080/v3/projects/{PROJECT_ID}"},
            }
        ],
    }  # fmt: skip


async def test_projects_are_added_filtered_and_paged(client: Client, world: World) -> None:
    headers = {"X-Auth-Token": await token(client, world)}
    for name in ("local-1_b", "local-1_c"):
        made = await client.send("POST", "/v3/projects", {"project": {"name": name}}, headers)
        assert made.status == 201
        assert made.json()["project"]["name"] == name
    again = await client.send("POST", "/v3/projects", {"project": {"name": "local-1_b"}}, headers)
    assert (again.status, again.json()["error"]["title"]) == (409, "Conflict")
    other = {"project": {"name": "x", "domain_id": "other"}}
    assert (await client.send("POST", "/v3/projects", other, headers)).status == 400

    async def names(query: str) -> list[str]:
        answer = await client.send("GET", f"/v3/projects?{query}", headers=headers)
        return [each["name"] for each in answer.json()["projects"]]

    domain_id = world.account.domain_id
    assert len(await names("")) == len(await names(f"domain_id={domain_id}&parent_id={domain_id}")) == 3
    assert await names("is_domain=true") == await names("enabled=false") == await names("domain_id=x") == []
    assert len(await names("enabled=true&is_domain=false")) == 3
    second = (await client.send("GET", "/v3/projects?page=2&per_page=1", headers=headers)).json()
    assert second["links"]["next"].endswith("page=3&per_page=1")
    assert second["links"]["previous"].endswith("page=1&per_page=1")
    assert len(second["projects"]) == 1
    last = (await client.send("GET", "/v3/projects?page=3&per_page=1", headers=headers)).json()
    assert last["links"]["next"] is None
    mine = await client.send("GET", "/v3/auth/projects", headers=headers)
    assert len(mine.json()["projects"]) == 3


async def test_only_the_root_user_adds_projects(client: Client, world: World) -> None:
    hashed = world.passwords.hash("pw")
    values = {
        "id": "u2", "domain_id": world.account.domain_id, "name": "ann", "description": "", "is_root": 0,
        "enabled": 1, "password_hash": hashed, "created_at": 1,
    }  # fmt: skip
    await world.store.write(lambda tx: tx.run(insert(users).values(values)))
    answer = await client.send("POST", "/v3/auth/tokens", login(world, name="ann", password="pw"))
    assert answer.json()["token"]["roles"] == []
    headers = {"X-Auth-Token": answer.headers["x-subject-token"]}
    refused = await client.send("POST", "/v3/projects", {"project": {"name": "x"}}, headers)
    assert refused.status == 403
    assert "iam:projects:createProject" in refused.json()["error"]["message"]
    roots = headers | {"X-Subject-Token": await token(client, world)}
    assert (await client.send("GET", "/v3/auth/tokens", headers=roots)).status == 404


async def test_a_caller_sees_its_account(client: Client, world: World) -> None:
    headers = {"X-Auth-Token": await token(client, world)}
    domains = (await client.send("GET", "/v3/auth/domains", headers=headers)).json()["domains"]
    assert [(each["id"], each["name"], each["enabled"]) for each in domains] == [
        (world.account.domain_id, "goldsmith", True)
    ]


@pytest.fixture
def endpoint(client: Client, world: World) -> Iterator[str]:
    world.clock.now = datetime.now(UTC)
    server = uvicorn.Server(uvicorn.Config(client.app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def test_the_official_sdk_finds_account_and_project(endpoint: str, world: World) -> None:
    account = world.account
    world_wide = GlobalCredentials(account.access_key, account.secret_key, account.domain_id)
    iam = IamClient.new_builder().with_credentials(world_wide).with_endpoint(endpoint).build()
    domains = iam.keystone_list_auth_domains(KeystoneListAuthDomainsRequest()).domains
    assert [each.id for each in domains] == [account.domain_id]
    option = KeystoneCreateProjectOption(name="local-1_b", domain_id=account.domain_id)
    body = KeystoneCreateProjectRequestBody(project=option)
    made = iam.keystone_create_project(KeystoneCreateProjectRequest(body=body)).project
    assert made.name == "local-1_b"
    found = iam.keystone_list_projects(KeystoneListProjectsRequest(name="local-1", enabled=True)).projects
    assert [each.id for each in found] == [PROJECT_ID]


def test_the_official_sdk_shows_our_refusal(endpoint: str, world: World) -> None:
    wrong = GlobalCredentials(world.account.access_key, "wrong", world.account.domain_id)
    iam = IamClient.new_builder().with_credentials(wrong).with_endpoint(endpoint).build()
    with pytest.raises(ClientRequestException) as caught:
        iam.keystone_list_projects(KeystoneListProjectsRequest())
    assert caught.value.status_code == 401
    assert "verify aksk signature fail" in caught.value.error_msg


def test_the_official_sdk_looks_up_its_project_by_region(endpoint: str, world: World) -> None:
    account = world.account
    credentials = BasicCredentials(account.access_key, account.secret_key).with_iam_endpoint(endpoint)
    iam = IamClient.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()
    found = credentials.process_auth_params(iam._http_client, "local-1")
    assert found.project_id == PROJECT_ID
