"""Which addresses of a subnet may be handed out, worked out once when the subnet is declared.

As in the public service, the network address, the first address (the gateway) and the last three are
reserved: of a /29 that leaves .2 to .4. The third-last address is the subnet's own resolver.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

SMALLEST_PREFIX = 29
"""The longest prefix that leaves addresses to hand out."""


class BadSubnet(ValueError):
    """The declared CIDR or gateway cannot work; the text says why."""


@dataclass(frozen=True, slots=True)
class Range:
    """First and last address to hand out, as numbers, and the address of the resolver."""

    first: int
    last: int
    dns_ip: str

    @property
    def capacity(self) -> int:
        """How many addresses there are to hand out."""
        return self.last - self.first + 1


def usable(cidr: str, gateway_ip: str) -> Range:
    """The addresses of `cidr` that may be handed out.

    `BadSubnet` when it is too small, or its gateway is not its first address.
    """
    try:
        network, gateway = IPv4Network(cidr), int(IPv4Address(gateway_ip))
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise BadSubnet(f"{cidr} with gateway {gateway_ip}: {error}") from error
    if network.prefixlen > SMALLEST_PREFIX:
        raise BadSubnet(f"{cidr} is too small: a subnet needs a prefix of at most /{SMALLEST_PREFIX}.")
    start, end = int(network.network_address), int(network.broadcast_address)
    if gateway != start + 1:
        raise BadSubnet(f"The gateway of {cidr} must be {IPv4Address(start + 1)}, not {gateway_ip}.")
    return Range(start + 2, end - 3, str(IPv4Address(end - 2)))
