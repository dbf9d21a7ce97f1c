"""The default catalogue's networks in a database of their own, and the VPC operations served in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import create_engine

from goldsmith.http import application, collect
from goldsmith.networks.api import NetworksApi, PortsApi
from goldsmith.networks.models import ports, subnets, vpcs
from goldsmith.networks.service import Networks
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteStore

PROJECT = "a4da8115c9d8464ead3a38309130523f"
VPC = "59785ba5-e5d5-4836-b9de-19f22ac15175"
SUBNET = "a5842cb4-5718-4b0a-8b27-3a3e9c74f977"
TINY = "0f6a1c2d-3b4e-4f50-8a61-7c8d9e0f1a2b"


class OpenGate:
    """Lets everybody in."""

    async def authenticate(self, **request: Any) -> Any:
        return SimpleNamespace(project_id=PROJECT)

    async def admit(self, call: Any, touched: Any) -> None:
        return None


def subnet(id: str, cidr: str, gateway_ip: str, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{"id": id, "name": id, "cidr": cidr, "gateway_ip": gateway_ip, "dns": (), "availability_zone": ""} | more
    )


def vpc(id: str, cidr: str, *subnets: Any, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"id": id, "name": id, "cidr": cidr, "description": "", "subnets": subnets} | more)


DECLARED = [
    vpc(
        VPC, "192.168.0.0/16",
        subnet(SUBNET, "192.168.0.0/20", "192.168.0.1", dns=("100.125.1.250", "100.125.129.250")),
        subnet(TINY, "192.168.240.0/29", "192.168.240.1"),
        name="vpc-default", description="The network of the published example",
    ),
    vpc("c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e5f", "10.0.0.0/16", subnet("d4c3", "10.0.0.0/24", "10.0.0.1")),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    engine = create_engine(f"sqlite:///{tmp_path}/g.db")
    metadata.create_all(engine, [vpcs, subnets, ports])
    engine.dispose()
    store = SqliteStore(tmp_path / "g.db")
    yield store
    store.close()


@pytest.fixture
def networks(store: SqliteStore) -> Networks:
    networks = Networks()
    store.write_now(lambda tx: networks.declare(tx, PROJECT, DECLARED))
    return networks


@dataclass
class Answer:
    status: int = 0
    text: str = ""

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    """Sends requests to the ASGI application in this process."""

    served: Any

    async def get(self, target: str) -> Answer:
        return await self.send("GET", target)

    async def send(self, method: str, target: str) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": unquote(path), "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
            "headers": [(b"host", b"local")], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        answer, body = Answer(), b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def take(message: dict[str, Any]) -> None:
            nonlocal body
            answer.status = message.get("status", answer.status)
            body += message.get("body", b"")

        await self.served(scope, receive, take)
        answer.text = body.decode()
        return answer


@pytest.fixture
def client(store: SqliteStore, networks: Networks) -> Client:
    operations = [*collect(NetworksApi(store, networks)), *collect(PortsApi(store))]
    return Client(application.build(operations, OpenGate(), title="t", version="1")[1])
