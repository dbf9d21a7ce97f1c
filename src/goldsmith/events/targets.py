"""Where webhooks may lead: not into the host, its network, or a cloud's metadata service.

A name is resolved and its addresses are checked when a webhook is written and again for every connection, which is
then made to the address that was checked. So a name that changes its address in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldsmith import errors
from goldsmith.errors import Problem

if TYPE_CHECKING:
    import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
RESOLVE_SECONDS = 5.0
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Addresses at which clouds tell machines their secrets."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LIST = " An operator who trusts every user with the host's network can set allow_private in [webhooks]."
MESSAGES = {
    "url": "Must be an absolute URL like https://host.example/path, without user name, password or fragment.",
    "https": "Must begin with https://, so that nobody on the way reads or changes what is sent." + _LIST,
    "resolves": "The host name has no address; check its spelling and the name server.",
    "loopback": "Leads to the host itself ({}), which webhooks must not reach." + _LIST,
    "own_address": "Leads to the host itself ({}), which webhooks must not reach." + _LIST,
    "private": "Leads into a private network ({}), which webhooks must not reach." + _LIST,
    "link_local": "Leads to a link-local address ({}), which webhooks must not reach." + _LIST,
    "multicast": "Leads to a multicast address ({}), which webhooks must not reach." + _LIST,
    "metadata": "Leads to the address of a metadata service ({}), which webhooks must not reach." + _LIST,
    "reserved": "Leads to an address without a public host ({})." + _LIST,
}


@dataclass(frozen=True, slots=True)
class Unsafe(Exception):
    """A target that is refused: the rule it breaks, and why."""

    rule: str
    message: str

    def refusal(self, url: str) -> errors.ServiceError:
        """As the answer to the request that names it."""
        return errors.refusal([Problem("url", url, self.rule, self.message)])


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose addresses have been checked."""

    url: httpx.URL
    addresses: tuple[Address, ...]

    @property
    def host(self) -> str:
        """The host as it is named in certificates and in `Host`."""
        return self.url.raw_host.decode("ascii")


class Targets:
    """The rules; `allow_private` leaves only those about the shape of a URL."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def checked(self, text: str) -> Target:
        """The target with its addresses of this moment; raises `Unsafe`."""
        url = self._parsed(text)
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await _addresses(url.raw_host.decode("ascii").strip("[]"), port)
        if not addresses:
            raise _unsafe("resolves")
        if not self._allow_private:
            for address in addresses:
                rule = rule_against(address) or ("own_address" if _is_own(address, port) else "")
                if rule:
                    raise _unsafe(rule, url.host)
        return Target(url, addresses)

    def _parsed(self, text: str) -> httpx.URL:
        import httpx

        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise _unsafe("url") from None
        is_strange = any(character <= " " or character == "\\" or character == "\x7f" for character in text)
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.fragment or is_strange:
            raise _unsafe("url")
        if url.port is not None and not 0 < url.port < 65536:
            raise _unsafe("url")
        if url.scheme != "https" and not self._allow_private:
            raise _unsafe("https")
        return url


def rule_against(address: Address) -> str:
    """The rule that an address breaks; "" when it is a public one."""
    if address in METADATA:
        return "metadata"
    inner = _inside(address)
    if inner is not None:
        return rule_against(inner)
    for rule, breaks in (
        ("loopback", address.is_loopback or address.is_unspecified),
        ("link_local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("reserved", address.is_reserved),
        ("private", address.is_private or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)),
        ("reserved", not address.is_global),
    ):
        if breaks:
            return rule
    return ""


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_own(address: Address, port: int) -> bool:
    """Whether the address is one of this host's: then it is also the one we would come from. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), port))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address


async def _addresses(host: str, port: int) -> tuple[Address, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(ipaddress.ip_address(str(each[4][0])) for each in found))


def _unsafe(rule: str, host: str = "") -> Unsafe:
    """Names the host as it was given: its addresses may be nobody's business."""
    return Unsafe(rule, MESSAGES[rule].format(host))
