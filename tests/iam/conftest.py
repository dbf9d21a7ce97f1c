"""An account in a database of its own, and the IAM operations served in this process."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine

from goldsmith.enterprise_projects.models import enterprise_projects
from goldsmith.enterprise_projects.service import EnterpriseProjects
from goldsmith.http import application, collect
from goldsmith.iam.admission_api import Admission
from goldsmith.iam.api import IamApi
from goldsmith.iam.keys import create_key_file
from goldsmith.iam.management import management_apis
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.iam.service import Iam
from goldsmith.iam.setup import Account, create_account
from goldsmith.iam.tokens import Tokens
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteStore

BASE = "http://iam.example:8080"


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5, 678000, UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class World:
    iam: Iam
    account: Account
    store: SqliteStore
    box: SecretBox
    clock: Clock
    passwords: Passwords
    busy: set[str] = field(default_factory=set)
    """Users with running jobs."""


@pytest.fixture
def cheap() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def world(tmp_path: Path, cheap: Passwords) -> Iterator[World]:
    create_key_file(tmp_path / "token.keys")
    create_key_file(tmp_path / "secrets.key")
    engine = create_engine(f"sqlite:///{tmp_path}/g.db")
    tables = [t for t in metadata.sorted_tables if t.name.startswith("iam_")] + [enterprise_projects]
    metadata.create_all(engine, tables)
    engine.dispose()
    store = SqliteStore(tmp_path / "g.db")
    box = SecretBox.load(tmp_path / "secrets.key")
    account = create_account(store, box, region="local-1", passwords=cheap)
    clock = Clock()
    iam = Iam(store, Tokens(tmp_path / "token.keys"), box, cheap, clock=clock)
    yield World(iam, account, store, box, clock, cheap)
    store.close()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json_module.loads(self.body)


@dataclass
class Client:
    """Sends requests to the ASGI application in this process."""

    app: Any

    async def send(self, method: str, target: str, json: Any = None, headers: dict[str, str] | None = None) -> Answer:
        path, _, query = target.partition("?")
        sent = {"host": "iam.example:8080", **(headers or {})}
        body = b"" if json is None else json_module.dumps(json).encode()
        if json is not None:
            sent["content-type"] = "application/json"
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
            "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in sent.items()],
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        answer = Answer(0, {}, b"")

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer


@pytest.fixture
def client(world: World) -> Client:
    managing = management_apis(
        world.iam, EnterpriseProjects(world.store).require_usable, lambda _tx, user_id: user_id in world.busy
    )
    operations = [each for api in (IamApi(world.iam), *managing) for each in collect(api)]
    gate = Admission(world.iam, "local-1")
    return Client(application.build(operations, gate, title="t", version="1")[1])


@dataclass
class Root:
    """Calls as the root user, with a token that is always new."""

    world: World
    client: Client

    def headers(self, user_id: str = "") -> dict[str, str]:
        self.world.clock.pass_(milliseconds=1)
        account = self.world.account
        text, _ = self.world.iam.tokens.mint(
            user_id=user_id or account.user_id, domain_id=account.domain_id, project_id=None, methods=["password"],
            now=self.world.iam.now_ms(),
        )  # fmt: skip
        return {"X-Auth-Token": text}

    async def __call__(self, method: str, target: str, json: Any = None, *, expect: int = 0) -> Any:
        answer = await self.client.send(method, target, json, self.headers())
        if expect:
            assert answer.status == expect, (answer.status, answer.body)
            return answer.json() if answer.body else None
        assert answer.status < 300, (answer.status, answer.body)
        return answer.json() if answer.body else None

    async def user(self, name: str = "ann", **more: Any) -> str:
        body = {"user": {"name": name, "domain_id": self.world.account.domain_id, **more}}
        return str((await self("POST", "/v3.0/OS-USER/users", body))["user"]["id"])

    async def group(self, name: str = "builders") -> str:
        return str((await self("POST", "/v3/groups", {"group": {"name": name}}))["group"]["id"])


@pytest.fixture
def root(world: World, client: Client) -> Root:
    return Root(world, client)
