"""Names of resources and actions, and patterns over them.

A resource is named `<service>:<region>:<account id>:<type>:<id>`; the id may hold colons. `*` stands for any run of
characters, `?` for one; nothing else is special. A pattern is compared part by part, so that a `*` never reaches
from one part into the next: an id such as `x:imageServer:y` cannot pretend to be another type.
Source: contract, authentication section 6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Test = Callable[[str], bool]
"""Whether a text matches a pattern."""

PartsTest = Callable[[Sequence[str]], bool]
"""Whether the five parts of a resource name match a pattern."""

PARTS = 5

_ACTION = re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9_*?-]+:[A-Za-z0-9_*?-]+", re.ASCII)


def is_action_pattern(text: str) -> bool:
    """Whether `text` has the form of an action: `service:type:operation`, wildcards allowed, or `*`."""
    return _ACTION.fullmatch(text) is not None


def resource_pattern_problem(text: str) -> str | None:
    """What is wrong with the form of a resource pattern; None when nothing is."""
    if text == "*":
        return None
    parts = text.split(":", PARTS - 1)
    if len(parts) != PARTS:
        return "A resource is `*` or has five parts, service:region:account:type:id."
    if not parts[0] or not parts[3] or not parts[4]:
        return "Service, type and id of a resource may not be empty; use * for any."
    return None


def urn(service: str, region: str, account: str, type_: str, id_: str) -> str:
    """The name of a resource; raises ValueError for a part but the id that holds a colon."""
    head = (service, region, account, type_)
    if any(":" in part for part in head):
        raise ValueError(f"a colon in {head!r}")
    return ":".join((*head, id_))


def parts_of(name: str) -> list[str]:
    """The five parts of a resource name; raises ValueError when there are fewer."""
    parts = name.split(":", PARTS - 1)
    if len(parts) != PARTS:
        raise ValueError(f"not the name of a resource: {name!r}")
    return parts


def wildcard(pattern: str) -> Test:
    """A test for `pattern`, in which `*` is any run of characters and `?` any one.

    Case-sensitive. The cost is at most length of text times length of pattern / 64, whatever the pattern: each
    piece between two `*` is looked for once, from left to right, and the leftmost place is always good enough.
    """
    if "*" not in pattern:
        return _piece_test(pattern)
    pieces = pattern.split("*")
    if len(pieces) == 2 and "?" not in pattern:
        return _ends_test(*pieces)
    first, last = pieces[0], pieces[-1]
    shortest = sum(map(len, pieces))
    starts, ends = _piece_test(first), _piece_test(last)
    finders = [(_finder(piece), len(piece)) for piece in pieces[1:-1] if piece]
    head, tail = len(first), len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not starts(text[:head]):
            return False
        end = len(text) - tail
        if not ends(text[end:]):
            return False
        position = head
        for find, length in finders:
            position = find(text, position, end)
            if position < 0:
                return False
            position += length
        return True

    return matches


def _ends_test(head: str, tail: str) -> Test:
    """The test for `head*tail`, by far the most common form."""
    if not tail:
        return lambda text: text.startswith(head)
    shortest = len(head) + len(tail)
    return lambda text: len(text) >= shortest and text.startswith(head) and text.endswith(tail)


def _piece_test(piece: str) -> Test:
    """A test for a pattern without `*`."""
    if "?" not in piece:
        return piece.__eq__
    fixed = [(index, character) for index, character in enumerate(piece) if character != "?"]
    length = len(piece)
    return lambda text: len(text) == length and all(text[index] == character for index, character in fixed)


def _finder(piece: str) -> Callable[[str, int, int], int]:
    """What finds the leftmost place of `piece` in `text[start:end]`; -1 when there is none."""
    if "?" not in piece:
        return lambda text, start, end: text.find(piece, start, end)
    return _bitwise_finder(piece)


def _bitwise_finder(piece: str) -> Callable[[str, int, int], int]:
    """The shift-and search: bit i of `state` says that the piece's first i+1 characters end here."""
    any_character = 0
    places: dict[str, int] = {}
    for index, character in enumerate(piece):
        if character == "?":
            any_character |= 1 << index
        else:
            places[character] = places.get(character, 0) | 1 << index
    found = 1 << (len(piece) - 1)

    def find(text: str, start: int, end: int) -> int:
        state = 0
        for position in range(start, end):
            state = (state << 1 | 1) & (places.get(text[position], 0) | any_character)
            if state & found:
                return position - len(piece) + 1
        return -1

    return find


def actions_test(patterns: Sequence[str]) -> Test:
    """Whether an action, given in lower case, matches one of `patterns` (any case)."""
    exact, tests = _sorted_out([pattern.lower() for pattern in patterns])
    return lambda action: action in exact or any(test(action) for test in tests)


def resources_test(patterns: Sequence[str]) -> PartsTest | None:
    """Whether a resource, given as its parts, matches one of `patterns`; None when every resource does."""
    if "*" in patterns:
        return None
    exact = frozenset(tuple(pattern.split(":", PARTS - 1)) for pattern in patterns if not has_wildcard(pattern))
    tests = [_parts_test(pattern) for pattern in patterns if has_wildcard(pattern)]
    if not tests:
        return lambda parts: tuple(parts) in exact
    if not exact and len(tests) == 1:
        return tests[0]
    return lambda parts: tuple(parts) in exact or any(test(parts) for test in tests)


def has_wildcard(text: str) -> bool:
    """Whether `text` holds a `*` or a `?`."""
    return "*" in text or "?" in text


def texts_test(patterns: Sequence[str]) -> Test:
    """Whether a text matches one of `patterns`, case-sensitive."""
    exact, tests = _sorted_out(patterns)
    return lambda text: text in exact or any(test(text) for test in tests)


def _sorted_out(patterns: Sequence[str]) -> tuple[frozenset[str], list[Test]]:
    exact = frozenset(pattern for pattern in patterns if not has_wildcard(pattern))
    return exact, [wildcard(pattern) for pattern in patterns if has_wildcard(pattern)]


def _parts_test(pattern: str) -> PartsTest:
    # The id and the type tell most resources apart, so they are compared first.
    pieces = [(index, piece) for index, piece in enumerate(pattern.split(":", PARTS - 1)) if piece != "*"]
    if not pieces:
        return lambda parts: True
    (index, piece), *others = [(index, piece) for index, piece in reversed(pieces)]
    first = _part_test(index, piece)
    if not others:
        return first
    tests = [(place, wildcard(further)) for place, further in others]

    def matches(parts: Sequence[str]) -> bool:
        if not first(parts):
            return False
        for place, test in tests:  # noqa: SIM110 - a generator costs twice as much here
            if not test(parts[place]):
                return False
        return True

    return matches


def _part_test(index: int, piece: str) -> PartsTest:
    """Whether one part matches `piece`; a call less for the form `head*`."""
    head = piece[:-1]
    if piece == f"{head}*" and not has_wildcard(head):
        return lambda parts: parts[index].startswith(head)
    test = wildcard(piece)
    return lambda parts: test(parts[index])
