"""From pydantic's findings to problems a user can act on.

Also `partial_body`: what is left of a body when everything that has the wrong shape is taken out, so that the
checks against the world (does the subnet exist? is the name in use?) still run and one answer reports all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from goldsmith.errors import Problem
from goldsmith.http.json_body import NOWHERE

Finding = Mapping[str, Any]
PLACES = {"body", "query", "path", "header"}
SHOWN = 200
"""Longest value repeated in an answer, in characters."""
CHOICE = re.compile(r"\^\(([\w|]+)\)\?\$")
"""A pattern that is no more than a choice of words; nothing at all is allowed too."""
SECRET = re.compile("passw|secret|token", re.IGNORECASE)
"""Fields whose values, and everything below them, are never repeated."""


def _bound(key: str, text: str) -> Callable[[Finding], str]:
    return lambda finding: text.format(finding["ctx"][key])


def _amount(key: str, limit: str, unit: str, units: str) -> Callable[[Finding], str]:
    return lambda finding: f"{limit} {finding['ctx'][key]} {unit if finding['ctx'][key] == 1 else units}."


def _choices(finding: Finding) -> str:
    return f"Use one of {finding['ctx']['expected']}."


def _pattern(finding: Finding) -> str:
    pattern = finding["ctx"]["pattern"]
    words = CHOICE.fullmatch(pattern)
    return f"Use one of {', '.join(words[1].split('|'))}." if words else f"The value must match {pattern}."


def _but_not(kind: str) -> Callable[[Finding], str]:
    return lambda finding: f"Send {kind}, not {json.dumps(shorten(finding['input']), ensure_ascii=False)}."


def _type_text(kind: str) -> Callable[[Finding], str]:
    return lambda finding: f"Send {kind}, not {_kind_of(finding['input'])}."


def _json_fault(fault: str, position: int) -> str:
    return f"The body is not JSON: {fault}{f', at character {position}' if position != NOWHERE else ''}."


MESSAGES: dict[str, tuple[str, Callable[[Finding], str]]] = {
    "missing": ("required", lambda _: "This field is required."),
    "extra_forbidden": ("unknown_field", lambda _: "This field does not exist; remove it or check its spelling."),
    "json_invalid": ("json", lambda finding: _json_fault(finding["ctx"]["error"], finding["loc"][-1])),
    "string_type": ("type", _type_text("a string")),
    "int_type": ("type", _type_text("a whole number")),
    "int_parsing": ("type", _but_not("a whole number")),
    "int_parsing_size": ("maximum", lambda _: "The number has too many digits."),
    "int_from_float": ("type", _but_not("a whole number")),
    "bool_type": ("type", _type_text("true or false")),
    "bool_parsing": ("type", _but_not("true or false")),
    "list_type": ("type", _type_text("a list")),
    "dict_type": ("type", _type_text("an object")),
    "model_type": ("type", _type_text("an object")),
    "model_attributes_type": ("type", _type_text("an object")),
    "string_unicode": ("unicode", lambda _: "The text holds half of a surrogate pair; send valid Unicode."),
    "string_too_long": ("max_length", _amount("max_length", "At most", "character", "characters")),
    "string_too_short": ("min_length", _amount("min_length", "At least", "character", "characters")),
    "too_long": ("max_items", _amount("max_length", "At most", "entry", "entries")),
    "too_short": ("min_items", _amount("min_length", "At least", "entry", "entries")),
    "greater_than_equal": ("minimum", _bound("ge", "At least {}.")),
    "less_than_equal": ("maximum", _bound("le", "At most {}.")),
    "multiple_of": ("multiple_of", _bound("multiple_of", "A multiple of {}.")),
    "string_pattern_mismatch": ("pattern", _pattern),
    "literal_error": ("enum", _choices),
    "enum": ("enum", _choices),
}


def problems_of(findings: Sequence[Finding]) -> list[Problem]:
    """One `Problem` per finding of pydantic, with the field's path as it is spelt on the wire."""
    return [_problem(finding) for finding in findings]


def _problem(finding: Finding) -> Problem:
    kind = finding["type"]
    rule, text = MESSAGES.get(kind, (kind, lambda f: str(f["msg"]).removeprefix("Value error, ") + "."))
    ctx = finding.get("ctx") or {}
    cause = ctx.get("error")
    if kind == "value_error" and cause is not None and len(getattr(cause, "args", ())) == 2:
        rule, message = cause.args
    else:
        message = text(finding)
    field = _path(finding["loc"], kind)
    is_shown = kind not in {"missing", "json_invalid"} and not SECRET.search(field)
    return Problem(field, shorten(without_secrets(finding.get("input"))) if is_shown else None, rule, message)


def _path(location: Sequence[str | int], kind: str) -> str:
    if kind == "json_invalid":
        return "body"
    parts = list(location)
    if parts and parts[0] in PLACES:
        parts = parts[1:]
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "body"


def _kind_of(value: Any) -> str:
    names = {str: "a string", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


def without_secrets(value: Any) -> Any:
    """The value without what stands in fields that hold secrets."""
    if isinstance(value, dict):
        return {name: None if SECRET.search(str(name)) else without_secrets(each) for name, each in value.items()}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def shorten(value: Any) -> Any:
    """The value, or its beginning when repeating it would make a long answer longer."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= SHOWN:
        return value.encode(errors="replace").decode() if isinstance(value, str) else value
    return text[:SHOWN].encode(errors="replace").decode() + "…"


def partial_body(model: type[BaseModel] | Any, body: Mapping[str, Any], findings: Sequence[Finding]) -> Any:
    """An instance of `model` made of the fields of `body` that have the right shape; the others are None.

    null in an optional field stands for its default. Nested objects are treated likewise. Nothing is validated
    again: fields named in `findings` are left out.
    """
    bad = {tuple(finding["loc"][1:]) for finding in findings}
    return _build(model, body, bad, ())


def _build(model: Any, data: Mapping[str, Any], bad: set[tuple[Any, ...]], at: tuple[Any, ...]) -> Any:
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        here = (*at, name)
        if here in bad or (name not in data and field.is_required()):
            fields[name] = None
            continue
        if data.get(name) is None:
            fields[name] = field.get_default(call_default_factory=True)
            continue
        fields[name] = _value(model_in(field.annotation), data[name], bad, here)
    return model.model_construct(**fields)


def _value(inner: Any, value: Any, bad: set[tuple[Any, ...]], at: tuple[Any, ...]) -> Any:
    if inner is not None and isinstance(value, dict):
        return _build(inner, value, bad, at)
    if isinstance(value, list):
        entries = enumerate(value)
        return [_value(inner, entry, bad, (*at, i)) for i, entry in entries if (*at, i) not in bad]
    return value


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model | None`, `list[Model]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
