"""Conditions of a statement: an operator, a context key, and the values to compare with.

How a condition is decided (contract, authentication section 6):

| | key is absent (or an empty list) | key has values |
|---|---|---|
| positive operator | false | one context value matches one policy value |
| negative operator | true | no context value matches any policy value |
| `…IfExists` | true | as without it |
| `ForAnyValue:` | false (`…IfExists`: true) | one context value passes |
| `ForAllValues:` | true | every context value passes |
| `Null` | matches "true" | matches "false" |

A negative operator is the exact opposite of its positive one, so a context value that is no number, date or address
passes the negative operators and fails the positive ones. Several operators or keys of a statement: all must hold.
"""

from __future__ import annotations

import operator as compare
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from goldsmith.iam.policies import values
from goldsmith.iam.policies.keys import suggestion
from goldsmith.iam.policies.urn import Test, texts_test

Context = Mapping[str, str | Sequence[str]]
"""What is known of a request: a value, or several, per condition key."""


class Kind(StrEnum):
    """What the values of an operator are."""

    TEXT = "string"
    PATTERN = "string with wildcards"
    NUMBER = "number"
    DATE = "date"
    BOOL = "true or false"
    NULL = "null check"
    NETWORK = "address or CIDR block"


class Quantifier(StrEnum):
    """How several context values count."""

    NONE = ""
    ANY = "ForAnyValue:"
    ALL = "ForAllValues:"


@dataclass(frozen=True, slots=True)
class Operator:
    """A comparison: `test_for` makes, from the policy's values, the test that one context value has to pass."""

    name: str
    kind: Kind
    test_for: Callable[[Sequence[str]], Test]
    is_negative: bool = False
    is_classic_only: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator of a statement. `holds` decides it for the context of a request."""

    operator: Operator
    quantifier: Quantifier
    if_exists: bool
    key: str
    values: tuple[str, ...]
    holds: Callable[[Context], bool] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", _decider(self))


def _one_of(wanted: Sequence[str]) -> Test:
    return frozenset(wanted).__contains__


def _one_of_any_case(wanted: Sequence[str]) -> Test:
    folded = frozenset(text.casefold() for text in wanted)
    return lambda text: text.casefold() in folded


def _one_truth(wanted: Sequence[str]) -> Test:
    truths = {values.truth(text) for text in wanted}
    return lambda text: (truth := values.truth(text)) is not None and truth in truths


def _starts(wanted: Sequence[str]) -> Test:
    heads = tuple(wanted)
    return lambda text: text.startswith(heads)


def _ends(wanted: Sequence[str]) -> Test:
    tails = tuple(wanted)
    return lambda text: text.endswith(tails)


def _contains(wanted: Sequence[str]) -> Test:
    return lambda text: any(part in text for part in wanted)


def _in_network(wanted: Sequence[str]) -> Test:
    networks = [found for found in map(values.network, wanted) if found]
    if len(networks) == 1:
        return _in_one_network(*networks[0])

    def test(text: str) -> bool:
        found = values.address(text)
        if found is None:
            return False
        version, address = found
        return any(version == each and (address ^ first) >> bits == 0 for each, first, bits in networks)

    return test


def _in_one_network(version: int, first: int, bits: int) -> Test:
    def test(text: str) -> bool:
        found = values.address(text)
        return found is not None and found[0] == version and (found[1] ^ first) >> bits == 0

    return test


def _ordered(read: Callable[[str], Any], relation: Callable[[Any, Any], bool]) -> Callable[[Sequence[str]], Test]:
    """Makes tests that compare what `read` makes of two texts."""

    def test_for(wanted: Sequence[str]) -> Test:
        bounds = [bound for bound in map(read, wanted) if bound is not None]

        def test(text: str) -> bool:
            value = read(text)
            return value is not None and any(relation(value, bound) for bound in bounds)

        return test

    return test_for


def _pair(positive: str, negative: str, kind: Kind, test_for: Any, classic: bool = False) -> list[Operator]:
    return [
        Operator(positive, kind, test_for, is_classic_only=classic),
        Operator(negative, kind, test_for, is_negative=True, is_classic_only=classic),
    ]


_RELATIONS = {
    "LessThan": compare.lt, "LessThanEquals": compare.le,
    "GreaterThan": compare.gt, "GreaterThanEquals": compare.ge,
}  # fmt: skip

NULL = "Null"

OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        *_pair("StringEquals", "StringNotEquals", Kind.TEXT, _one_of),
        *_pair("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", Kind.TEXT, _one_of_any_case),
        *_pair("StringMatch", "StringNotMatch", Kind.PATTERN, texts_test),
        *_pair("StringStartWith", "StringNotStartWith", Kind.TEXT, _starts, classic=True),
        *_pair("StringEndWith", "StringNotEndWith", Kind.TEXT, _ends, classic=True),
        *_pair("StringLike", "StringNotLike", Kind.TEXT, _contains, classic=True),
        *_pair("NumberEquals", "NumberNotEquals", Kind.NUMBER, _ordered(values.number, compare.eq)),
        *(Operator(f"Number{name}", Kind.NUMBER, _ordered(values.number, how)) for name, how in _RELATIONS.items()),
        *(Operator(f"Date{name}", Kind.DATE, _ordered(values.date, how)) for name, how in _RELATIONS.items()),
        *_pair("IpAddress", "NotIpAddress", Kind.NETWORK, _in_network),
        Operator("Bool", Kind.BOOL, _one_truth),
        Operator(NULL, Kind.NULL, _one_truth),
    )
}


def read_operator(name: str, *, is_classic: bool) -> tuple[Operator, Quantifier, bool] | str:
    """Operator, quantifier and `IfExists` of a name such as `ForAnyValue:StringEqualsIfExists`.

    In: the name, and whether the policy is of version 1.1, which knows six operators more. Out: what it means, or
    a sentence that says what is wrong with it.
    """
    quantifier = next((each for each in (Quantifier.ANY, Quantifier.ALL) if name.startswith(each)), Quantifier.NONE)
    rest = name.removeprefix(quantifier)
    bare = rest.removesuffix("IfExists")
    operator = OPERATORS.get(bare)
    if operator is None:
        return f"The condition operator is unknown.{suggestion(bare, OPERATORS)}"
    if operator.is_classic_only and not is_classic:
        return f"{bare} exists in version 1.1 only; use StringMatch with * here."
    if operator.kind is Kind.NULL and name != NULL:
        return "Null takes neither a prefix nor IfExists."
    return operator, quantifier, bare != rest


def read_value(kind: Kind, value: Any) -> str | None:
    """The text of a value in a policy, or None when it is not of the operator's kind.

    Numbers and truth values may be written with or without quotes, all else with.
    """
    if isinstance(value, bool):
        return str(value).lower() if kind in {Kind.BOOL, Kind.NULL} else None
    if isinstance(value, (int, float)):
        value = str(value) if kind is Kind.NUMBER else None
    if not isinstance(value, str):
        return None
    readers: dict[Kind, Callable[[str], object]] = {
        Kind.NUMBER: values.number, Kind.DATE: values.date, Kind.BOOL: values.truth,
        Kind.NULL: values.truth, Kind.NETWORK: values.network,
    }  # fmt: skip
    reader = readers.get(kind)
    return value if reader is None or reader(value) is not None else None


def _decider(condition: Condition) -> Callable[[Context], bool]:
    key, negative = condition.key, condition.operator.is_negative
    test = condition.operator.test_for(condition.values)
    if condition.operator.kind is Kind.NULL:
        return lambda context: test("false" if context.get(key) or context.get(key) == "" else "true")
    if condition.quantifier is Quantifier.ANY:
        return _any_value(key, test, negative, condition.if_exists)
    if condition.quantifier is Quantifier.ALL:
        return _all_values(key, test, negative)
    return _plain(key, test, negative, negative or condition.if_exists)


def _plain(key: str, test: Test, negative: bool, when_absent: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        found = context.get(key)
        if isinstance(found, str):
            return test(found) is not negative
        if not found:
            return when_absent
        return any(map(test, found)) is not negative

    return holds


def _any_value(key: str, test: Test, negative: bool, when_absent: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        found = several(context.get(key))
        return any(test(value) is not negative for value in found) if found else when_absent

    return holds


def _all_values(key: str, test: Test, negative: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        return all(test(value) is not negative for value in several(context.get(key)))

    return holds


def several(found: str | Sequence[str] | None) -> Sequence[str]:
    """The values of a context key as a list; none when it is absent."""
    return (found,) if isinstance(found, str) else found or ()
