"""Routes made from the operation table: authenticate, decide, then let FastAPI parse and call the handler.

The order matters and is fixed here: size, credentials, rate, media type, project, permission, and only then JSON. So
a bad signature with a malformed body is 401, nobody unauthenticated makes us parse anything, and nobody uses up the
rate of a credential that is not theirs.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.auditing import Trail, Witness
from goldsmith.http.json_body import JsonRequest
from goldsmith.http.limits import NO_LIMITS, RateLimits
from goldsmith.http.operations import Call, Operation, Touched
from goldsmith.http.rendering import render
from goldsmith.http.validation import partial_body, problems_of

if TYPE_CHECKING:
    from goldsmith.iam.service import Caller

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
GONE = 499
"""Status in log and metrics of a request whose client went away while it sent the body; nobody receives it."""
HASH = re.compile(r"[0-9a-fA-F]{64}")


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
        source_ip: str,
    ) -> Caller:
        """The caller behind the request's credentials; raises `errors.UNAUTHENTICATED`."""

    async def admit(self, call: Call, touched: Callable[[], Awaitable[Touched]] | None) -> None:
        """Let the call pass, or raise `errors.FOREIGN_PROJECT` or `errors.FORBIDDEN`.

        `touched` finds out which resources the call is about; asked only where the answer can matter.
        """


async def current_call(request: Request) -> Call:
    """The `Call` of this request (a FastAPI dependency)."""
    call: Call = request.state.call
    return call


CurrentCall = Annotated[Call, Depends(current_call)]


class OperationRoute(APIRoute):
    """A route that knows its operation."""

    operation: Operation
    gate: Gate
    trail: Trail | None
    limits: RateLimits

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        run = super().get_route_handler()
        answers_job = "job_id" in getattr(self.response_model, "model_fields", {})

        async def handle(received: Request) -> Response:
            request = JsonRequest(received.scope, received.receive)
            operation, request_id = self.operation, request.scope["goldsmith.request_id"]
            request.scope["goldsmith.operation"] = operation
            witness = Witness(self.trail, operation, request, answers_job=answers_job)
            try:
                call = await self._admit(request)
                with witness.watching():
                    try:
                        response = await run(request)
                    except RequestValidationError as error:
                        raise await self._refuse(error, call) from error
                await witness.saw(response)
                return response
            except ServiceError as error:
                failure = error
            except HTTPException as error:
                failure = from_http(error)
            except ClientDisconnect:
                return Response(status_code=GONE)
            except Exception:
                log.exception("request %s: %s failed", request_id, operation.name)
                failure = errors.INTERNAL.error()
            return render(await witness.failed(failure), operation, request_id)

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
            host=request.headers.get("host", ""),
            path=request.path_params,
            is_secure=scope["scheme"] == "https",
            user_agent=request.headers.get("user-agent", ""),
            referer=request.headers.get("referer", ""),
        )
        request.state.call = call
        if operation.is_public:
            self.limits.login(call.source_ip)
            self._require_json(request, body)
            return call
        try:
            call.caller = await self.gate.authenticate(
                method=scope["method"],
                raw_path=scope["raw_path"],
                query_string=scope["query_string"],
                headers=scope["headers"],
                body=body,
                source_ip=call.source_ip,
            )
        except ServiceError as error:
            if error.kind is errors.UNAUTHENTICATED:
                self.limits.stranger(call.source_ip)
            raise
        self.limits.caller(call.caller)
        if body and not operation.accepts_unsigned_payload:
            _require_signed_payload(request, call.caller)
        self._require_json(request, body)
        touched_by = operation.touched_by()
        await self.gate.admit(call, None if touched_by is None else lambda: touched_by(call, body))
        call.service_transaction_id = _short_header(request, "service-transaction-id")
        call.linked_id = _short_header(request, "x-linked-id")
        call.idempotency_key = _short_header(request, "idempotency-key", 255)
        return call

    def _require_json(self, request: Request, body: bytes) -> None:
        if body and (self.body_field is not None or request.method not in {"GET", "DELETE", "HEAD"}):
            _require_utf8_json(request, body)

    async def _refuse(self, error: RequestValidationError, call: Call) -> ServiceError:
        problems = problems_of(error.errors())
        check_world = self.operation.world_check()
        if check_world is not None and isinstance(error.body, dict) and self.body_field is not None:
            model = self.body_field.field_info.annotation
            found = await check_world(call, partial_body(model, error.body, error.errors()))
            reported = {problem.field for problem in problems}
            problems += [problem for problem in found if problem.field not in reported]
        return errors.refusal(problems)


def _short_header(request: Request, name: str, most: int = 64) -> str:
    value = request.headers.get(name, "")
    if len(value) > most:
        problem = errors.Problem(name, value, "max_length", f"The header may have at most {most} characters.")
        raise errors.refusal([problem])
    return value


def _require_signed_payload(request: Request, caller: Caller) -> None:
    declared = request.headers.get("x-sdk-content-sha256", "").strip()
    if declared and caller.credential_kind != "token" and HASH.fullmatch(declared) is None:
        raise errors.UNAUTHENTICATED.error(
            "Incorrect IAM authentication information: the body must be signed; X-Sdk-Content-Sha256 is not its hash."
        )


def _require_utf8_json(request: Request, body: bytes) -> None:
    sent = request.headers.get("content-type", "")
    media, _, parameters = sent.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        found = f"not as {sent!r}." if sent else "and it came without a Content-Type."
        raise errors.UNSUPPORTED_MEDIA_TYPE.error(f"The body must be sent as application/json in UTF-8, {found}"[:255])
    try:
        body.decode()
    except UnicodeDecodeError:
        raise errors.refusal([errors.Problem("body", None, "json", "The body is not UTF-8 text.")]) from None


def from_http(error: HTTPException) -> ServiceError:
    """What the framework itself refuses, in terms of the catalogue."""
    if error.status_code == 413:
        return errors.BODY_TOO_LARGE.error("The request body is larger than 1 MiB.")
    if error.status_code == 404:
        return errors.NO_SUCH_API.error()
    if error.status_code == 405:
        return errors.METHOD_NOT_ALLOWED.error(headers=error.headers)
    return errors.refusal([errors.Problem("body", None, "json", "The body cannot be parsed as JSON.")])


def add_routes(
    app: FastAPI,
    operations: Sequence[Operation],
    gate: Gate,
    trail: Trail | None = None,
    limits: RateLimits = NO_LIMITS,
) -> None:
    """Register a route for every operation; what they do is noted in `trail`."""
    for each in operations:

        class Route(OperationRoute):
            operation = each

        Route.gate, Route.trail, Route.limits = gate, trail, limits
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
