"""The ASGI application: routes from the table, and around them request ids, security headers, log and metrics."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldsmith import telemetry
from goldsmith.http import openapi
from goldsmith.http.operations import Operation
from goldsmith.http.rendering import render
from goldsmith.http.routes import MAX_BODY, Gate, add_routes, from_http

log = logging.getLogger("goldsmith.access")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def build(operations: Sequence[Operation], gate: Gate, *, title: str, version: str) -> tuple[FastAPI, ASGIApp]:
    """The FastAPI application and what the server runs: the same, wrapped in `Envelope`."""
    app = FastAPI(title=title, version=version, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
                  max_body_size=MAX_BODY)  # fmt: skip
    add_routes(app, operations, gate)
    app.state.operations = tuple(operations)
    app.add_exception_handler(HTTPException, _refuse)
    document: dict[str, Any] = {}

    async def show_document(_request: Request) -> Response:
        if not document:
            document.update(openapi.document(app, operations))
        return openapi.response(document)

    app.router.routes.append(Route("/openapi.json", show_document, methods=["GET"]))
    return app, Envelope(app)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    operation = request.scope.get("goldsmith.operation")
    found = from_http(error)
    if error.status_code == 405:
        found.headers["Allow"] = ", ".join(sorted(_methods(request)))
    if error.status_code == 404:
        found.message = f"The API does not exist: {request.method} {request.url.path}"
    return render(found, operation or _operation_at(request), request.scope["goldsmith.request_id"])


def _methods(request: Request) -> set[str]:
    found: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= {method for method in route.methods or () if method != "HEAD"}
    return found


def _operation_at(request: Request) -> Operation | None:
    """An operation with this path, whatever its method: its surface decides the shape of a 405."""
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            return getattr(route, "operation", None)
    return None


class Envelope:
    """What every request gets: an id, security headers, one log line, its place in the metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope["goldsmith.request_id"] = request_id
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(SECURITY_HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            operation: Operation | None = scope.get("goldsmith.operation")
            name = operation.name if operation is not None else "-"
            telemetry.observe_request(name, status, seconds)
            log.info("%s %s %s %d %.1fms %s", name, scope["method"], scope["path"], status, seconds * 1e3, request_id)
