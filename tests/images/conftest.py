"""One image of every kind in a database of its own, and the IMS operations served in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine

from goldsmith.http import application, collect
from goldsmith.images.api import ImagesApi
from goldsmith.images.models import image_members, images
from goldsmith.images.service import Image, Images
from goldsmith.store import metadata
from goldsmith.store.sqlite import SqliteStore

PROJECT = "a4da8115c9d8464ead3a38309130523f"
OTHER = "5d7f0c1b9a3e4b62884c6f2e1d0a9b8c"


def declared(id: str, kind: str, **more: Any) -> SimpleNamespace:
    fields: dict[str, Any] = {
        "id": id, "name": f"debian-{id}", "kind": kind, "os_type": "Linux", "os_version": "Debian 12",
        "platform": "Debian", "architecture": "x86", "min_disk": 10, "min_ram": 0, "description": "",
        "file": "debian-12", "spce_code": "", "product_id": "", "owner": "", "members": (),
    }  # fmt: skip
    return SimpleNamespace(**fields | more)


DECLARED = [
    declared("gold", "gold", spce_code="90a6", product_id="OFFI"),
    declared("public", "public", os_type="Windows", platform="Windows", min_disk=40, architecture="arm"),
    declared("private", "private", owner=PROJECT),
    declared("shared", "shared", owner=OTHER, members=(PROJECT,)),
    declared("other", "other"),
    declared("secret", "private", owner=OTHER),
    declared("lent", "private", owner=OTHER, members=(PROJECT, PROJECT)),
]

BUILT = Image(
    id="built", project_id=PROJECT, name="my image", kind="private", visibility="private", status="active",
    os_type="Linux", os_version="Debian 12", platform="Debian", architecture="x86", min_disk=60, min_ram=0,
    size=7, file="built", spce_code="", product_id="", description="", tags=("env=test", "plain"),
    enterprise_project_id="0", declared=False, source_server_id="697612196993040384", base_image_id="gold",
    created_at=1_700_000_000_000, updated_at=1_700_000_000_000,
)  # fmt: skip


@pytest.fixture
def built() -> Image:
    return BUILT


@pytest.fixture
def catalogue() -> list[SimpleNamespace]:
    return list(DECLARED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    engine = create_engine(f"sqlite:///{tmp_path}/g.db")
    metadata.create_all(engine, [images, image_members])
    engine.dispose()
    store = SqliteStore(tmp_path / "g.db")
    yield store
    store.close()


@pytest.fixture
def service(store: SqliteStore) -> Images:
    service = Images()
    store.write_now(lambda tx: service.declare(tx, "service", DECLARED))
    return service


class OpenGate:
    """Lets everybody in, for the project named in X-Project-Id."""

    async def authenticate(self, *, headers: Any, **request: Any) -> Any:
        return SimpleNamespace(project_id=dict(headers).get(b"x-project-id", b"").decode() or None)

    async def admit(self, call: Any, touched: Any) -> None:
        return None


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

    async def send(self, method: str, target: str, project: str = PROJECT) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
            "headers": [(b"host", b"local"), (b"x-project-id", project.encode())],
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080),
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
def client(store: SqliteStore, service: Images) -> Client:
    operations = list(collect(ImagesApi(store, service)))
    return Client(application.build(operations, OpenGate(), title="t", version="1")[1])
