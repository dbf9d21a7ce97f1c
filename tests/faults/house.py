"""A whole goldsmith inside the test's process: called over its wire, worked on by engines that can die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from tests.service import PROJECT, example

from goldsmith.app import House, open_house
from goldsmith.clouds.simulated import World
from goldsmith.errors import UNAVAILABLE
from goldsmith.iam.signature import sign
from goldsmith.leaks.service import find
from goldsmith.settings import LimitsSettings, Settings, SimulatedSettings
from goldsmith.setup import initialise
from goldsmith.store import Row, Store
from goldsmith.workflows import Engine, Queue, Retry, Workflow
from goldsmith.workflows.models import workflows
from goldsmith.workflows.probe import Probe

LIVE = ("queued", "running")
LEASE = 0.2
PATIENCE = 20.0


class Mortal:
    """The database as a process sees it that will die: after its death nothing it does arrives any more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_dead = False

    def _live(self) -> Store:
        if self.is_dead:
            raise UNAVAILABLE.error("This process is dead.")
        return self._store

    async def write(self, work: Any) -> Any:
        return await self._live().write(work)

    async def read(self, work: Any) -> Any:
        return await self._live().read(work)

    def write_now(self, work: Any) -> Any:
        return self._live().write_now(work)

    def read_now(self, work: Any) -> Any:
        return self._live().read_now(work)

    def close(self) -> None:
        """The test's own connection stays open."""


@dataclass
class Goldsmith:
    """One data folder, opened."""

    house: House
    wire: httpx.AsyncClient
    credentials: dict[str, str]
    world: World

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """A signed request under the project's path; its answer, which must have this status."""
        answer = await self.answer(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def answer(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A signed request under the project's path; the whole answer."""
        payload = b"" if body is None else json.dumps(body).encode()
        url = httpx.URL(f"http://goldsmith/v1/{PROJECT}/{path}")
        headers = {"Content-Type": "application/json", "Host": "goldsmith"}
        signed = sign(
            self.credentials["access_key"], self.credentials["secret_key"], method=method,
            raw_path=url.raw_path.split(b"?")[0], query_string=url.query,
            headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()], body=payload,
            now=datetime.now(UTC),
        )  # fmt: skip
        return await self.wire.request(method, url, content=payload, headers=signed)

    async def create(self, name: str) -> dict[str, Any]:
        """The job of a new image server."""
        job = await self.call("POST", "image-servers", example(name))
        found: dict[str, Any] = await self.call("GET", f"image-server-jobs/{job['job_id']}")
        return found

    async def made(self, name: str) -> dict[str, Any]:
        """An image server that is ready."""
        job = await self.create(name)
        await self.work_off()
        server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
        shown: dict[str, Any] = await self.call("GET", f"image-servers/{server_id}")
        assert shown["status"] == "ACTIVE", shown
        return shown

    async def remove(self, *server_ids: str, recursive: bool = True) -> str:
        """The job that deletes image servers."""
        body = {"items": list(server_ids), "recursive": recursive}
        answer = await self.call("PATCH", "image-servers/actions/batch-delete", body)
        job_id: str = answer["job_id"]
        return job_id

    async def live(self) -> list[str]:
        """The workflows that have not ended."""
        rows = await self.house.store.read(
            lambda tx: tx.rows(select(workflows.c.id).where(workflows.c.state.in_(LIVE)))
        )
        return [row["id"] for row in rows]

    async def workflow(self, workflow_id: str) -> Row:
        """The workflow's row."""
        row = await self.house.store.read(lambda tx: tx.row(select(workflows).where(workflows.c.id == workflow_id)))
        assert row is not None
        return row

    async def work_off(self) -> None:
        """Let an engine do all there is to do."""
        async with self.engine():
            await until_async(self.is_idle)

    async def is_idle(self) -> bool:
        """Whether every workflow has ended."""
        return not await self.live()

    @asynccontextmanager
    async def engine(
        self, *, probe: Probe | None = None, mortal: Mortal | None = None,
        kinds: Mapping[str, Workflow] | None = None,
    ) -> AsyncIterator[Engine]:  # fmt: skip
        """An engine at work; a dead one leaves nothing but its leases."""
        queue = self.house.queue if kinds is None else Queue(kinds)
        lease = LEASE if mortal is not None else 5.0
        engine = Engine(mortal or self.house.store, queue, slots=4, lease_seconds=lease, probe=probe)
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            engine.stop()
            async with asyncio.timeout(PATIENCE):
                await running

    async def leaks(self) -> list[str]:
        """What belongs to nobody, in words."""
        return [f"{leak.kind} {leak.thing}: {leak.why}" for leak in await find(self.house.store, self.house.cloud)]


def hastened(kinds: Mapping[str, Workflow]) -> dict[str, Workflow]:
    """The same workflows with pauses that a test can wait for."""
    return {
        kind: replace(workflow, steps=tuple(replace(step, retry=Retry(0.01, 0.02)) for step in workflow.steps))
        for kind, workflow in kinds.items()
    }


async def until_async(what: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not await what():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Goldsmith]:
    """A new goldsmith on the simulated cloud, where nothing takes time."""
    chosen = Settings(
        data_dir=folder,
        simulated=SimulatedSettings(create_seconds=0, boot_seconds=0, command_seconds=0, stop_seconds=0),
        limits=LimitsSettings(requests_per_second=0),
        **settings,
    )
    credentials = json.loads(initialise(chosen).read_text())
    async with open_house(chosen) as house:
        transport = httpx.ASGITransport(app=house.asgi())  # type: ignore[arg-type]
        with World(folder) as world:
            async with httpx.AsyncClient(transport=transport, timeout=60) as wire:
                yield Goldsmith(house, wire, credentials, world)
