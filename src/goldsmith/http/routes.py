"""Routes made from the operation table: authenticate, decide, then let FastAPI parse and call the handler.

The order matters and is fixed here: size, credentials, media type, project, permission, and only then JSON. So a
bad signature with a malformed body is 401, and nobody unauthenticated makes us parse anything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.operations import Call, Operation
from goldsmith.http.rendering import render
from goldsmith.http.validation import partial_body, problems_of

if TYPE_CHECKING:
    from goldsmith.iam.service import Caller

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024


class Gate(Protocol):
    """Who may do what: implemented by `iam`."""

    async def authenticate(
        self,
        *,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> Caller:
        """The caller behind the request's credentials; raises `errors.UNAUTHENTICATED`."""

    async def authorise(self, caller: Caller, operation: Operation, project_id: str | None) -> None:
        """Let the call pass, or raise `errors.FOREIGN_PROJECT` or `errors.FORBIDDEN`."""


async def current_call(request: Request) -> Call:
    """The `Call` of this request (a FastAPI dependency)."""
    call: Call = request.state.call
    return call


CurrentCall = Annotated[Call, Depends(current_call)]


class OperationRoute(APIRoute):
    """A route that knows its operation."""

    operation: Operation
    gate: Gate

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        run = super().get_route_handler()

        async def handle(request: Request) -> Response:
            operation, request_id = self.operation, request.scope["goldsmith.request_id"]
            request.scope["goldsmith.operation"] = operation
            try:
                call = await self._admit(request)
                request.state.call = call
                try:
                    return await run(request)
                except RequestValidationError as error:
                    raise await self._refuse(error, call) from error
            except ServiceError as error:
                return render(error, operation, request_id)
            except HTTPException as error:
                return render(from_http(error), operation, request_id)
            except Exception:
                log.exception("request %s: %s failed", request_id, operation.name)
                return render(errors.INTERNAL.error(), operation, request_id)

        return handle

    async def _admit(self, request: Request) -> Call:
        operation, scope = self.operation, request.scope
        body = await request.body()
        call = Call(
            operation=operation,
            request_id=scope["goldsmith.request_id"],
            caller=None,  # type: ignore[arg-type]
            project_id=request.path_params.get("project_id", ""),
            source_ip=scope["client"][0] if scope["client"] else "",
            base_url=str(request.base_url).rstrip("/"),
        )
        if operation.is_public:
            _require_json(request, body)
            return call
        call.caller = await self.gate.authenticate(
            method=scope["method"],
            raw_path=scope["raw_path"],
            query_string=scope["query_string"],
            headers=scope["headers"],
            body=body,
        )
        _require_json(request, body)
        await self.gate.authorise(call.caller, operation, call.project_id or None)
        call.service_transaction_id = _short_header(request, "service-transaction-id")
        call.linked_id = _short_header(request, "x-linked-id")
        return call

    async def _refuse(self, error: RequestValidationError, call: Call) -> ServiceError:
        problems = problems_of(error.errors())
        check_world = self.operation.world_check()
        if check_world is not None and isinstance(error.body, dict) and self.body_field is not None:
            model = self.body_field.field_info.annotation
            problems += await check_world(call, partial_body(model, error.body, error.errors()))
        return errors.refusal(problems)


def _short_header(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if len(value) > 64:
        problem = errors.Problem(name, value, "max_length", "The header may have at most 64 characters.")
        raise errors.refusal([problem])
    return value


def _require_json(request: Request, body: bytes) -> None:
    if not body or request.method in {"GET", "DELETE", "HEAD"}:
        return
    sent = request.headers.get("content-type", "")
    media, _, parameters = sent.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise errors.UNSUPPORTED_MEDIA_TYPE.error(
            f"The body must be sent as application/json in UTF-8, not as {sent or 'nothing'!r}."[:255]
        )
    if not _is_utf8(body):
        raise errors.refusal([errors.Problem("", None, "json", "The body is not UTF-8 text.")])


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def from_http(error: HTTPException) -> ServiceError:
    """What the framework itself refuses, in terms of the catalogue."""
    if error.status_code == 413:
        return errors.BODY_TOO_LARGE.error("The request body is larger than 1 MiB.")
    if error.status_code == 404:
        return errors.NO_SUCH_API.error()
    if error.status_code == 405:
        return errors.METHOD_NOT_ALLOWED.error(headers=error.headers)
    return errors.refusal([errors.Problem("", None, "json", "The body cannot be parsed as JSON.")])


def add_routes(app: FastAPI, operations: Sequence[Operation], gate: Gate) -> None:
    """Register a route for every operation."""
    for each in operations:

        class Route(OperationRoute):
            operation = each

        Route.gate = gate
        app.router.add_api_route(
            each.path,
            each.handler,
            methods=[each.method],
            name=each.name,
            operation_id=each.name,
            status_code=each.success,
            summary=each.summary,
            tags=[each.tag or each.surface.value],
            deprecated=each.deprecated or None,
            response_model_exclude_none=each.exclude_none,
            route_class_override=Route,
        )


def json_text(value: object) -> str:
    """Compact JSON, as it is kept in the database."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


__all__ = ["MAX_BODY", "Any", "CurrentCall", "Gate", "add_routes", "from_http", "json_text"]
