"""The cloud: every machine and address has an owner, every settled owner has its machine and address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from goldsmith.clouds.port import Cloud
from goldsmith.leaks.books import Books
from goldsmith.leaks.records import NOBODY
from goldsmith.leaks.suspects import BY_HAND, Leak, Suspect


@runtime_checkable
class Untidy(Protocol):
    """A cloud that can leave more behind than machines and addresses: files, processes."""

    async def remains(self) -> Sequence[tuple[str, str, str]]:
        """Kind, name and reason of everything that no operation under way and no machine accounts for."""

    async def clear(self, kind: str, thing: str) -> None:
        """Clear one of them away."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cloud holds."""

    machines: frozenset[str]
    addresses: frozenset[str]
    remains: tuple[tuple[str, str, str], ...]


async def look(cloud: Cloud) -> Seen:
    """Ask the cloud."""
    remains = await cloud.remains() if isinstance(cloud, Untidy) else ()
    machines = frozenset(info.id for info in await cloud.list_servers())
    return Seen(machines, frozenset(await cloud.list_ports()), tuple(remains))


def suspects(books: Books, seen: Seen, cloud: Cloud) -> Iterator[Suspect]:
    """All of them."""
    for thing in sorted(seen.machines - books.named("instance_id")):
        yield Suspect(Leak("machine", thing, NOBODY, "remove it"), in_cloud=partial(cloud.delete_server, thing))
    for thing in sorted(seen.addresses - books.named("port_id")):
        yield Suspect(Leak("address", thing, NOBODY, "give it back"), in_cloud=partial(cloud.delete_port, thing))
    for owner in books.owners:
        if not owner.is_settled:
            continue
        for what, thing, there in (
            ("machine", owner.claims.instance_id, seen.machines), ("address", owner.claims.port_id, seen.addresses),
        ):  # fmt: skip
            if thing and thing not in there:
                text = f"{owner.name} names it, but the cloud does not hold it"
                yield Suspect(Leak(f"missing {what}", thing, text, f"{BY_HAND}: delete {owner.name}"))
    if isinstance(cloud, Untidy):
        for kind, thing, why in seen.remains:
            yield Suspect(Leak(kind, thing, why, "clear it away"), in_cloud=partial(cloud.clear, kind, thing))
