"""A whole goldsmith in this process: the running service's own assembly, with its engine, and ways to call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import insert

from goldsmith.app import House, open_house
from goldsmith.http.application import Route
from goldsmith.iam.models import grants, policies, users
from goldsmith.iam.setup import Account, create_account
from goldsmith.iam.signature import sign
from goldsmith.settings import LimitsSettings, Settings, SimulatedSettings
from goldsmith.setup import initialise
from goldsmith.store import Tx

T = TypeVar("T")
HOST = "goldsmith.example:8080"
DAY_MS = 24 * 3600 * 1000


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def inner(self) -> dict[str, Any]:
        """The error, whatever the surface wraps it in."""
        found = self.json()
        inner: dict[str, Any] = found.get("error", found)
        return inner

    @property
    def message(self) -> str:
        return str(self.inner.get("error_msg") or self.inner.get("message"))


class Place:
    """The service with two accounts: the first with two projects, the second with one."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            data_dir=folder, limits=LimitsSettings(requests_per_second=0, logins_per_second=0),
            simulated=SimulatedSettings(speed=1000),
        )  # fmt: skip
        self.known = json.loads(initialise(self.settings).read_text())
        self.domain, self.project = self.known["domain_id"], self.known["project_id"]
        self.second_project = self.root_id = ""
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.house: House

    def __enter__(self) -> Place:
        self._thread.start()
        assert self._ready.wait(60)
        self.other: Account = create_account(
            self.house.store, self.house.iam.box, region="other-1", project_id=uuid4().hex, domain_name="other-account"
        )
        person = self.do(self.house.iam.directory.person_named(self.known["user_name"], self.domain, None))
        assert person is not None
        self.root_id = person.user_id
        made = self.root("POST", "/v3/projects", {"project": {"name": "local-1_second"}})
        self.second_project = made.json()["project"]["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        async def main() -> None:
            async with open_house(self.settings) as house:
                self.house, self._app = house, house.asgi()
                engine = house.engine("test")
                working = asyncio.create_task(engine.run())
                self._ready.set()
                await self._over.wait()
                engine.stop()
                with contextlib.suppress(asyncio.CancelledError):
                    await working

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(main())

    def routes(self) -> Sequence[Route]:
        """Everything that is served."""
        return self._app._app.routes  # type: ignore[attr-defined, no-any-return]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the service's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def read(self, work: Callable[[Tx], T]) -> T:
        return self.do(self.house.store.read(work))

    def call(self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.do(self._call(method, target, body, headers or {}))

    async def _call(self, method: str, target: str, body: Any, headers: Mapping[str, str]) -> Answer:
        path, _, query = target.partition("?")
        payload = b"" if body is None else json.dumps(body).encode()
        sent = {"host": HOST, **headers} | ({} if body is None else {"content-type": "application/json"})
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
            "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        answer, is_sent, gone = Answer(), False, asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal is_sent
            if is_sent:
                await gone.wait()
                return {"type": "http.disconnect"}
            is_sent = True
            return {"type": "http.request", "body": payload, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")
                if not message.get("more_body"):
                    gone.set()

        await self._app(scope, receive, send)  # type: ignore[arg-type]
        return answer

    def token(self, user_id: str, *, project: str | None = "mine", domain: str = "", age_ms: int = 0) -> dict[str, str]:
        """The header with a token of a user; by default for the first project."""
        scope = self.project if project == "mine" else project
        now = int(time.time() * 1000) - age_ms
        text, _ = self.house.iam.tokens.mint(
            user_id=user_id, domain_id=domain or self.domain, project_id=scope, methods=["password"], now=now
        )
        return {"X-Auth-Token": text}

    def root(self, method: str, target: str, body: Any = None) -> Answer:
        """A call of the root user, which must succeed."""
        answer = self.call(method, target, body, self.token(self.root_id))
        assert answer.status < 300, (method, target, answer.status, answer.text)
        return answer

    def signed(
        self, method: str, target: str, body: Any = None, *, access: str, secret: str,
        more: Mapping[str, str] | None = None,
    ) -> dict[str, str]:  # fmt: skip
        """The headers of a request signed with an access key."""
        path, _, query = target.partition("?")
        payload = b"" if body is None else json.dumps(body).encode()
        sent = {"host": HOST, **(more or {})}
        headers = sign(
            access, secret, method=method, raw_path=path.encode(), query_string=query.encode(), body=payload,
            headers=[(name.lower().encode(), value.encode()) for name, value in sent.items()], now=datetime.now(UTC),
        )  # fmt: skip
        return {name.decode(): value.decode() for name, value in headers}

    def people(self, wanted: Mapping[str, Sequence[tuple[Any, str]]]) -> dict[str, str]:
        """Make users at once, each with grants: a document (or the id of a system policy) and its scope."""
        ids = {name: uuid4().hex for name in wanted}

        def work(tx: Tx) -> None:
            for name, held in wanted.items():
                tx.run(
                    insert(users).values(
                        id=ids[name], domain_id=self.domain, name=name, description="", is_root=0, enabled=1,
                        password_hash=None, created_at=tx.now,
                    )
                )  # fmt: skip
                for number, (document, scope) in enumerate(held):
                    policy_id = document if isinstance(document, str) else uuid4().hex
                    if not isinstance(document, str):
                        made = _policy(self.domain, policy_id, f"{name}-{number}", document, tx)
                        tx.run(insert(policies).values(made))
                    tx.run(
                        insert(grants).values(
                            domain_id=self.domain, subject_kind="user", subject_id=ids[name],
                            policy_id=policy_id, scope=scope, created_at=tx.now,
                        )
                    )  # fmt: skip

        self.do(self.house.iam.change(work))
        return ids


def _policy(domain: str, policy_id: str, name: str, document: Any, tx: Tx) -> dict[str, Any]:
    return {
        "id": policy_id, "domain_id": domain, "grammar": document["Version"], "name": name, "display_type": "XA",
        "path": "", "description": "", "description_cn": "", "document": json.dumps(document), "default_version": 1,
        "last_version": 1, "created_at": tx.now, "updated_at": tx.now,
    }  # fmt: skip


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": ["*"], **each} for each in statements]}


def where(key: str, value: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {key: [value]}}}
