"""`/healthz`, `/readyz` and `/metrics`: for probes and monitoring, without credentials."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.responses import JSONResponse, Response

from goldsmith import telemetry
from goldsmith.errors import ServiceError
from goldsmith.http.application import Application, Page
from goldsmith.store import Store, Tx

_GOOD_SECONDS = 1.0
"""How long an answer is good: whoever asks without credentials causes one write a second, however often they ask."""
_PATIENCE_SECONDS = 0.8
"""Probes give up after a second by default; they are told so before."""


def add_routes(app: Application, store: Store, write: Callable[[Tx], object]) -> None:
    """Register the three paths. `/readyz` answers 503 when `write`, which must change a row, cannot be committed."""
    readiness = _Readiness(store, write)

    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz() -> Response:
        problem = await readiness.problem()
        if problem:
            return JSONResponse({"status": "unready", "reason": problem}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics() -> Response:
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add(Page(path, endpoint))


class _Readiness:
    """Whether the database can be written, found out by writing."""

    def __init__(self, store: Store, write: Callable[[Tx], object]) -> None:
        self._store, self._write = store, write
        self._asking: asyncio.Task[str] | None = None
        self._answered = 0.0

    async def problem(self) -> str:
        """What keeps the database from being written; empty when nothing does."""
        if self._asking is None or (self._asking.done() and time.monotonic() > self._answered + _GOOD_SECONDS):
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            return f"The database has not answered within {_PATIENCE_SECONDS:g} s."

    async def _ask(self) -> str:
        try:
            await self._store.write(self._write)
        except ServiceError as error:
            return error.message
        finally:
            self._answered = time.monotonic()
        return ""
