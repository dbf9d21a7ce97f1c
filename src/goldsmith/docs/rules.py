"""The rules that `details` of a refusal names, read from the source of the rooms that check them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from goldsmith.docs.declared import modules
from goldsmith.docs.markdown import code, table
from goldsmith.http import validation

WITHOUT_RULES = {"cli", "demo", "clouds", "guests", "openapi"}


class _Finding(dict[str, Any]):
    """A finding of pydantic about nothing in particular."""

    def __missing__(self, key: str) -> Any:
        return {"ctx": defaultdict(lambda: "…"), "loc": ("body", "…"), "input": None}[key]


def shape_rules() -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for rule, text in validation.MESSAGES.values():
        message = text(_Finding())
        if message not in found[rule]:
            found[rule].append(message)
    return table(["Rule", "Message"], ([code(rule), " / ".join(texts)] for rule, texts in sorted(found.items())))


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A rule as the code that checks it spells it."""

    place: str
    line: int
    name: str
    field: str
    message: str
    is_conflict: bool


def meaning_rules() -> str:
    rows = (
        [each.place, code(each.name), code(each.field), each.message, "409" if each.is_conflict else "400"]
        for each in sorted(rules())
    )
    return table(["Checked in", "Rule", "Field", "Message", "Status"], rows)


def rules() -> Iterator[Rule]:
    """Every rule beyond the shape of a request, from the source of the rooms that check one."""
    for name, path in modules().items():
        place = name.removeprefix("goldsmith.")
        if "." in place and WITHOUT_RULES.isdisjoint(place.split(".")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _rules_in(node, place)


def _rules_in(function: ast.FunctionDef | ast.AsyncFunctionDef, place: str) -> Iterator[Rule]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in {"_add", "add", "Problem"} and len(call.args) == 4:
            field, _, rule, message = call.args
        elif name == "ValueError" and len(call.args) == 2:
            field, (rule, message) = ast.Constant(""), call.args
        else:
            continue
        if isinstance(rule, ast.Constant):
            conflict = any(word.arg == "conflict" for word in call.keywords)
            texts = (_text(field, function, call.lineno), _text(message, function, call.lineno))
            yield Rule(place, call.lineno, str(rule.value), texts[0], texts[1], conflict)


def _text(node: ast.expr, function: ast.AST, line: int) -> str:
    """The text that the expression makes, with what is filled in shown in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, function, line) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, function, line)
    if isinstance(node, ast.Name):
        known = _assigned(node.id, function, line)
        return f"{{{node.id}}}" if known is None else _text(known, function, line)
    return f"{{{node.attr}}}" if isinstance(node, ast.Attribute) else "{…}"


def _assigned(name: str, function: ast.AST, line: int) -> ast.expr | None:
    """The text last assigned to a name before this line."""
    found = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and node.lineno <= line and ast.unparse(node.targets[0]) == name
    ]
    last = max(found, key=lambda node: node.lineno, default=None)
    return last.value if last is not None and isinstance(last.value, ast.Constant | ast.JoinedStr) else None
