"""What a handler says of its parameters: `Annotated[int, Query(ge=0)]`, `Path`, `Header`, and `Taken` for groups.

A parameter without any of them is in the path when the path names it, the body when it is a model, and else in the
query. `binding` reads values by it, `openapi` describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo


class Parameter(FieldInfo):  # type: ignore[misc] # final for the type checker only
    """Constraints as pydantic's `Field` has them. `alias` is the name on the wire, when it is not the parameter's."""

    def __init__(self, place: str, *, alias: str = "", **constraints: Any) -> None:
        super().__init__(**constraints)
        self.place = place
        self.alias_on_wire = alias
        self.declared = constraints


def Query(**declared: Any) -> Parameter:
    """In the query string."""
    return Parameter("query", **declared)


def Path(**declared: Any) -> Parameter:
    """In the path."""
    return Parameter("path", **declared)


def Header(*, alias: str, **declared: Any) -> Parameter:
    """In the header of this name."""
    return Parameter("header", alias=alias, **declared)


@dataclass(frozen=True, slots=True)
class Taken:
    """The value is made by a function, whose own parameters are read from the request."""

    by: Callable[..., Any]
