"""Every operator, case by case: present, absent, several values, IfExists, the quantifiers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.iam.policies.reference import condition_holds

from goldsmith.iam.policies.conditions import OPERATORS
from goldsmith.iam.policies.grammar import parse

K = "g:RequestTag/k"
ABSENT: dict[str, Any] = {}


def has(value: Any) -> dict[str, Any]:
    return {K: value}


# operator, value in the policy, context, whether it holds
CASES: list[tuple[str, Any, dict[str, Any], bool]] = [
    ("StringEquals", "a", has("a"), True),
    ("StringEquals", "a", has("A"), False),
    ("StringEquals", ["a", "b"], has("b"), True),
    ("StringEquals", "a", ABSENT, False),
    ("StringEquals", "a", has([]), False),
    ("StringEquals", "", has(""), True),
    ("StringEquals", "a", has(["x", "a"]), True),
    ("StringEquals", "a?c", has("abc"), False),
    ("StringEqualsIfExists", "a", ABSENT, True),
    ("StringEqualsIfExists", "a", has([]), True),
    ("StringEqualsIfExists", "a", has("b"), False),
    ("StringNotEquals", "a", has("a"), False),
    ("StringNotEquals", "a", has("A"), True),
    ("StringNotEquals", ["a", "b"], has("b"), False),
    ("StringNotEquals", ["a", "b"], has("c"), True),
    ("StringNotEquals", "a", ABSENT, True),
    ("StringNotEquals", "a", has(["x", "a"]), False),
    ("StringNotEqualsIfExists", "a", ABSENT, True),
    ("StringEqualsIgnoreCase", "Straße", has("STRASSE"), True),
    ("StringEqualsIgnoreCase", "a", has("b"), False),
    ("StringEqualsIgnoreCase", "a", ABSENT, False),
    ("StringNotEqualsIgnoreCase", "aB", has("Ab"), False),
    ("StringNotEqualsIgnoreCase", "a", has("b"), True),
    ("StringNotEqualsIgnoreCase", "a", ABSENT, True),
    ("StringMatch", "dev-*", has("dev-1"), True),
    ("StringMatch", "dev-*", has("Dev-1"), False),
    ("StringMatch", "dev-?", has("dev-"), False),
    ("StringMatch", "dev-?", has("dev-1"), True),
    ("StringMatch", "[ab]", has("a"), False),
    ("StringMatch", "*", has(""), True),
    ("StringMatch", "*", ABSENT, False),
    ("StringNotMatch", "dev-*", has("dev-1"), False),
    ("StringNotMatch", ["dev-*", "test-*"], has("prod"), True),
    ("StringNotMatch", "*", ABSENT, True),
    ("StringStartWith", "ab", has("abc"), True),
    ("StringStartWith", "ab", has("cab"), False),
    ("StringStartWith", "ab", ABSENT, False),
    ("StringStartWithIfExists", "ab", ABSENT, True),
    ("StringNotStartWith", "ab", has("abc"), False),
    ("StringNotStartWith", "ab", has("x"), True),
    ("StringNotStartWith", "ab", ABSENT, True),
    ("StringEndWith", "bc", has("abc"), True),
    ("StringEndWith", "bc", has("c"), False),
    ("StringEndWithIfExists", "bc", ABSENT, True),
    ("StringNotEndWith", "bc", has("abc"), False),
    ("StringNotEndWith", "bc", has("abd"), True),
    ("StringLike", "b", has("abc"), True),
    ("StringLike", "B", has("abc"), False),
    ("StringLike", "b", ABSENT, False),
    ("StringNotLike", "b", has("abc"), False),
    ("StringNotLike", "x", has("abc"), True),
    ("StringNotLikeIfExists", "x", ABSENT, True),
    ("NumberEquals", 5, has("5.0"), True),
    ("NumberEquals", "5", has("6"), False),
    ("NumberEquals", "5", has("five"), False),
    ("NumberEquals", "5", ABSENT, False),
    ("NumberNotEquals", [5, 6], has("6"), False),
    ("NumberNotEquals", [5, 6], has("7"), True),
    ("NumberNotEquals", 5, ABSENT, True),
    ("NumberNotEquals", 5, has("five"), True),
    ("NumberLessThan", 5, has("5"), False),
    ("NumberLessThan", 5, has("4.999"), True),
    ("NumberLessThan", 5, has("-10"), True),
    ("NumberLessThan", 5, has("10"), False),
    ("NumberLessThan", 5, ABSENT, False),
    ("NumberLessThanIfExists", 5, ABSENT, True),
    ("NumberLessThanEquals", 5, has("5"), True),
    ("NumberLessThanEquals", 5, has("5.1"), False),
    ("NumberGreaterThan", 5, has("5"), False),
    ("NumberGreaterThan", [50, 5], has("6"), True),
    ("NumberGreaterThanEquals", 5, has("5"), True),
    ("NumberGreaterThanEquals", 5, has("4"), False),
    ("DateLessThan", "2026-01-01T00:00:00Z", has("2025-12-31T23:59:59Z"), True),
    ("DateLessThan", "2026-01-01T00:00:00Z", has("2026-01-01T00:00:00Z"), False),
    ("DateLessThan", "2026-01-01", has("2025-12-31T23:59:59.999Z"), True),
    ("DateLessThan", "2026-01-01T00:00:00Z", has("2026-01-01T00:00:00+01:00"), True),
    ("DateLessThan", "2026-01-01T00:00:00Z", has("soon"), False),
    ("DateLessThan", "2026-01-01T00:00:00Z", ABSENT, False),
    ("DateLessThanEquals", "2026-01-01T00:00:00Z", has("2026-01-01T01:00:00+01:00"), True),
    ("DateLessThanEquals", "2026-01-01T00:00:00Z", has("2026-01-01T00:00:01Z"), False),
    ("DateGreaterThan", "2026-01-01T00:00:00Z", has("2026-01-01T00:00:01Z"), True),
    ("DateGreaterThan", "0001-01-01T00:00:00+23:59", has("9999-12-31T23:59:59-23:59"), True),
    ("DateGreaterThanIfExists", "2026-01-01T00:00:00Z", ABSENT, True),
    ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", has("2026-01-01T00:00:00Z"), True),
    ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", has("2025-01-01T00:00:00Z"), False),
    ("Bool", "true", has("true"), True),
    ("Bool", True, has("True"), True),
    ("Bool", "false", has("true"), False),
    ("Bool", "false", has("maybe"), False),
    ("Bool", "false", ABSENT, False),
    ("BoolIfExists", "true", ABSENT, True),
    ("Null", "true", ABSENT, True),
    ("Null", "true", has([]), True),
    ("Null", "true", has("x"), False),
    ("Null", "true", has(""), False),
    ("Null", False, has("x"), True),
    ("Null", False, ABSENT, False),
    ("Null", ["true", "false"], ABSENT, True),
    ("IpAddress", "10.0.0.0/8", has("10.255.0.1"), True),
    ("IpAddress", "10.0.0.0/8", has("11.0.0.1"), False),
    ("IpAddress", "10.1.2.3/8", has("10.9.9.9"), True),
    ("IpAddress", "10.0.0.1", has("10.0.0.1"), True),
    ("IpAddress", ["10.0.0.0/8", "fd00::/8"], has("fd12::1"), True),
    ("IpAddress", "0.0.0.0/0", has("::1"), False),
    ("IpAddress", "::/0", has("10.0.0.1"), False),
    ("IpAddress", "10.0.0.0/8", has("not an address"), False),
    ("IpAddress", "10.0.0.0/8", ABSENT, False),
    ("IpAddressIfExists", "10.0.0.0/8", ABSENT, True),
    ("NotIpAddress", "10.0.0.0/8", has("10.0.0.1"), False),
    ("NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], has("12.0.0.1"), True),
    ("NotIpAddress", "10.0.0.0/8", ABSENT, True),
    ("ForAnyValue:StringEquals", ["a", "b"], has(["x", "b"]), True),
    ("ForAnyValue:StringEquals", ["a", "b"], has(["x"]), False),
    ("ForAnyValue:StringEquals", "a", has("a"), True),
    ("ForAnyValue:StringEquals", "a", ABSENT, False),
    ("ForAnyValue:StringEquals", "a", has([]), False),
    ("ForAnyValue:StringEqualsIfExists", "a", ABSENT, True),
    ("ForAnyValue:StringNotEquals", "a", has(["a", "b"]), True),
    ("ForAnyValue:StringNotEquals", "a", has(["a"]), False),
    ("ForAnyValue:StringNotEquals", "a", ABSENT, False),
    ("ForAllValues:StringEquals", ["a", "b"], has(["a", "b", "a"]), True),
    ("ForAllValues:StringEquals", ["a", "b"], has(["a", "c"]), False),
    ("ForAllValues:StringEquals", "a", has([]), True),
    ("ForAllValues:StringEquals", "a", ABSENT, True),
    ("ForAllValues:StringNotEquals", ["a", "b"], has(["c", "d"]), True),
    ("ForAllValues:StringNotEquals", ["a", "b"], has(["c", "a"]), False),
    ("ForAllValues:StringMatch", "k*", has(["k1", "k2"]), True),
    ("ForAllValues:StringMatch", "k*", has(["k1", "x"]), False),
]


def holds(operator: str, value: Any, context: dict[str, Any]) -> bool:
    document = {
        "Version": "1.1",
        "Statement": [{"Effect": "Allow", "Action": ["a:b:c"], "Condition": {operator: {K: value}}}],
    }
    return parse(document).statements[0].holds(context)


@pytest.mark.parametrize(("operator", "value", "context", "expected"), CASES)
def test_golden_case(operator: str, value: Any, context: dict[str, Any], expected: bool) -> None:
    assert holds(operator, value, context) is expected
    assert condition_holds(operator, K, value, context) is expected


def test_every_operator_has_golden_cases() -> None:
    tried = {name.rpartition(":")[2].removesuffix("IfExists") for name, *_ in CASES}
    assert tried == set(OPERATORS)


def test_an_ipv4_address_written_as_ipv6_does_not_slip_past_a_block() -> None:
    assert holds("IpAddress", "10.0.0.0/8", has("::ffff:10.0.0.1"))
    assert not holds("NotIpAddress", "10.0.0.0/8", has("::ffff:a00:1"))
    assert holds("IpAddress", "::ffff:10.0.0.0/104", has("10.3.0.1"))


def test_several_operators_and_keys_must_all_hold() -> None:
    condition = {"StringEquals": {"g:UserName": "u", "g:UserId": "1"}, "Bool": {"g:MFAPresent": "true"}}
    document = {"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": "*", "Condition": condition}]}
    statement = parse(document).statements[0]
    good = {"g:UserName": "u", "g:UserId": "1", "g:MFAPresent": "true"}
    assert statement.holds(good)
    for key in good:
        assert not statement.holds({**good, key: "other"})
        assert not statement.holds({name: value for name, value in good.items() if name != key})
