"""The ASGI application: routes from the table, and around them request ids, security headers, log and metrics."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldsmith import errors, telemetry
from goldsmith.errors import ServiceError
from goldsmith.http import openapi
from goldsmith.http.auditing import Trail
from goldsmith.http.limits import NO_LIMITS, RateLimits
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
TLS_HEADERS = (*SECURITY_HEADERS, (b"strict-transport-security", b"max-age=31536000"))
"""With the word to browsers never to come without TLS again, which is believed only when said over TLS."""

_MISLEADING = re.compile(rb"%(?:2f|5c|[01][0-9a-f]|7f)|/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
"""In a path: what another server on the way may read as a path of other segments than we do."""
LOGGED_PATH = 512
PLAIN_TEXT = b"text/plain; charset=utf-8"


def build(
    operations: Sequence[Operation],
    gate: Gate,
    *,
    title: str,
    version: str,
    trail: Trail | None = None,
    limits: RateLimits = NO_LIMITS,
) -> tuple[FastAPI, ASGIApp]:
    """The FastAPI application and what the server runs: the same, wrapped in `Envelope`."""
    app = FastAPI(title=title, version=version, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
                  max_body_size=MAX_BODY)  # fmt: skip
    add_routes(app, operations, gate, trail, limits)
    app.state.limits = limits
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
    request_id = request.scope["goldsmith.request_id"]
    try:
        request.app.state.limits.stranger(request.client.host if request.client else "")
    except ServiceError as refusal:
        return render(refusal, operation or _operation_at(request), request_id)
    found = from_http(error)
    if error.status_code == 405:
        found.headers["Allow"] = ", ".join(sorted(_methods(request)))
    if error.status_code == 404:
        found.message = f"The API does not exist: {request.method} {request.url.path}"
    return render(found, operation or _operation_at(request), request_id)


def _routes_at(request: Request) -> list[Route]:
    """The routes with this path, whatever their method; a path that is written out goes before a parameter."""
    found = [route for route in request.app.router.routes if route.matches(request.scope)[0] is not Match.NONE]
    fewest = min((route.path.count("{") for route in found), default=0)
    return [route for route in found if route.path.count("{") == fewest]


def _methods(request: Request) -> set[str]:
    return {method for route in _routes_at(request) for method in route.methods or () if method != "HEAD"}


def _operation_at(request: Request) -> Operation | None:
    """An operation with this path, whatever its method: its surface decides the shape of a 405."""
    return next((getattr(route, "operation", None) for route in _routes_at(request)), None)


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
        security_headers = TLS_HEADERS if scope["scheme"] == "https" else SECURITY_HEADERS
        started, status, is_replaced = time.perf_counter(), 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_replaced
            if is_replaced:
                return
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 413 and (b"content-type", PLAIN_TEXT) in message["headers"]:
                    # The framework refuses a declared length in its own words.
                    refusal = render(errors.BODY_TOO_LARGE.error(), scope.get("goldsmith.operation"), request_id)
                    await refusal(scope, receive, send_with_headers)
                    is_replaced = True
                    return
                headers = message["headers"]
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(security_headers)
            await send(message)

        try:
            await (_nowhere if _is_misleading(scope) else self._app)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            operation: Operation | None = scope.get("goldsmith.operation")
            name = operation.name if operation is not None else "-"
            telemetry.observe_request(name, status, seconds)
            path = _shown(scope["raw_path"])
            log.info("%s %s %s %d %.1fms %s", name, scope["method"], path, status, seconds * 1e3, request_id)


def _is_misleading(scope: Scope) -> bool:
    raw_path: bytes = scope["raw_path"]
    return (b"%" in raw_path or b"/." in raw_path) and _MISLEADING.search(raw_path) is not None


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    await render(errors.NO_SUCH_API.error(), None, scope["goldsmith.request_id"])(scope, receive, send)


def _shown(raw_path: bytes) -> str:
    """The path for the log: still percent-encoded, so that nobody writes lines of their own into it."""
    return raw_path[:LOGGED_PATH].decode("ascii", "backslashreplace")
