"""The laws of the simulated world: what each call does to it.

Every function works within a transaction of its caller, looks before it acts, and raises before it has
changed anything. All times are on the simulated clock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from goldsmith.clouds.port import (
    DoesNotExist,
    Host,
    ImageInfo,
    PortSpec,
    Power,
    Refused,
    ServerInfo,
    ServerSpec,
    StopMode,
    TryAgainLater,
)
from goldsmith.clouds.simulated import faults
from goldsmith.clouds.simulated.transaction import Effect

GIB = 1024**3
GONE_LIMIT = 100_000
"""Deleted ids that are remembered, at least; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The moving parts of a server: when it was started, when its guest answers, when and why it dies by
    itself.
    """

    id: str
    name: str
    host: str
    usable_at: float
    started_at: float | None
    ready_at: float | None
    dies_at: float | None
    cause: str

    COLUMNS = "id, name, host, usable_at, started_at, ready_at, dies_at, cause"

    def has_died(self, now: float) -> bool:
        """Whether it stopped by itself."""
        return self.dies_at is not None and self.dies_at <= now

    def runs(self, now: float) -> bool:
        """Whether it executes."""
        return self.started_at is not None and not self.has_died(now)

    def answers(self, now: float) -> bool:
        """Whether its guest has booted."""
        return self.runs(now) and self.ready_at is not None and self.ready_at <= now

    def booted(self, now: float) -> float:
        """The part of its boot that is done, 0.0 to 1.0; a guest that never answers gets nowhere."""
        if self.started_at is None or self.ready_at is None or self.ready_at <= self.started_at:
            return float(self.answers(now))
        return min(1.0, (now - self.started_at) / (self.ready_at - self.started_at))

    def info(self, now: float) -> ServerInfo:
        """As the port shows it."""
        power = Power.RUNNING if self.runs(now) else Power.STOPPED
        return ServerInfo(self.id, power, self.host, self.cause if self.has_died(now) else "")


def machine(db: sqlite3.Connection, server_id: str) -> Machine:
    """The server with this id; `DoesNotExist` when there is none."""
    row = db.execute(f"SELECT {Machine.COLUMNS} FROM servers WHERE id = ?", (server_id,)).fetchone()  # noqa: S608
    if row is None:
        raise DoesNotExist(f"Server {server_id} does not exist.")
    return Machine(*row)


def machines(db: sqlite3.Connection) -> list[Machine]:
    """Every server, oldest first."""
    return [Machine(*row) for row in db.execute(f"SELECT {Machine.COLUMNS} FROM servers ORDER BY rowid")]  # noqa: S608


def image(db: sqlite3.Connection, image_id: str) -> ImageInfo:
    """The image with this id; `DoesNotExist` when it was not registered."""
    row = db.execute("SELECT id, virtual_bytes, stored_bytes FROM images WHERE id = ?", (image_id,)).fetchone()
    if row is None:
        raise DoesNotExist(f"Image {image_id} does not exist in the simulated cloud.")
    return ImageInfo(*row)


def register_image(db: sqlite3.Connection, image: ImageInfo) -> None:
    """Make an image known, or change its sizes."""
    db.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", (image.id, image.virtual_bytes, image.stored_bytes))


def create_port(db: sqlite3.Connection, key: str, port: PortSpec) -> Effect[None]:
    """Reserve the address, unless this port has it; `Refused` when another port of the subnet has it, or when this
    one was deleted.
    """
    _refuse_gone(db, port.id)
    holders = db.execute(
        "SELECT id FROM ports WHERE id = ? OR (subnet_id = ? AND ip_address = ?)",
        (port.id, port.subnet_id, port.ip_address),
    ).fetchall()
    if (port.id,) in holders:
        return Effect(None)
    if holders:
        raise Refused(f"Address {port.ip_address} of subnet {port.subnet_id} is held by port {holders[0][0]}.")
    db.execute(
        "INSERT INTO ports VALUES (?, ?, ?, ?, ?)",
        (port.id, key, port.subnet_id, port.ip_address, port.mac_address),
    )
    return Effect(None, changed=True)


def delete_port(db: sqlite3.Connection, port_id: str) -> Effect[None]:
    """Give the address back, if it is reserved."""
    _note_gone(db, port_id)
    return Effect(None, changed=db.execute("DELETE FROM ports WHERE id = ?", (port_id,)).rowcount > 0)


def create_server(
    db: sqlite3.Connection, now: float, key: str, spec: ServerSpec, hosts: Mapping[str, Host], seconds: float
) -> Effect[None]:
    """Make the server, usable after `seconds`, unless it is there already.

    `DoesNotExist` for an image or port that is not there; `Refused` for an unknown host, one without room for
    the memory, a disk smaller than the image, a port that another server uses, or a server that was deleted.
    """
    _refuse_gone(db, spec.id)
    made = db.execute("SELECT usable_at FROM servers WHERE id = ?", (spec.id,)).fetchone()
    if made is not None:
        return Effect(None, ends=made[0])
    source = image(db, spec.image)
    if spec.disk_gib * GIB < source.virtual_bytes:
        needed = -(-source.virtual_bytes // GIB)
        raise Refused(f"A disk of {spec.disk_gib} GiB is too small for image {source.id}: it needs {needed} GiB.")
    _check_port(db, spec.port.id)
    _check_room(db, spec, hosts)
    db.execute(
        "INSERT INTO servers (id, key, name, image, vcpus, memory_mib, disk_gib, volume_type, host, zone,"
        " port_id, metadata, created_at, usable_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            spec.id, key, spec.name, spec.image, spec.vcpus, spec.memory_mib, spec.disk_gib, spec.volume_type,
            spec.host, spec.zone, spec.port.id, json.dumps(spec.metadata), now, now + seconds,
        ),
    )  # fmt: skip
    return Effect(None, changed=True, ends=now + seconds)


def _note_gone(db: sqlite3.Connection, thing: str) -> None:
    row = db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (thing,)).lastrowid
    if row is not None and row % GONE_LIMIT == 0:
        db.execute("DELETE FROM gone WHERE rowid <= ?", (row - GONE_LIMIT,))


def _refuse_gone(db: sqlite3.Connection, thing: str) -> None:
    if db.execute("SELECT 1 FROM gone WHERE id = ?", (thing,)).fetchone() is not None:
        raise Refused(f"{thing} was deleted, so nothing is made under this id again.")


def _check_port(db: sqlite3.Connection, port_id: str) -> None:
    exists, user = db.execute(
        "SELECT EXISTS (SELECT 1 FROM ports WHERE id = :id), (SELECT id FROM servers WHERE port_id = :id)",
        {"id": port_id},
    ).fetchone()
    if not exists:
        raise DoesNotExist(f"Port {port_id} does not exist: reserve it before the server is made.")
    if user is not None:
        raise Refused(f"Port {port_id} is used by server {user}.")


def _check_room(db: sqlite3.Connection, spec: ServerSpec, hosts: Mapping[str, Host]) -> None:
    host = hosts.get(spec.host)
    if host is None:
        raise Refused(f"Host {spec.host} does not exist; the hosts are {', '.join(hosts)}.")
    row = db.execute("SELECT memory_mib FROM host_use WHERE host = ?", (host.id,)).fetchone()
    free = host.memory_mib - (row[0] if row else 0)
    if spec.memory_mib > free:
        raise Refused(f"Host {host.id} has no room: {spec.memory_mib} MiB of memory are wanted, {free} MiB are free.")


def start_server(db: sqlite3.Connection, now: float, server_id: str, boot_seconds: float) -> Effect[None]:
    """Power on, unless it runs; its guest answers after `boot_seconds`, if its behaviours let it."""
    subject = machine(db, server_id)
    if subject.runs(now):
        return Effect(None)
    ready_at: float | None = now + boot_seconds
    dies_at, cause = None, ""
    for behaviour in faults.behaviours(db, subject.name):
        if behaviour.kind == "guest_never_answers":
            ready_at = None
        else:
            dies_at, cause = now + boot_seconds / 2, behaviour.text
    db.execute(
        "UPDATE servers SET started_at = ?, ready_at = ?, dies_at = ?, cause = ? WHERE id = ?",
        (now, ready_at, dies_at, cause, server_id),
    )
    return Effect(None, changed=True)


def stop_server(
    db: sqlite3.Connection, now: float, server_id: str, mode: StopMode, patience: float, stop_seconds: float
) -> Effect[None]:
    """Power off, unless stopped: a soft stop takes `stop_seconds`, or `patience` when the guest does not
    listen.
    """
    subject = machine(db, server_id)
    if not subject.runs(now):
        return Effect(None)
    db.execute(
        "UPDATE servers SET started_at = NULL, ready_at = NULL, dies_at = NULL, cause = '' WHERE id = ?",
        (server_id,),
    )
    if mode is StopMode.HARD:
        return Effect(None, changed=True)
    seconds = min(stop_seconds, patience) if subject.answers(now) else patience
    return Effect(None, changed=True, ends=now + seconds)


def delete_server(db: sqlite3.Connection, server_id: str) -> Effect[None]:
    """Remove the server, running or not, if it is there."""
    _note_gone(db, server_id)
    return Effect(None, changed=db.execute("DELETE FROM servers WHERE id = ?", (server_id,)).rowcount > 0)


def guest_ready(db: sqlite3.Connection, now: float, server_id: str) -> bool:
    """Whether the guest answers; `Refused` with the cause when the machine has died."""
    subject = machine(db, server_id)
    if subject.has_died(now):
        raise Refused(subject.cause)
    return subject.answers(now)


def run_command(
    db: sqlite3.Connection, now: float, server_id: str, argv: list[str], stdin_sha256: str, exit_code: int
) -> None:
    """Note that the guest ran this; `TryAgainLater` when it does not answer, `Refused` when the machine has
    died.
    """
    if not guest_ready(db, now, server_id):
        raise TryAgainLater(f"The guest of server {server_id} does not answer.")
    db.execute(
        "INSERT INTO commands (at, server_id, argv, stdin_sha256, exit_code) VALUES (?, ?, ?, ?, ?)",
        (now, server_id, json.dumps(argv), stdin_sha256, exit_code),
    )
