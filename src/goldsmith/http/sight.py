"""What a call touches and what its caller sees: what the API classes of all rooms have in common.

`touched` methods run before a body has been validated, so they read it loosely: what is wrong with it is told later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from goldsmith.http.operations import Call, Resource
from goldsmith.store import Row

Sight = Callable[[Sequence[Row]], Sequence[bool]]
"""Tells of rows which of them the caller may see."""

MOST_TOUCHED = 100
"""Ids of one body that are looked at; no body may name more."""


def sight(call: Call, resource_of: Callable[[Row], Resource]) -> Sight | None:
    """The caller's view of rows; None when it sees all of them."""
    sees = call.sees
    if sees is None:
        return None
    return lambda rows: sees(resource_of(row) for row in rows)


def loosely(body: bytes) -> dict[str, Any]:
    """The body's fields as far as it is an object."""
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text(value: Any) -> str:
    """The value if it is text."""
    return value if isinstance(value, str) else ""


def texts(value: Any) -> list[str]:
    """Those entries of the value that are text, if it is a list; each once."""
    entries = value if isinstance(value, list) else []
    return list(dict.fromkeys(each for each in entries if isinstance(each, str)))[:MOST_TOUCHED]


def objects(value: Any) -> list[dict[str, Any]]:
    """Those entries of the value that are objects, if it is a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def sent_tags(value: Any) -> dict[str, str]:
    """Tags of a body: a list of objects with key and value."""
    return {text(each.get("key")): text(each.get("value")) for each in objects(value)}


def kept_tags(kept: str) -> dict[str, str]:
    """Tags as rows keep them."""
    return {tag["key"]: tag.get("value") or "" for tag in json.loads(kept)}
