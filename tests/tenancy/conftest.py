"""Tenancy in a database of its own, with and without a directory, and its operations served in this process."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import create_engine

from goldsmith.catalog.service import Catalog, Directory, default_text
from goldsmith.http import application, collect
from goldsmith.iam.secrets import SecretBox
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteStore
from goldsmith.tenancy.api import Network, TenancyApi
from goldsmith.tenancy.models import quotas, tenants, workspace_users
from goldsmith.tenancy.service import Tenancy
from goldsmith.tenancy.users_api import UsersApi

P = "a4da8115c9d8464ead3a38309130523f"
DIRECTORY = Directory("corp.example", ("Sales", "Development"), "administrator")
SMALL = {
    "INSTANCES": 4, "VOLUMES": 5, "VOLUME_GIGABYTES": 300, "CORES": 6, "MEMORY": 4096, "GPU_INSTANCES": 0,
}  # fmt: skip


@dataclass
class Answer:
    """A response; the body may be empty."""

    status: int = 0
    text: str = ""

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    """Sends requests to the ASGI application in this process."""

    served: Any

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.send("GET", path, query=query)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.send("POST", path, body)

    async def send(self, method: str, path: str, body: Any = None, query: Any = None) -> Answer:
        sent = b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": urlencode(query or {}, doseq=True).encode(),
            "headers": [(b"host", b"local"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        answer, received = Answer(), b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def take(message: dict[str, Any]) -> None:
            nonlocal received
            answer.status = message.get("status", answer.status)
            received += message.get("body", b"")

        await self.served(scope, receive, take)
        answer.text = received.decode()
        return answer


class OpenGate:
    """Lets everybody in."""

    async def authenticate(self, **request: Any) -> Any:
        return SimpleNamespace(domain_id="d1", domain_name="goldsmith")

    async def admit(self, call: Any, touched: Any) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    engine = create_engine(f"sqlite:///{tmp_path}/g.db")
    metadata.create_all(engine, [tenants, quotas, workspace_users])
    engine.dispose()
    store = SqliteStore(tmp_path / "g.db")
    yield store
    store.close()


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(MultiFernet([Fernet(Fernet.generate_key())]))


@pytest.fixture
def tenancy(box: SecretBox) -> Tenancy:
    return Tenancy(box, SMALL)


@pytest.fixture
def serve(store: SqliteStore, tmp_path: Path) -> Callable[[Tenancy], Client]:
    """A client of these operations for a given `Tenancy`."""
    file = tmp_path / "catalog.toml"
    file.write_text(default_text(), encoding="utf-8")
    catalog = Catalog.load(file)

    async def name_of(project_id: str) -> str:
        return f"name of {project_id}"

    def serve(tenancy: Tenancy) -> Client:
        networks = [Network("v1", "first", ["s1", "s2"]), Network("v2", "second", ["s3"])]
        api = TenancyApi(store, tenancy, catalog, networks_of=lambda tx, project_id: networks, name_of=name_of)
        operations = [*collect(api), *collect(UsersApi(store, tenancy))]
        return Client(application.build(operations, OpenGate(), title="t", version="1")[1])

    return serve


@pytest.fixture
def client(serve: Callable[[Tenancy], Client], tenancy: Tenancy) -> Client:
    return serve(tenancy)


@pytest.fixture
def with_directory(serve: Callable[[Tenancy], Client], box: SecretBox) -> Client:
    return serve(Tenancy(box, SMALL, DIRECTORY))
