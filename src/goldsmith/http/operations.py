"""The operation table: what an operation is, declared once beside its handler.

A room's `api.py` holds a class whose methods carry `@operation(...)`. `collect` gathers them; routing, access
control, OpenAPI, `docs/` pages and the coverage tests are made from the result, and nothing repeats any of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from goldsmith import errors
from goldsmith.errors import ErrorKind, Problem

if TYPE_CHECKING:
    from goldsmith.iam.service import Caller

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Surface(StrEnum):
    """The published service an operation belongs to; each has its own shape of errors (http/rendering.py)."""

    WORKSPACE = "workspace"
    IAM = "iam"
    IMS = "ims"
    VPC = "vpc"
    VPC_V1 = "vpc_v1"
    ECS = "ecs"
    EPS = "eps"
    GATEWAY = "gateway"


class Access(StrEnum):
    """Access level of an action, as the published permission tables name it."""

    READ = "Read"
    LIST = "List"
    WRITE = "Write"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something an operation touches: type and id as in its URN ("" for one that is yet to be made), and what
    conditions may ask of it. `enterprise_project_id` is None when it is not known, because there is no such thing."""

    type: str
    id: str = ""
    enterprise_project_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Touched:
    """Everything one call touches, and the tags it wants to set."""

    resources: Sequence[Resource] = ()
    request_tags: Mapping[str, str] = field(default_factory=dict)


ALWAYS = (errors.UNAUTHENTICATED, errors.METHOD_NOT_ALLOWED, errors.INTERNAL, errors.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table.

    `action` is None for operations that need a credential but no permission, `is_public` marks those that need
    neither. `codes` replaces the catalogue's code per HTTP status where the operation's family has its own
    (contract: errors, section 2). `check_world` names the method that looks for further problems in a body whose
    shape is wrong, so that one answer reports everything; `touches` the one that tells which resources a call is
    about, before its body has been validated. `accepts_unsigned_payload` lets a signature leave out the body
    (uploads). `example` is a request body, `answer` a response body.
    """

    name: str
    method: str
    path: str
    summary: str
    surface: Surface = Surface.WORKSPACE
    action: str | None = None
    access: Access = Access.READ
    resource_type: str | None = None
    condition_keys: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    success: int = 200
    errors: tuple[ErrorKind, ...] = ()
    codes: dict[int, str] = field(default_factory=dict)
    example: Any = None
    answer: Any = None
    tag: str = ""
    is_public: bool = False
    is_extension: bool = False
    deprecated: bool = False
    exclude_none: bool = True
    content_type: str = "application/json"
    check_world: str = ""
    touches: str = ""
    accepts_unsigned_payload: bool = False
    handler: Callable[..., Any] = field(default=lambda: None, compare=False)

    @property
    def is_in_project(self) -> bool:
        """Whether the path names a project, which the caller's credential must be good for."""
        return "{project_id}" in self.path

    @property
    def declared_errors(self) -> tuple[ErrorKind, ...]:
        """Everything this operation may answer with."""
        kinds = [kind for kind in ALWAYS if not (self.is_public and kind is errors.UNAUTHENTICATED)]
        kinds += self.errors
        if not self.is_public:
            kinds += [errors.FORBIDDEN, errors.TOO_MANY_REQUESTS]
        if self.is_in_project:
            kinds += [errors.FOREIGN_PROJECT]
        if "{" in self.path:
            kinds += [errors.NO_SUCH_API]
        if self.method in {"POST", "PUT", "PATCH"} or self.example is not None:
            kinds += [errors.BODY_TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE]
        kinds += [errors.INVALID]
        return tuple(dict.fromkeys(kinds))

    def touched_by(self) -> Callable[[Call, bytes], Awaitable[Touched]] | None:
        """The bound method that `touches` names, if any."""
        if not self.touches:
            return None
        found: Callable[[Call, bytes], Awaitable[Touched]]
        found = getattr(self.handler.__self__, self.touches)  # type: ignore[attr-defined]
        return found

    def world_check(self) -> Callable[[Call, Any], Awaitable[Sequence[Problem]]] | None:
        """The bound method that `check_world` names, if any."""
        if not self.check_world:
            return None
        found: Callable[[Call, Any], Awaitable[Sequence[Problem]]]
        found = getattr(self.handler.__self__, self.check_world)  # type: ignore[attr-defined]
        return found


@dataclass(slots=True)
class Call:
    """What a handler knows of the request beside its body: who calls, in which project, and how.

    `decision` names the statement that let the call pass or refused it; `sees`, of a list, tells which of some
    resources the caller may see (None: all of them).
    """

    operation: Operation
    request_id: str
    caller: Caller
    project_id: str
    source_ip: str
    host: str
    service_transaction_id: str = ""
    linked_id: str = ""
    idempotency_key: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    is_secure: bool = False
    user_agent: str = ""
    referer: str = ""
    decision: str = ""
    sees: Callable[[Iterable[Resource]], list[bool]] | None = None

    @property
    def base_url(self) -> str:
        """Scheme and host as the client wrote them, for links to ourselves."""
        return f"{'https' if self.is_secure else 'http'}://{self.host}"


def operation(name: str, method: str, path: str, **declared: Any) -> Callable[[Handler], Handler]:
    """Declare the decorated method as an operation; keywords are the fields of `Operation`.

    The first line of the handler's docstring becomes the summary.
    """

    def declare(handler: Handler) -> Handler:
        summary = (inspect.getdoc(handler) or name).splitlines()[0]
        handler.operation = Operation(name, method, path, summary, **declared)  # type: ignore[attr-defined]
        return handler

    return declare


def collect(api: Any) -> Iterator[Operation]:
    """Every operation declared on `api` (an instance, or its class when only the declarations matter)."""
    for name in dir(api):
        handler = getattr(api, name)
        declared = getattr(handler, "operation", None)
        if isinstance(declared, Operation):
            yield replace(declared, handler=handler)
