"""Which host a machine goes to, and what it takes there.

A claim is made in the transaction that accepts a request and given back in the one that ends the machine, so the
sum of what is claimed never exceeds what a host has. Counters per host keep the check independent of how many
machines there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from goldsmith.clouds.port import Host
from goldsmith.image_servers.models import host_use, placements
from goldsmith.store import Row, Tx, prepare

_USE = prepare(select(host_use))
_ADD_HOST = prepare(insert(host_use))
_TAKE = prepare(
    update(host_use)
    .where(host_use.c.host_id == bindparam("host"))
    .values(
        vcpus=host_use.c.vcpus + bindparam("cpus"),
        memory_mib=host_use.c.memory_mib + bindparam("memory"),
        disk_gib=host_use.c.disk_gib + bindparam("disk"),
    )
)
_PLACE = prepare(insert(placements))
_UNPLACE = prepare(delete(placements).where(placements.c.instance_id == bindparam("id")).returning(placements))


@dataclass(frozen=True, slots=True)
class Size:
    """What a machine takes: virtual CPUs, MiB of memory, GiB of disk."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    is_gpu: bool = False

    @property
    def quota(self) -> dict[str, int]:
        """The same in the quota types of the contract."""
        need = {"INSTANCES": 1, "VOLUMES": 1, "VOLUME_GIGABYTES": self.disk_gib, "CORES": self.vcpus,
                "MEMORY": self.memory_mib}  # fmt: skip
        return need | ({"GPU_INSTANCES": 1} if self.is_gpu else {})


@dataclass(frozen=True, slots=True)
class Released:
    """A claim that was given back."""

    project_id: str
    size: Size


class Placement:
    """Hosts and the claims on them; every function runs inside the caller's transaction."""

    def __init__(self, hosts: Sequence[Host] = ()) -> None:
        self.hosts = tuple(hosts)

    def host(self, host_id: str) -> Host | None:
        """The host with this id."""
        return next((host for host in self.hosts if host.id == host_id), None)

    def declare(self, tx: Tx, hosts: Sequence[Host]) -> None:
        """Take over the cloud's hosts; claims on those that are known stay."""
        self.hosts = tuple(hosts)
        known = {row["host_id"] for row in tx.rows(_USE)}
        for host in hosts:
            if host.id not in known:
                tx.run(_ADD_HOST, {"host_id": host.id, "vcpus": 0, "memory_mib": 0, "disk_gib": 0})

    def with_room(self, tx: Tx, size: Size) -> list[Host]:
        """The hosts that can take a machine of this size now."""
        used = {row["host_id"]: row for row in tx.rows(_USE)}
        return [host for host in self.hosts if host.id in used and _fits(host, used[host.id], size)]

    def choose(self, hosts: Sequence[Host]) -> Host:
        """A zone by chance, as the contract says, and a host in it by chance."""
        zone = random.choice(sorted({host.zone for host in hosts}))  # noqa: S311 - spreads load, protects nothing
        return random.choice([host for host in hosts if host.zone == zone])  # noqa: S311

    def claim(self, tx: Tx, instance_id: str, project_id: str, host: Host, size: Size) -> None:
        """Take room on a host for a machine."""
        tx.run(
            _PLACE,
            {"instance_id": instance_id, "project_id": project_id, "host_id": host.id, "vcpus": size.vcpus,
             "memory_mib": size.memory_mib, "disk_gib": size.disk_gib, "is_gpu": int(size.is_gpu)},
        )  # fmt: skip
        tx.run(_TAKE, {"host": host.id, "cpus": size.vcpus, "memory": size.memory_mib, "disk": size.disk_gib})

    def release(self, tx: Tx, instance_id: str) -> Released | None:
        """Give the room back; None when it was given back already."""
        row = next(iter(tx.rows(_UNPLACE, {"id": instance_id})), None)
        if row is None:
            return None
        size = Size(row["vcpus"], row["memory_mib"], row["disk_gib"], bool(row["is_gpu"]))
        tx.run(_TAKE, {"host": row["host_id"], "cpus": -size.vcpus, "memory": -size.memory_mib, "disk": -size.disk_gib})
        return Released(row["project_id"], size)


def _fits(host: Host, used: Row, size: Size) -> bool:
    return bool(
        used["vcpus"] + size.vcpus <= host.vcpus
        and used["memory_mib"] + size.memory_mib <= host.memory_mib
        and used["disk_gib"] + size.disk_gib <= host.disk_gib
    )
