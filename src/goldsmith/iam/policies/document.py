"""Policy documents as JSON: read with care, so that every fault is found and has a place.

A place is a path such as `Statement[1].Condition.StringEquals["g:Foo"]`, or line and column where the text is not
JSON at all. Nothing here knows what a policy means.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_CHARACTERS = 131_072
"""Longest document (contract: authentication, section 6)."""

MAX_DEPTH = 12
"""Deepest nesting that is read; the deepest meaningful document has six levels."""

MAX_DIGITS = 40
"""Longest number written without quotes."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class PolicyProblem(ValueError):
    """A document is not a policy: `place` says where, `message` what is wrong and what would be right."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message


class _Object(dict[str, Any]):
    """A JSON object that remembers a key it was given twice."""

    __slots__ = ("repeated",)
    repeated: str | None


def member(place: str, key: str) -> str:
    """The place of `key` in the object at `place`."""
    if not _PLAIN.fullmatch(key):
        shown = key if len(key) <= 80 else key[:79] + "…"
        return f"{place}[{json.dumps(shown, ensure_ascii=True)}]"
    return f"{place}.{key}" if place else key


def read(document: str | dict[str, Any]) -> dict[str, Any]:
    """The object a document holds, safe to walk recursively.

    In: JSON text, or the object made from it. Raises `PolicyProblem` for text that is not JSON (line and
    column), anything but an object, more than `MAX_CHARACTERS`, deeper nesting than `MAX_DEPTH`, repeated keys,
    half characters (lone surrogates). Source: issue 3, "Bad input".
    """
    if isinstance(document, str):
        _check_length(len(document))
        found = _from_text(document)
    else:
        found = document
    _check_tree(found, "", 1)
    if not isinstance(found, dict):
        raise PolicyProblem("", "A policy is a JSON object with Version and Statement.")
    if not isinstance(document, str):
        _check_length(len(json.dumps(document, ensure_ascii=False, separators=(",", ":"))))
    return found


def _check_length(length: int) -> None:
    if length > MAX_CHARACTERS:
        raise PolicyProblem("", f"The policy has {length} characters; at most {MAX_CHARACTERS} are allowed.")


def _from_text(text: str) -> Any:
    _check_nesting(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_whole_number)
    except json.JSONDecodeError as fault:
        raise PolicyProblem(f"line {fault.lineno} column {fault.colno}", f"Not JSON: {fault.msg}.") from None


def _check_nesting(text: str) -> None:
    """Refuse text that nests too deep before a recursive reader sees it."""
    depth = 0
    in_string = escaped = False
    for position, character in enumerate(text):
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, position) + 1
                column = position - text.rfind("\n", 0, position)
                raise PolicyProblem(f"line {line} column {column}", _too_deep())
        elif character in "]}":
            depth -= 1


def _too_deep() -> str:
    return f"The policy is nested more than {MAX_DEPTH} levels deep."


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object()
    made.repeated = None
    for key, value in pairs:
        if key in made and made.repeated is None:
            made.repeated = key
        made[key] = value
    return made


def _no_constant(name: str) -> NoReturn:
    raise PolicyProblem("", f"{name} is not a JSON value.")


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise PolicyProblem("", f"A number has more than {MAX_DIGITS} digits.")
    return int(digits)


def _check_tree(value: Any, place: str, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value, place)
        return
    if isinstance(value, (dict, list)) and depth > MAX_DEPTH:
        raise PolicyProblem(place, _too_deep())
    if isinstance(value, dict):
        repeated = getattr(value, "repeated", None)
        if repeated is not None:
            raise PolicyProblem(member(place, repeated), "The key stands twice in one object.")
        for key, inner in value.items():
            if not isinstance(key, str):
                raise PolicyProblem(place, "The keys of an object are strings.")
            _check_text(key, place)
            _check_tree(inner, member(place, key), depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_tree(inner, f"{place}[{index}]", depth + 1)


def _check_text(text: str, place: str) -> None:
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise PolicyProblem(place, "The text has a character that cannot be stored.")
