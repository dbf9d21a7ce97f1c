"""Requests that behave oddly, in a small application of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, insert, select

from goldsmith import errors
from goldsmith.audit import chain
from goldsmith.audit.models import audit_head, audit_records
from goldsmith.audit.service import AuditTrail
from goldsmith.http import application, collect, operation
from goldsmith.http.operations import Access
from goldsmith.http.routes import CurrentCall
from goldsmith.iam.models import revision as things
from goldsmith.iam.service import Caller, CredentialKind
from goldsmith.store import Tx, metadata
from goldsmith.store.sqlite import SqliteStore

CALLER = Caller("u1", "user", "d1", "domain", "p1", False, CredentialKind.TOKEN, "t1")


class Gate:
    """Lets everybody in as the same caller."""

    async def authenticate(self, **_: Any) -> Caller:
        return CALLER

    async def admit(self, call: Any, *_: Any) -> None:
        call.decision = "policy p/statement s"
        if call.project_id != "p1":
            raise errors.FORBIDDEN.error()


class Api:
    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.background: asyncio.Task[None] | None = None

    async def _write(self, number: int) -> None:
        await self._store.write(lambda tx: tx.run(insert(things).values(id=number, number=number)))

    @operation("Twice", "POST", "/{project_id}/twice", action="x:y:z", access=Access.WRITE)
    async def twice(self, call: CurrentCall) -> None:
        """Write two times."""
        await self._write(1)
        await self._write(2)

    @operation("WriteAndFail", "POST", "/{project_id}/fail", action="x:y:z", access=Access.WRITE)
    async def write_and_fail(self, call: CurrentCall) -> None:
        """Write, then fail."""
        await self._write(1)
        raise RuntimeError("what now?")

    @operation("FailAndWrite", "POST", "/{project_id}/again", action="x:y:z", access=Access.WRITE)
    async def fail_and_write(self, call: CurrentCall) -> None:
        """Fail to write, then write."""

        def broken(tx: Tx) -> None:
            tx.run(insert(things).values(id=7, number=7))
            raise ValueError

        with pytest.raises(ValueError):
            await self._store.write(broken)
        await self._write(1)

    @operation("Later", "POST", "/{project_id}/later", action="x:y:z", access=Access.WRITE)
    async def later(self, call: CurrentCall) -> None:
        """Leave a task behind that writes when the request is long over."""

        async def write() -> None:
            await asyncio.sleep(0.05)
            await self._write(9)

        self.background = asyncio.create_task(write())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    metadata.create_all(engine, [audit_records, audit_head, things])
    engine.dispose()
    store = SqliteStore(tmp_path / "test.db")
    yield store
    store.close()


def records(store: SqliteStore) -> list[Any]:
    return [dict(row) for row in store.read_now(lambda tx: tx.rows(select(audit_records)))]


@pytest.fixture
def api(store: SqliteStore) -> Api:
    return Api(store)


@pytest.fixture
def call(store: SqliteStore, api: Api) -> Callable[[str], Any]:
    trail = AuditTrail(store, SimpleNamespace())  # type: ignore[arg-type]
    _, app = application.build(list(collect(api)), Gate(), title="t", version="1", trail=trail)

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return await client.post(path)

    return ask


async def test_a_request_that_writes_twice_leaves_one_record(call: Any, store: SqliteStore) -> None:
    assert (await call("/p1/twice")).status_code == 200
    [record] = records(store)
    assert (record["outcome"], record["decision"], record["dry"]) == ("allowed", "policy p/statement s", 0)


async def test_a_change_that_was_kept_though_the_request_failed_leaves_two(call: Any, store: SqliteStore) -> None:
    assert (await call("/p1/fail")).status_code == 500
    found = [(record["part"], record["outcome"], record["status"]) for record in records(store)]
    assert found == [(1, "allowed", 200), (2, "failed", 500)]
    assert chain.verify(store) is None


async def test_a_write_that_failed_carries_no_record_the_next_does(call: Any, store: SqliteStore) -> None:
    assert (await call("/p1/again")).status_code == 200
    [record] = records(store)
    assert (record["outcome"], record["dry"]) == ("allowed", 0)


async def test_what_a_request_leaves_running_is_not_its_own_any_more(call: Any, store: SqliteStore, api: Api) -> None:
    assert (await call("/p1/later")).status_code == 200
    assert api.background is not None
    await api.background
    [record] = records(store)
    assert record["dry"] == 1


async def test_a_refusal_carries_the_decision(call: Any, store: SqliteStore) -> None:
    assert (await call("/p2/twice")).status_code == 403
    [record] = records(store)
    assert (record["outcome"], record["decision"]) == ("refused", "policy p/statement s")
