"""Routes made from the operation table: authenticate, decide, then parse and call the handler.

The order matters and is fixed here: size, credentials, rate, media type, project, permission, and only then JSON. So
a bad signature with a malformed body is 401, nobody unauthenticated makes us parse anything, and nobody uses up the
rate of a credential that is not theirs.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.auditing import Trail, Witness
from goldsmith.http.binding import Binding, Received, Unfit
from goldsmith.http.limits import RateLimits
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


CurrentCall = Call
"""The `Call` of this request, as a parameter of a handler."""


class OperationRoute:
    """What a request for one operation goes through."""

    def __init__(self, operation: Operation, gate: Gate, trail: Trail | None, limits: RateLimits) -> None:
        self.operation, self.gate, self.trail, self.limits = operation, gate, trail, limits
        self.path, self.methods = operation.path, frozenset({operation.method})

    @cached_property
    def binding(self) -> Binding:
        """How the handler is called."""
        return Binding(self.operation.handler, self.path, exclude_none=self.operation.exclude_none)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; its path has been taken apart already."""
        await (await self._handle(Received(scope, receive)))(scope, receive, send)

    async def _handle(self, request: Received) -> Response:
        operation, request_id = self.operation, request.scope["goldsmith.request_id"]
        request.scope["goldsmith.operation"] = operation
        witness = Witness(self.trail, operation, request, answers_job=self.binding.answers_job)
        try:
            call = await self._admit(request)
            with witness.watching():
                try:
                    response = await self.binding.answer(request, operation.success)
                except Unfit as error:
                    raise await self._refuse(error, call) from error
            await witness.saw(response)
            return response
        except ServiceError as error:
            failure = error
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception:
            log.exception("request %s: %s failed", request_id, operation.name)
            failure = errors.INTERNAL.error()
        return render(await witness.failed(failure), operation, request_id)

    async def _admit(self, request: Received) -> Call:
        operation, scope = self.operation, request.scope
        body = request.raw = await _body_of(request)
        call = request.call = Call(
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

    def _require_json(self, request: Received, body: bytes) -> None:
        if body and (self.binding.has_body or request.method not in {"GET", "DELETE", "HEAD"}):
            _require_utf8_json(request, body)

    async def _refuse(self, error: Unfit, call: Call) -> ServiceError:
        problems = problems_of(error.findings)
        check_world = self.operation.world_check()
        if check_world is not None and isinstance(error.body, dict) and self.binding.has_body:
            found = await check_world(call, partial_body(self.binding.model, error.body, error.findings))
            reported = {problem.field for problem in problems}
            problems += [problem for problem in found if problem.field not in reported]
        return errors.refusal(problems)


def declared_size(scope: Scope) -> int:
    """The size of the body as the client declares it; 0 when it does not."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(declared) if declared.isdigit() else 0


async def _body_of(request: Received) -> bytes:
    """The whole body; raises `errors.BODY_TOO_LARGE`."""
    if declared_size(request.scope) > MAX_BODY:
        raise errors.BODY_TOO_LARGE.error()
    body, has_more = b"", True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        body, has_more = body + part if body else part, message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise errors.BODY_TOO_LARGE.error("The request body is larger than 1 MiB.")
    return body


def _short_header(request: Received, name: str, most: int = 64) -> str:
    value = request.headers.get(name, "")
    if len(value) > most:
        problem = errors.Problem(name, value, "max_length", f"The header may have at most {most} characters.")
        raise errors.refusal([problem])
    return value


def _require_signed_payload(request: Received, caller: Caller) -> None:
    declared = request.headers.get("x-sdk-content-sha256", "").strip()
    if declared and caller.credential_kind != "token" and HASH.fullmatch(declared) is None:
        raise errors.UNAUTHENTICATED.error(
            "Incorrect IAM authentication information: the body must be signed; X-Sdk-Content-Sha256 is not its hash."
        )


def _require_utf8_json(request: Received, body: bytes) -> None:
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


def json_text(value: object) -> str:
    """Compact JSON, as it is kept in the database."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
