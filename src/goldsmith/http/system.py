"""`/healthz`, `/readyz` and `/metrics`: for probes and monitoring, without credentials."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from goldsmith import telemetry
from goldsmith.errors import ServiceError
from goldsmith.http.application import Application, Page
from goldsmith.store import Store


def add_routes(app: Application, store: Store) -> None:
    """Register the three paths. `/readyz` answers 503 when the database cannot be written."""

    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz() -> Response:
        try:
            await store.write(lambda tx: tx.scalar(select(1)))
        except ServiceError as error:
            return JSONResponse({"status": "unready", "reason": error.message}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics() -> Response:
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add(Page(path, endpoint))
