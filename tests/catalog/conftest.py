"""The default catalogue with a host in the first zone, and its operations served in this process."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from goldsmith.catalog.api import CatalogApi
from goldsmith.catalog.neighbours_api import NeighboursCatalogApi
from goldsmith.catalog.service import Catalog, default_text
from goldsmith.clouds.port import Host
from goldsmith.http import application, collect


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
        return SimpleNamespace()

    async def admit(self, call: Any, touched: Any) -> None:
        return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.toml"
    path.write_text(default_text(), encoding="utf-8")
    return path


@pytest.fixture
def catalog(file: Path) -> Catalog:
    catalog = Catalog.load(file)
    catalog.set_hosts([Host("host-1", "local-1a", 8, 8192, 100)])
    return catalog


@pytest.fixture
def client(catalog: Catalog) -> Client:
    operations = [*collect(CatalogApi(catalog)), *collect(NeighboursCatalogApi(catalog))]
    return Client(application.build(operations, OpenGate(), title="t", version="1")[1])
