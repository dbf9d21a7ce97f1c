"""How a refusal looks on the wire: each surface in its own published shape (contract: authentication, section 4)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from goldsmith.errors import MESSAGE_LIMIT, ServiceError
from goldsmith.http.operations import Operation, Surface

TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 413: "Request Entity Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


def render(error: ServiceError, operation: Operation | None, request_id: str) -> Response:
    """The response for `error`; `operation` is None when the request matched none."""
    surface = operation.surface if operation is not None else Surface.GATEWAY
    body = SHAPES[surface](error, operation, request_id)
    return JSONResponse(body, status_code=error.kind.status, headers=error.headers)


def code_of(error: ServiceError, operation: Operation | None) -> str:
    """The code to send: the operation's own for this status, except for what the gateway answers."""
    if operation is None or error.kind.code.startswith("APIGW."):
        return error.kind.code
    return operation.codes.get(error.kind.status, error.kind.code)


def _text(error: ServiceError) -> str:
    return error.message if len(error.message) <= MESSAGE_LIMIT else error.message[: MESSAGE_LIMIT - 1] + "…"


def _details(error: ServiceError) -> dict[str, Any]:
    details = {"details": [problem.as_wire() for problem in error.details]} if error.details else {}
    return details | error.extras


def _workspace(error: ServiceError, operation: Operation | None, request_id: str) -> dict[str, Any]:
    body = {"error_code": code_of(error, operation), "error_msg": _text(error), **_details(error)}
    return body | ({"request_id": request_id} if error.kind.code.startswith("APIGW.") else {})


def _gateway(error: ServiceError, operation: Operation | None, request_id: str) -> dict[str, Any]:
    code = code_of(error, operation)
    return {"error_msg": _text(error), "error_code": code, "request_id": request_id, **_details(error)}


def _iam(error: ServiceError, _operation: Operation | None, _request_id: str) -> dict[str, Any]:
    status = error.kind.status
    inner = {"code": status, "message": _text(error), "title": TITLES[status], **_details(error)}
    return {"error": inner}


def _ims(error: ServiceError, operation: Operation | None, _request_id: str) -> dict[str, Any]:
    codes = {400: "IMG.0001", 401: "APIGW.0301", 403: "IMG.0003", 404: "IMG.0027", 409: "IMG.0005"}
    code = codes.get(error.kind.status, code_of(error, operation))
    return {"error": {"message": _text(error), "code": code, **_details(error)}}


def _vpc_v1(error: ServiceError, operation: Operation | None, _request_id: str) -> dict[str, Any]:
    return {"code": code_of(error, operation), "message": _text(error), **_details(error)}


def _ecs(error: ServiceError, operation: Operation | None, _request_id: str) -> dict[str, Any]:
    return {"error": {"code": code_of(error, operation), "message": _text(error), **_details(error)}}


SHAPES = {
    Surface.WORKSPACE: _workspace,
    Surface.GATEWAY: _gateway,
    Surface.VPC: _gateway,
    Surface.VPC_V1: _vpc_v1,
    Surface.IAM: _iam,
    Surface.IMS: _ims,
    Surface.ECS: _ecs,
    Surface.EPS: _ecs,
}
