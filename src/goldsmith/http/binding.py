"""Calling a handler: its parameters read from a request, and its answer written as JSON (decision 19).

What is wrong is collected over all parameters, in the order path, query, header, body, so that one refusal names it
all. How to read a parameter is worked out when its operation is called for the first time: most processes answer few
of all the operations there are.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from goldsmith.http.json_body import parse
from goldsmith.http.operations import Call
from goldsmith.http.parameters import Parameter, Taken
from goldsmith.http.validation import model_in

PLACES = ("path", "query", "header")
REQUIRED = inspect.Parameter.empty
_PLAIN = (str, int, type(None))
JSON = "application/json"

Finding = Mapping[str, Any]


class Received(Request):
    """A request whose body has been read; `parsed` is its JSON once a handler wants it."""

    raw = b""
    parsed: Any = None
    call: Call | None = None


class Unfit(Exception):
    """The request does not fit the handler: pydantic's findings, and the body as far as it is JSON."""

    def __init__(self, findings: list[Finding], body: Any) -> None:
        super().__init__(findings)
        self.findings = findings
        self.body = body


@dataclass(frozen=True, slots=True)
class _Field:
    """A parameter in the path, the query or a header."""

    name: str
    key: str
    place: str
    default: Any
    is_list: bool
    check: Callable[..., Any]

    def read(self, values: Any, into: dict[str, Any], findings: list[Finding]) -> None:
        """Take the value, or what is wrong with it."""
        found = values.getlist(self.key) or None if self.is_list else values.get(self.key)
        if found is None:
            if self.default is REQUIRED:
                findings.append(_missing((self.place, self.key)))
            else:
                into[self.name] = self.default if isinstance(self.default, _PLAIN) else deepcopy(self.default)
            return
        try:
            into[self.name] = self.check(found, from_attributes=True)
        except ValidationError as error:
            findings.extend(_at((self.place, self.key), error))


class Binding:
    """How one handler is called."""

    def __init__(self, handler: Callable[..., Any], path: str = "", *, exclude_none: bool = True) -> None:
        self._handler, self._exclude_none = handler, exclude_none
        self.model: type[BaseModel] | None = None
        self._without_body: Any = REQUIRED
        self._call = self._request = self._response = self._body = ""
        self._groups: list[tuple[str, Binding]] = []
        self._check_body: Callable[..., Any] | None = None
        fields: list[_Field] = []
        signature = inspect.signature(handler, eval_str=True)
        for name, parameter in signature.parameters.items():
            annotation, inner = parameter.annotation, _inner(parameter.annotation)
            taken = next((each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Taken)), None)
            if inner is Call:
                self._call = name
            elif inner is Request:
                self._request = name
            elif inner is Response:
                self._response = name
            elif taken is not None:
                self._groups.append((name, Binding(taken.by)))
            elif (model := model_in(annotation)) is not None:
                self._body, self._check_body, self.model = name, _checker(annotation), model
                self._without_body = parameter.default
            else:
                fields.append(_field(name, parameter, is_in_path=f"{{{name}}}" in path))
        self._fields = {place: [each for each in fields if each.place == place] for place in PLACES}
        self._returns = signature.return_annotation
        self.answers_job = "job_id" in getattr(self._returns, "model_fields", {})

    @property
    def has_body(self) -> bool:
        """Whether the handler takes a body."""
        return self._check_body is not None

    async def answer(self, received: Received, status: int) -> Response:
        """Call the handler, and make a response of what it returns.

        Raises `Unfit` for a request that the handler cannot be called with.
        """
        values = self._values(received)
        if self._call:
            values[self._call] = received.call
        if self._request:
            values[self._request] = received
        beside = None
        if self._response:
            beside = values[self._response] = Response()
            beside.raw_headers.clear()
        result = await self._handler(**values)
        if isinstance(result, Response):
            return result
        if status == 204:
            return Response(status_code=status, media_type=JSON)
        content = self._dump(result, exclude_none=self._exclude_none, by_alias=True)
        response = Response(content, status, media_type=JSON)
        if beside is not None:
            response.raw_headers.extend(beside.raw_headers)
        return response

    @cached_property
    def _dump(self) -> Callable[..., bytes]:
        """What writes an answer."""
        dump: Callable[..., bytes] = TypeAdapter(self._returns).serializer.to_json
        return dump

    def _values(self, received: Received) -> dict[str, Any]:
        findings: list[Finding] = []
        body: Any = REQUIRED
        if self._check_body is not None and received.raw:
            body = received.parsed = _json_of(received.raw)
        values = self._beside_body(received, findings)
        if self._check_body is not None:
            if body is REQUIRED and self._without_body is REQUIRED:
                findings.append(_missing(("body",)))
            elif body is REQUIRED:
                values[self._body] = self._without_body
            else:
                try:
                    values[self._body] = self._check_body(body, from_attributes=True)
                except ValidationError as error:
                    findings.extend(_at(("body",), error))
        if findings:
            raise Unfit(findings, body)
        return values

    def _beside_body(self, received: Received, findings: list[Finding]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, group in self._groups:
            found: list[Finding] = []
            inner = group._beside_body(received, found)
            findings += found
            if not found:
                values[name] = group._handler(**inner)
        for each in self._fields["path"]:
            each.read(received.path_params, values, findings)
        for each in self._fields["query"]:
            each.read(received.query_params, values, findings)
        for each in self._fields["header"]:
            each.read(received.headers, values, findings)
        return values


def _field(name: str, parameter: inspect.Parameter, *, is_in_path: bool) -> _Field:
    annotation = parameter.annotation
    declared = declared_of(annotation)
    place = "path" if is_in_path else "query" if declared is None else declared.place
    key = (declared.alias_on_wire if declared is not None else "") or name
    kinds = [annotation, *get_args(_inner(annotation))] if _is_union(_inner(annotation)) else [_inner(annotation)]
    is_list = any(get_origin(kind) is list for kind in kinds)
    return _Field(name, key, place, parameter.default, is_list, _checker(annotation))


def _checker(annotation: Any) -> Callable[..., Any]:
    check: Callable[..., Any] = TypeAdapter(annotation).validator.validate_python
    return check


def declared_of(annotation: Any) -> Parameter | None:
    """The last `Query`, `Path` or `Header` of an annotation."""
    found = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Parameter)]
    return found[-1] if found else None


def _inner(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, UnionType}


def _json_of(raw: bytes) -> Any:
    try:
        return parse(raw.decode())
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "input": {}, "ctx": {"error": error.msg}}
        raise Unfit([fault], error.doc) from error


def _missing(location: tuple[str, ...]) -> Finding:
    return {"type": "missing", "loc": location, "input": None}


def _at(location: tuple[str, ...], error: ValidationError) -> list[Finding]:
    return [{**each, "loc": location + each["loc"]} for each in error.errors(include_url=False)]
