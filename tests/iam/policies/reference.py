"""A second evaluator, slow and naive, that reads like the contract: what the fast one is compared with.

It works on the documents as they were written and shares nothing with goldsmith but the reading of single values
being strict; patterns are decided by recursion, every statement is looked at every time.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any


@cache
def glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return glob(pattern[1:], text) or (bool(text) and glob(pattern, text[1:]))
    return bool(text) and pattern[0] in {"?", text[0]} and glob(pattern[1:], text[1:])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resource_matches(pattern: str, resource: str) -> bool:
    if pattern == "*":
        return True
    return all(glob(*pair) for pair in zip(pattern.split(":", 4), resource.split(":", 4), strict=True))


def number(text: Any) -> Decimal | None:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


def moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def inside(address: str, block: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False


def ordered(read: Any, relation: Any) -> Any:
    def compare(have: str, want: Any) -> bool:
        left, right = read(have), read(want)
        return left is not None and right is not None and relation(left, right)

    return compare


LESS, MORE = (lambda a, b: a < b), (lambda a, b: a > b)
LESS_SAME, MORE_SAME = (lambda a, b: a <= b), (lambda a, b: a >= b)

POSITIVE: dict[str, Any] = {
    "StringEquals": lambda have, want: have == want,
    "StringEqualsIgnoreCase": lambda have, want: have.casefold() == want.casefold(),
    "StringMatch": lambda have, want: glob(want, have),
    "StringStartWith": lambda have, want: have[: len(want)] == want,
    "StringEndWith": lambda have, want: have[len(have) - len(want) :] == want and len(want) <= len(have),
    "StringLike": lambda have, want: glob(f"*{want}*", have),
    "NumberEquals": ordered(number, lambda a, b: a == b),
    "NumberLessThan": ordered(number, LESS),
    "NumberLessThanEquals": ordered(number, LESS_SAME),
    "NumberGreaterThan": ordered(number, MORE),
    "NumberGreaterThanEquals": ordered(number, MORE_SAME),
    "DateLessThan": ordered(moment, LESS),
    "DateLessThanEquals": ordered(moment, LESS_SAME),
    "DateGreaterThan": ordered(moment, MORE),
    "DateGreaterThanEquals": ordered(moment, MORE_SAME),
    "Bool": lambda have, want: have.lower() == str(want).lower() and have.lower() in {"true", "false"},
    "IpAddress": inside,
}
OPPOSITE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotMatch": "StringMatch",
    "StringNotStartWith": "StringStartWith",
    "StringNotEndWith": "StringEndWith",
    "StringNotLike": "StringLike",
    "NumberNotEquals": "NumberEquals",
    "NotIpAddress": "IpAddress",
}


def condition_holds(name: str, key: str, wanted: Any, context: dict[str, Any]) -> bool:
    have = as_list(context.get(key, []))
    wanted = as_list(wanted)
    if name == "Null":
        return str(not have).lower() in [str(each).lower() for each in wanted]
    quantifier, _, rest = name.rpartition(":")
    bare = rest.removesuffix("IfExists")
    negative = bare in OPPOSITE
    compare = POSITIVE[OPPOSITE.get(bare, bare)]

    def passes(value: str) -> bool:
        return any(compare(value, want) for want in wanted) != negative

    if not have and bare != rest:
        return True
    if quantifier == "ForAllValues":
        return all(passes(value) for value in have)
    if quantifier == "ForAnyValue":
        return any(passes(value) for value in have)
    if negative:
        return all(passes(value) for value in have)
    return any(passes(value) for value in have)


def statement_applies(statement: dict[str, Any], action: str, resource: str, context: dict[str, Any]) -> bool:
    if "Action" in statement:
        if not any(glob(each.lower(), action.lower()) for each in as_list(statement["Action"])):
            return False
    elif any(glob(each.lower(), action.lower()) for each in as_list(statement["NotAction"])):
        return False
    if "Resource" in statement and not any(resource_matches(e, resource) for e in as_list(statement["Resource"])):
        return False
    if "NotResource" in statement and any(resource_matches(e, resource) for e in as_list(statement["NotResource"])):
        return False
    return all(
        condition_holds(name, key, wanted, context)
        for name, by_key in statement.get("Condition", {}).items()
        for key, wanted in by_key.items()
    )


def in_scope(scope: str, project: str | None, context: dict[str, Any]) -> bool:
    kind, _, id_ = scope.partition(":")
    return {
        "everywhere": True,
        "project": project == id_,
        "all_projects": project is not None,
        "domain": project is None,
        "enterprise_project": context.get("g:EnterpriseProjectId") == id_,
    }[kind]


def decide_one(
    grants: list[tuple[dict[str, Any], str]],
    session: list[tuple[dict[str, Any], str]] | None,
    action: str,
    resource: str,
    context: dict[str, Any],
    project: str | None,
    is_root: bool,
) -> str:
    def effects(given: list[tuple[dict[str, Any], str]]) -> set[str]:
        return {
            statement["Effect"]
            for document, scope in given
            if in_scope(scope, project, context)
            for statement in document["Statement"]
            if statement_applies(statement, action, resource, context)
        }

    own = effects(grants)
    narrowed = {"Allow"} if session is None else effects(session)
    if "Deny" in own | narrowed:
        return "explicit_deny"
    if not is_root and "Allow" not in own:
        return "implicit_deny"
    if "Allow" not in narrowed:
        return "session_policy"
    return "root" if is_root else "allow"
