"""Values of conditions: numbers, dates, truth values and addresses, in policies and in the context of a request.

Each reader returns None for a text that is not such a value. Those that are asked again and again with the same
text (the time and the address of a request) remember a bounded number of answers.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_TRUTH = {"true": True, "false": False}
_LONGEST = 64

Address = tuple[int, int]
"""Version (4 or 6) and the address as a number."""

Network = tuple[int, int, int]
"""Version, first address as a number, and how many bits belong to hosts."""


def number(text: str) -> Decimal | None:
    """A decimal number, without exponent."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def truth(text: str) -> bool | None:
    """`true` or `false`, in any case."""
    return _TRUTH.get(text.lower())


def date(text: str) -> datetime | None:
    """A moment in ISO 8601; without a zone it is UTC, without a time the day's first moment."""
    return _date(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _date(text: str) -> datetime | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def address(text: str) -> Address | None:
    """An IPv4 or IPv6 address; an IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address."""
    return _address(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.version, int(found)


def network(text: str) -> Network | None:
    """An address or a CIDR block of either version; host bits are ignored."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    first, host_bits = int(found.network_address), found.max_prefixlen - found.prefixlen
    if found.version == 6 and first >> 32 == 0xFFFF and host_bits <= 32:
        return 4, first & 0xFFFFFFFF, host_bits
    return found.version, first, host_bits
