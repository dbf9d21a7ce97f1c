"""The error catalogue: every way goldsmith refuses, in one place.

    Exception
    ├── Transient                 it may work the next time; the engine repeats the step
    └── ServiceError              carries one `ErrorKind` of the catalogue to the client
        ├── InvalidRequest        one or many `Problem`s of the request, all reported at once
        └── NotFound, Conflict …  the kinds below, raised with `Kind.error(...)`

An `ErrorKind` says when to use it and what user and operator do; `docs/errors.md`, the OpenAPI responses and the
tests are made from it. What the client sees (which JSON, which spelling) is decided in `http/rendering.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MESSAGE_LIMIT = 255
"""Longest `error_msg` the contract allows (errors.md, section 1), in characters."""


class Transient(Exception):
    """Marks an error that may not happen the next time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request.

    `field` is the path in the request (`root_volume.size`), `value` what was sent there, `rule` the short name of
    the rule it breaks, `message` a sentence that says what to do. `conflict` marks a clash with what exists
    already, rather than a mistake in the request.
    """

    field: str
    value: Any
    rule: str
    message: str
    conflict: bool = False

    def as_wire(self) -> dict[str, Any]:
        """The entry of `details`: field, value, rule, message."""
        return {"field": self.field, "value": self.value, "rule": self.rule, "message": self.message}


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """An entry of the catalogue.

    `status` is the HTTP status, `code` the Workspace code sent unless the operation's family has its own,
    `message` the default text. `when`, `user` and `operator` are sentences for `docs/errors.md`.
    """

    name: str
    status: int
    code: str
    message: str
    when: str
    user: str
    operator: str

    def error(
        self, message: str = "", *, details: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
    ) -> ServiceError:
        """A `ServiceError` of this kind; `message` replaces the default text."""
        return ServiceError(self, message or self.message, tuple(details), dict(headers or {}))


class ServiceError(Exception):
    """A refusal on its way to the client. `is_repeated` marks one of a row whose first has just been put on record."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        details: tuple[Problem, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.extras: dict[str, str] = {}
        self.is_repeated = False


CATALOGUE: dict[str, ErrorKind] = {}


def _kind(name: str, status: int, code: str, message: str, *, when: str, user: str, operator: str) -> ErrorKind:
    kind = ErrorKind(name, status, code, message, when, user, operator)
    CATALOGUE[name] = kind
    return kind


INVALID = _kind(
    "InvalidRequest", 400, "WKS.00211102", "The parameter is invalid.",
    when="A field breaks a rule of the contract or names something that does not exist or does not fit.",
    user="Read `details`: each entry names the field, the value, the rule and what to do.",
    operator="Nothing, unless the catalogue lacks something users should have.",
)  # fmt: skip
UNAUTHENTICATED = _kind(
    "Unauthenticated", 401, "APIGW.0301", "Incorrect IAM authentication information",
    when="No credentials, a wrong signature, an expired or revoked token, a clock more than 15 minutes off.",
    user="Get a new token, or check access key, secret key and the clock. A proxy that rewrites signed headers "
    "breaks signatures.",
    operator="Look for the request id in the log; repeated failures of one key may be an attack.",
)  # fmt: skip
FORBIDDEN = _kind(
    "Forbidden", 403, "WKS.00081102", "User does not have permission to access this resource.",
    when="The caller is known, but may not perform this action on this resource.",
    user="Ask an administrator for the action named in the message.",
    operator="Grant the action, or leave it refused.",
)  # fmt: skip
FOREIGN_PROJECT = _kind(
    "ForeignProject", 403, "APIGW.0302", "The project in the path is not one your credential may use.",
    when="The `project_id` of the path is unknown, belongs to another account, or is not the token's project.",
    user="Use the project id of your credential, or get a token scoped to the project of the path.",
    operator="Nothing.",
)  # fmt: skip
NOT_FOUND = _kind(
    "NotFound", 404, "WKS.00211902", "The resource does not exist.",
    when="The id in the path names nothing in this project.",
    user="List the resources to find the right id.",
    operator="Nothing.",
)  # fmt: skip
NO_SUCH_API = _kind(
    "NoSuchApi", 404, "APIGW.0101", "The API does not exist.",
    when="No operation has this path.",
    user="Compare path and version with /openapi.json.",
    operator="Nothing.",
)  # fmt: skip
METHOD_NOT_ALLOWED = _kind(
    "MethodNotAllowed", 405, "WKS.00000405",
    "The method specified in the request is not allowed for this resource.",
    when="The path exists, the method does not.",
    user="Use one of the methods in the `Allow` header.",
    operator="Nothing.",
)  # fmt: skip
CONFLICT = _kind(
    "Conflict", 409, "WKS.00211103", "The request could not be completed due to a conflict of the resource.",
    when="The name is in use, or the state of the resource does not allow this now.",
    user="Choose another name, or wait until the running task has ended.",
    operator="Nothing.",
)  # fmt: skip
BODY_TOO_LARGE = _kind(
    "BodyTooLarge", 413, "APIGW.0201", "The request body is larger than the limit.",
    when="The body is over 1 MiB.",
    user="Send less in one request.",
    operator="Nothing.",
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE = _kind(
    "UnsupportedMediaType", 415, "WKS.00000415",
    "The server does not support the media type of the request payload.",
    when="The body is not sent as `application/json`.",
    user="Send `Content-Type: application/json` and a JSON body in UTF-8.",
    operator="Nothing.",
)  # fmt: skip
MALFORMED_REQUEST = _kind(
    "MalformedRequest", 400, "APIGW.0201", "The request is not well-formed HTTP.",
    when="The bytes are no HTTP/1.1, or could be read in two ways: two lengths, two hosts, a folded header.",
    user="Use an HTTP client or proxy that keeps to RFC 9112; the message says what is wrong.",
    operator="Look at the proxy before goldsmith, if there is one; else someone may be probing.",
)  # fmt: skip
URI_TOO_LONG = _kind(
    "UriTooLong", 414, "APIGW.0201", "The URL is longer than the limit.",
    when="Path and query together are over 16 KiB.",
    user="Ask for less at once.",
    operator="Nothing.",
)  # fmt: skip
HEADERS_TOO_LARGE = _kind(
    "HeadersTooLarge", 431, "APIGW.0201", "The headers are larger than the limit.",
    when="There are more than 100 headers, or they are over 64 KiB in all.",
    user="Send fewer or shorter headers.",
    operator="Nothing.",
)  # fmt: skip
REQUEST_TIMEOUT = _kind(
    "RequestTimeout", 408, "APIGW.0201", "The request did not arrive in time.",
    when="Headers or body came too slowly, or not at all.",
    user="Send it again, over a better connection.",
    operator="Raise `limits.header_seconds` or `limits.body_seconds` if clients are slow for good reason.",
)  # fmt: skip
TOO_MANY_REQUESTS = _kind(
    "TooManyRequests", 429, "APIGW.0308", "The throttling threshold has been reached.",
    when="A credential sends more requests than its limit.",
    user="Wait as long as `Retry-After` says.",
    operator="Raise the limit in the settings if the use is legitimate.",
)  # fmt: skip
INTERNAL = _kind(
    "InternalError", 500, "WKS.00211401", "The requested operation failed. Please try again later.",
    when="A fault of goldsmith itself.",
    user="Try again; report the request id if it happens again.",
    operator="Find the request id in the log; the traceback stands beside it.",
)  # fmt: skip
UNAVAILABLE = _kind(
    "Unavailable", 503, "WKS.00050902", "The service is now unavailable to process the request.",
    when="The database cannot be written (disk full, locked) or the service is shutting down.",
    user="Try again after `Retry-After` seconds. Nothing was created.",
    operator="Check disk space and `/readyz`.",
)  # fmt: skip


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with one request, in the order in which it was found."""

    found: list[Problem] = field(default_factory=list)

    def add(self, field: str, value: Any, rule: str, message: str, *, conflict: bool = False) -> None:
        """Note one problem; see `Problem`."""
        self.found.append(Problem(field, value, rule, message, conflict))

    def __bool__(self) -> bool:
        return bool(self.found)

    def raise_if_any(self) -> None:
        """Raise the refusal that reports all of them; do nothing when there are none."""
        if self.found:
            raise refusal(self.found)


def refusal(problems: Sequence[Problem]) -> ServiceError:
    """The one error that reports every problem.

    Mistakes come before conflicts; the status is 409 only when nothing but conflicts was found. The message names
    the first problem and how many more there are, within the contract's 255 characters.
    """
    ordered = sorted(problems, key=lambda problem: problem.conflict)
    first = ordered[0]
    kind = CONFLICT if first.conflict else INVALID
    more = len(ordered) - 1
    tail = f" (and {more} more problem{'s' if more > 1 else ''}, see details)" if more else ""
    head = f"{first.field}: {first.message}" if first.field else first.message
    room = MESSAGE_LIMIT - len(tail)
    if len(head) > room:
        head = head[: room - 1] + "…"
    return kind.error(head + tail, details=ordered)
