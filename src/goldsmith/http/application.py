"""The ASGI application: routes from the table, and around them request ids, security headers, log and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldsmith import errors, telemetry
from goldsmith.errors import ServiceError
from goldsmith.http.auditing import Trail
from goldsmith.http.limits import NO_LIMITS, RateLimits
from goldsmith.http.operations import Operation
from goldsmith.http.paths import Paths
from goldsmith.http.rendering import render
from goldsmith.http.routes import MAX_BODY, Gate, OperationRoute, declared_size
from goldsmith.ids import new_hex

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


@dataclass(frozen=True, slots=True)
class Page:
    """Something at a path that is no operation."""

    path: str
    answer: Callable[[], Awaitable[Response]]
    methods: frozenset[str] = frozenset({"GET", "HEAD"})
    operation: Operation | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        await (await self.answer())(scope, receive, send)


Route = OperationRoute | Page


class Application:
    """Takes every request to the operation or page that its method and path name, or says that there is none."""

    def __init__(self, limits: RateLimits) -> None:
        self._paths: Paths[Route] = Paths()
        self._limits = limits
        self.routes: list[Route] = []

    def add(self, route: Route) -> None:
        """Another route; of two that fit a request, the one added first gets it."""
        self._paths.add(route.path, route)
        self.routes.append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        found = self._paths.find(scope["path"])
        method = scope["method"]
        for route, parameters in found:
            if method in route.methods:
                scope["path_params"] = parameters
                await route(scope, receive, send)
                return
        await self._refuse(scope, [route for route, _ in found])(scope, receive, send)

    def _refuse(self, scope: Scope, routes: Sequence[Route]) -> Response:
        """The answer when nothing has this path, or `routes` have it with other methods only."""
        request_id = scope["goldsmith.request_id"]
        if declared_size(scope) > MAX_BODY:
            return render(errors.BODY_TOO_LARGE.error(), None, request_id)
        # A path that is written out goes before a parameter.
        fewest = min((route.path.count("{") for route in routes), default=0)
        nearest = [route for route in routes if route.path.count("{") == fewest]
        operation = nearest[0].operation if nearest else None  # its surface decides the shape of a 405
        try:
            self._limits.stranger(scope["client"][0] if scope["client"] else "")
        except ServiceError as refusal:
            return render(refusal, operation, request_id)
        if not nearest:
            text = f"The API does not exist: {scope['method']} {Request(scope).url.path}"
            return render(errors.NO_SUCH_API.error(text), operation, request_id)
        methods = {method for route in nearest for method in route.methods if method != "HEAD"}
        allowed = {"Allow": ", ".join(sorted(methods))}
        return render(errors.METHOD_NOT_ALLOWED.error(headers=allowed), operation, request_id)


def build(
    operations: Sequence[Operation],
    gate: Gate,
    *,
    title: str,
    version: str,
    trail: Trail | None = None,
    limits: RateLimits = NO_LIMITS,
) -> tuple[Application, ASGIApp]:
    """The application and what the server runs: the same, wrapped in `Envelope`."""
    app = Application(limits)
    for operation in operations:
        app.add(OperationRoute(operation, gate, trail, limits))
    document: list[bytes] = []
    writing = asyncio.Lock()

    async def show_document() -> Response:
        async with writing:
            if not document:
                # It takes a second or more, and others are waiting for their answers.
                document.append(await asyncio.to_thread(_document, operations, title, version))
        return Response(document[0], media_type="application/json")

    app.add(Page("/openapi.json", show_document))
    return app, Envelope(app)


def _document(operations: Sequence[Operation], title: str, version: str) -> bytes:
    from goldsmith.http import openapi  # brings FastAPI along, which nothing else needs

    return openapi.written(operations, title=title, version=version)


class Envelope:
    """What every request gets: an id, security headers, one log line, its place in the metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_hex()
        scope["goldsmith.request_id"] = request_id
        security_headers = TLS_HEADERS if scope["scheme"] == "https" else SECURITY_HEADERS
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
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
