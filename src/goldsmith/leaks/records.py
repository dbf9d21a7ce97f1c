"""Records and claims: every one has an owner, every owner has what it names, every counter is the sum it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Table, and_, delete, update

from goldsmith.app_groups.models import app_group_authorizations, app_groups
from goldsmith.image_servers.models import host_use, image_server_counts
from goldsmith.image_servers.placement import Placement, Size
from goldsmith.leaks.books import Books
from goldsmith.leaks.suspects import BY_HAND, Leak, Suspect
from goldsmith.networks.models import subnets
from goldsmith.networks.service import Networks
from goldsmith.server_groups.models import server_groups
from goldsmith.store import Row, Tx
from goldsmith.tenancy.models import quotas

NOBODY = "nobody names it"


def suspects(books: Books) -> Iterator[Suspect]:
    """All of them."""
    yield from _claims(books)
    yield from _groups(books)
    yield from _missing(books)
    yield from _counters(books)


def _claims(books: Books) -> Iterator[Suspect]:
    machines, addresses = books.named("instance_id"), books.named("port_id")
    for row in books.placements:
        if row["instance_id"] not in machines:
            leak = Leak("placement", row["instance_id"], f"{NOBODY}; it takes room on {row['host_id']}", "give it back")
            yield Suspect(leak, _releasing(row["instance_id"]))
    for row in books.ports:
        if row["id"] not in addresses:
            text = f"{NOBODY}; it holds {row['ip_address']} of subnet {row['subnet_id']}"
            yield Suspect(Leak("port", row["id"], text, "give it back"), _giving_back(row["id"]))


def _releasing(instance_id: str) -> Any:
    return lambda tx: Placement().release(tx, instance_id)


def _giving_back(port_id: str) -> Any:
    return lambda tx: Networks().release(tx, port_id)


def _groups(books: Books) -> Iterator[Suspect]:
    named, filled = books.named("server_group_id"), {row["server_group_id"] for row in books.app_servers}
    for row in books.server_groups:
        if row["id"] not in named:
            mend = None if row["id"] in filled else _removing(server_groups, id=row["id"])
            text = "remove it" if mend else f"{BY_HAND}: it holds app servers"
            yield Suspect(Leak("server group", row["id"], NOBODY, text), mend)
    named = books.named("app_server_id")
    for row in books.app_servers:
        if row["id"] not in named:
            yield Suspect(Leak("app server", row["id"], NOBODY, f"{BY_HAND}: delete the app server"))
    named = books.named("app_group_id")
    for row in books.app_groups:
        if row["id"] not in named:
            yield Suspect(Leak("app group", row["id"], NOBODY, "remove it"), _removing(app_groups, id=row["id"]))
    known = {row["id"] for row in books.app_groups}
    for row in books.authorizations:
        group, account = row["app_group_id"], row["account"]
        if group not in known:
            leak = Leak("authorisation", f"{group} {account}", "its app group does not exist", "remove it")
            yield Suspect(leak, _removing(app_group_authorizations, app_group_id=group, account=account))


def _removing(table: Table, **key: str) -> Any:
    where = and_(*(table.c[name] == value for name, value in key.items()))
    return lambda tx: tx.run(delete(table).where(where))


def _missing(books: Books) -> Iterator[Suspect]:
    """What a settled owner names and does not have."""
    there = {
        "instance_id": ("placement", {row["instance_id"] for row in books.placements}),
        "port_id": ("port", {row["id"] for row in books.ports}),
        "app_server_id": ("app server", {row["id"] for row in books.app_servers}),
    }
    for owner in books.owners:
        for claim, (what, known) in there.items() if owner.is_settled else ():
            thing = getattr(owner.claims, claim)
            if thing and thing not in known:
                text = f"{owner.name} names it"
                yield Suspect(Leak(f"missing {what}", thing, text, f"{BY_HAND}: delete {owner.name}"))


def _counters(books: Books) -> Iterator[Suspect]:
    yield from _host_use(books)
    yield from _quotas(books)
    held = Counter(row["subnet_id"] for row in books.ports)
    counted = ((row["id"], {"used": row["used"]}, {"used": held[row["id"]]}) for row in books.subnets)
    yield from _wrong("addresses of subnet", counted, lambda thing: (subnets, {"id": thing}))
    servers = Counter(row["project_id"] for row in books.image_servers)
    shown = (
        (row["project_id"], {"servers": row["servers"]}, {"servers": servers[row["project_id"]]})
        for row in books.image_server_counts
    )
    yield from _wrong("image servers of project", shown, lambda thing: (image_server_counts, {"project_id": thing}))


def _host_use(books: Books) -> Iterator[Suspect]:
    names = ("vcpus", "memory_mib", "disk_gib")
    taken: dict[str, Counter[str]] = {}
    for row in books.placements:
        taken.setdefault(row["host_id"], Counter()).update({name: row[name] for name in names})
    counted = (
        (row["host_id"], {name: row[name] for name in names},
         {name: taken.get(row["host_id"], Counter())[name] for name in names})
        for row in books.host_use
    )  # fmt: skip
    yield from _wrong("use of host", counted, lambda thing: (host_use, {"host_id": thing}))


def _quotas(books: Books) -> Iterator[Suspect]:
    taken: dict[str, Counter[str]] = {}
    for row in books.placements:
        taken.setdefault(row["project_id"], Counter()).update(_size(row).quota)
    counted = (
        (f"{row['project_id']} {row['type']}", {"used": row["used"]},
         {"used": taken.get(row["project_id"], Counter())[row["type"]]})
        for row in books.quotas
    )  # fmt: skip
    yield from _wrong(
        "quota of project",
        counted,
        lambda thing: (quotas, dict(zip(("project_id", "type"), thing.split(), strict=True))),
    )


def _size(row: Row) -> Size:
    return Size(row["vcpus"], row["memory_mib"], row["disk_gib"], bool(row["is_gpu"]))


def _wrong(
    kind: str, counted: Iterable[tuple[str, Mapping[str, int], Mapping[str, int]]], place: Any
) -> Iterator[Suspect]:
    for thing, says, true in counted:
        if says != true:
            why = ", ".join(f"{name} says {says[name]}, is {true[name]}" for name in says if says[name] != true[name])
            table, key = place(thing)
            yield Suspect(Leak(kind, thing, why, "count again"), _setting(table, key, true))


def _setting(table: Table, key: Mapping[str, str], values: Mapping[str, int]) -> Any:
    where = and_(*(table.c[name] == value for name, value in key.items()))

    def mend(tx: Tx) -> None:
        tx.run(update(table).where(where).values(**values))

    return mend
