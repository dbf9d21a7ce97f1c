"""Reading a JSON body strictly: what two readers could understand differently is refused.

Python's own reader takes the last of two equal keys, NaN and infinite numbers, and gives up in other ways than by
a `JSONDecodeError` on deep nesting and on numbers of thousands of digits.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEEPEST = 32
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"
NOWHERE = -1
"""Position of a fault that concerns the whole body, or that the reader does not tell."""


def parse(text: str) -> Any:
    """What the text says; raises `JSONDecodeError`, whose position may be `NOWHERE`."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise json.JSONDecodeError(TOO_DEEP, text, NOWHERE) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise json.JSONDecodeError(_reason(error), text, NOWHERE) from None
    if text.count("[") + text.count("{") > DEEPEST and _is_deep(found):
        raise json.JSONDecodeError(TOO_DEEP, text, NOWHERE)
    return found


def _is_deep(value: Any) -> bool:
    """Whether the value is nested beyond what may be repeated in an answer or looked at by recursion."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


class _Fault(ValueError):
    """Something the standard reader lets pass."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Fault(f"the key {twice[:50]!r} stands twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise _Fault(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _Fault(f"the number {digits[:50]} is too large")
    return number


def _reason(error: ValueError) -> str:
    return str(error) if isinstance(error, _Fault) else "a number has too many digits"
