"""Patterns over names: only * and ? are special, and no pattern is slow."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.iam.policies.reference import glob

from goldsmith.iam.policies.urn import actions_test, parts_of, resources_test, urn, wildcard

NAME = "workspace:local-1:acc:imageServer:42"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (NAME, True),
        ("*", True),
        ("workspace:*:*:imageServer:*", True),
        ("workspace:*:acc:imageServer:4?", True),
        ("workspace:*:acc:imageServer:?", False),
        ("workspace:*:acc:imageserver:*", False),
        ("workspace::acc:imageServer:*", False),
        ("workspace:*:other:imageServer:*", False),
        ("workspace:*:*:imageServer:[0-9][0-9]", False),
        ("*:*:*:*:*", True),
        ("work*:local-?:*c:*Server:*2", True),
    ],
)
def test_resource_pattern(pattern: str, expected: bool) -> None:
    test = resources_test([pattern])
    assert (test is None or test(parts_of(NAME))) is expected


def test_a_star_never_reaches_into_the_next_part() -> None:
    forged = urn("workspace", "r", "other", "app", "x:imageServer:42")
    test = resources_test(["workspace:*:other:imageServer:*", "workspace:*:imageServer:*:*"])
    assert test is not None
    assert not test(parts_of(forged))


def test_a_name_needs_five_parts() -> None:
    with pytest.raises(ValueError, match="not the name"):
        parts_of("workspace:r:acc:imageServer")
    with pytest.raises(ValueError, match="colon"):
        urn("workspace", "r", "a:b", "imageServer", "1")


def test_actions_match_in_any_case() -> None:
    test = actions_test(["workspace:appWarehouse:ListWarehouseApps", "IMS:*:get*"])
    assert test("workspace:appwarehouse:listwarehouseapps")
    assert test("ims:images:getone")
    assert not test("ims:images:list")


@given(st.text("ab*?", max_size=9), st.text("ab", max_size=12))
@example("*a*b?*", "aabbab")
@example("a*a", "a")
@example("*?b*?a", "abba")
@example("", "")
def test_wildcards_agree_with_the_definition(pattern: str, text: str) -> None:
    assert wildcard(pattern)(text) is glob(pattern, text)


@given(st.text(max_size=12))
def test_a_pattern_without_wildcards_matches_itself_only(text: str) -> None:
    if "*" not in text and "?" not in text:
        assert wildcard(text)(text)
        assert not wildcard(text)(text + "x")
        assert wildcard(f"*{text}*")(f"\n{text}\n")


@pytest.mark.parametrize(
    "pattern", ["*a" * 2000 + "b", "*" + "a?" * 2000 + "b*", "*" + "?" * 4000 + "b*", "*a?*" * 900 + "b"]
)
@pytest.mark.timeout(60)
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    assert not wildcard(pattern)("a" * 8000)
