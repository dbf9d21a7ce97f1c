"""`/openapi.json`: FastAPI's document, completed from the operation table.

Added here: the path's project id, both ways to authenticate, every declared error with its own body shape and an
example, examples of request and answer, and what the permission tables say (`x-goldsmith-action` and so on).
"""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args, get_origin

import fastapi
from fastapi.openapi.utils import get_openapi
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.requests import Request
from starlette.responses import Response

from goldsmith import errors
from goldsmith.errors import ErrorKind, Problem
from goldsmith.http.operations import Call, Operation, Surface
from goldsmith.http.parameters import Parameter, Taken
from goldsmith.http.rendering import SHAPES

KINDS: dict[str, Callable[..., Any]] = {"query": fastapi.Query, "path": fastapi.Path, "header": fastapi.Header}
PROJECT_ID = {
    "name": "project_id",
    "in": "path",
    "required": True,
    "description": "Project id.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
CREATE_HEADERS = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "description": "Business id of the caller; kept with the job.",
        "schema": {"type": "string", "maxLength": 64},
    }
    for name in ("Service-Transaction-Id", "X-Linked-Id")
] + [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Extension: the same request again with the same key returns the same job.",
        "schema": {"type": "string", "maxLength": 255},
    }
]
PROBLEMS = {
    errors.INVALID.name: Problem("limit", "101", "maximum", "At most 100."),
    errors.CONFLICT.name: Problem(
        "name", "image-0508", "unique", "The name 'image-0508' is in use; choose another name.", conflict=True
    ),
}
"""What is wrong in the examples of refusals."""
SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "Token of IAM."},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "SDK-HMAC-SHA256 signature with access key and secret key, together with X-Sdk-Date.",
    },
}


def document(operations: Sequence[Operation], *, title: str, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all operations."""
    with warnings.catch_warnings():
        # FastAPI ignores it itself where it makes its fields, but models that are built late warn later.
        warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
        routes = _described(operations).routes
        found = get_openapi(title=title, version=version, openapi_version="3.1.0", routes=routes)
    found["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    components = found.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    components["securitySchemes"] = SCHEMES
    for operation in operations:
        _complete(found["paths"][operation.path][operation.method.lower()], operation)
    return found


def written(operations: Sequence[Operation], *, title: str, version: str) -> bytes:
    """The document as it is sent."""
    return json.dumps(document(operations, title=title, version=version), ensure_ascii=False).encode()


def _described(operations: Sequence[Operation]) -> fastapi.FastAPI:
    """An application of FastAPI's that answers nothing and only has every operation."""
    app = fastapi.FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in operations:
        app.add_api_route(
            each.path,
            _stand_in(each.handler),
            methods=[each.method],
            name=each.name,
            operation_id=each.name,
            status_code=each.success,
            summary=each.summary,
            tags=[each.tag or each.surface.value],
            deprecated=each.deprecated or None,
            response_model_exclude_none=each.exclude_none,
        )
    return app


def _stand_in(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A function with the handler's name and text, and its parameters as FastAPI declares them."""

    def stand_in() -> None:
        raise NotImplementedError

    signature = inspect.signature(handler, eval_str=True)
    ours = {Call, Request, Response}
    parameters = [each for each in signature.parameters.values() if each.annotation not in ours]
    declared = [each.replace(annotation=_as_fastapi(each.annotation)) for each in parameters]
    functools.update_wrapper(stand_in, handler)
    del stand_in.__wrapped__  # type: ignore[attr-defined]
    stand_in.__signature__ = signature.replace(parameters=declared)  # type: ignore[attr-defined]
    return stand_in


def _as_fastapi(annotation: Any) -> Any:
    """The annotation with FastAPI's `Query` for ours, and so on."""
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *marks = get_args(annotation)
    return Annotated[(inner, *map(_mark, marks))]


def _mark(mark: Any) -> Any:
    if isinstance(mark, Taken):
        return fastapi.Depends(_stand_in(mark.by))
    if isinstance(mark, Parameter):
        return KINDS[mark.place](**mark.declared, **({"alias": mark.alias_on_wire} if mark.alias_on_wire else {}))
    return mark


def _complete(entry: dict[str, Any], operation: Operation) -> None:
    parameters = entry.setdefault("parameters", [])
    if operation.is_in_project:
        parameters.insert(0, PROJECT_ID)
    if operation.method == "POST":
        parameters.extend(CREATE_HEADERS)
    entry["security"] = [] if operation.is_public else [{"token": []}, {"signature": []}]
    entry["x-goldsmith-surface"] = operation.surface.value
    if operation.action:
        entry["x-goldsmith-action"] = operation.action
        entry["x-goldsmith-access-level"] = operation.access.value
        entry["x-goldsmith-dependencies"] = list(operation.dependencies)
    if operation.is_extension:
        entry["x-goldsmith-extension"] = True
    entry["responses"].pop("422", None)
    success = entry["responses"][str(operation.success)]
    success["headers"] = {"X-Request-Id": {"schema": {"type": "string"}, "description": "Id of this request."}}
    answer = {} if _is_empty(success) else operation.answer
    if answer is not None:
        success["content"]["application/json"]["example"] = answer
    if operation.content_type != "application/json":
        kept = success["content"] if operation.answer is not None else {}
        success["content"] = {**kept, operation.content_type: {"schema": _raw(operation.content_type)}}
    if operation.example is not None:
        entry["requestBody"]["content"]["application/json"]["example"] = operation.example
    by_status: dict[int, list[ErrorKind]] = {}
    for kind in operation.declared_errors:
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        entry["responses"][str(status)] = _refusals(operation, kinds)


def _is_empty(success: dict[str, Any]) -> bool:
    schema = success.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == "#/components/schemas/Empty")


def _raw(content_type: str) -> dict[str, Any]:
    """The schema of an answer that is no JSON."""
    if content_type == "text/event-stream":
        return {"description": "A stream of events, each with event, id and data."}
    return {"type": "string", "format": "binary"}


def _refusals(operation: Operation, kinds: list[ErrorKind]) -> dict[str, Any]:
    """The response entry for the refusals that share a status."""
    examples: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        problem = PROBLEMS.get(kind.name)
        error = errors.refusal([problem]) if problem is not None else kind.error()
        # A path that could be read in two ways is refused before any operation is found.
        surface = Surface.GATEWAY if kind is errors.NO_SUCH_API else operation.surface
        examples[kind.name] = {"summary": kind.when, "value": SHAPES[surface](error, operation, "0" * 32)}
    schemas: list[dict[str, Any]] = []
    for example in examples.values():
        schema = _schema_of(example["value"])
        schemas += [schema] if schema not in schemas else []
    found: dict[str, Any] = {
        "description": " ".join(kind.when for kind in kinds),
        "content": {"application/json": {"schema": _any_of(schemas), "examples": examples}},
    }
    if any(kind.status == 405 for kind in kinds):
        found["headers"] = {"Allow": {"schema": {"type": "string"}, "description": "Methods of this path."}}
    return found


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _schema_of(example: dict[str, Any]) -> dict[str, Any]:
    detail = {
        "type": "object",
        "properties": {"field": {"type": "string"}, "value": {}, "rule": {"type": "string"},
                       "message": {"type": "string"}},
        "required": ["field", "value", "rule", "message"],
    }  # fmt: skip
    if set(example) == {"error"}:
        return {"type": "object", "properties": {"error": _schema_of(example["error"])}, "required": ["error"]}
    kinds = {str: "string", int: "integer"}
    properties: dict[str, Any] = {
        name: {"type": kinds[type(value)]} for name, value in example.items() if name != "details"
    }
    required = [name for name in properties if name != "request_id"]
    properties["details"] = {"type": "array", "items": detail}
    return {"type": "object", "properties": properties, "required": required}
