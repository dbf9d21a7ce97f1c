"""The hand that moves a simulated world from outside: any process may look, inject faults and move time.

with World(data_dir) as world:
    fault = Fault("create_server", at="after", error="crash")
    world.inject(fault)
    ...                                 # goldsmith works, dies, is started again
    assert world.fired()[fault] == 1
    assert world.effects("create_server") == 1
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from goldsmith.clouds.port import ImageInfo, ServerInfo
from goldsmith.clouds.simulated import faults, ledger, physics
from goldsmith.clouds.simulated.clock import Clock, RunningClock
from goldsmith.clouds.simulated.faults import Behaviour, CallName, Fault


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that could have changed something, or was struck by a fault, in the order of the world.

    `outcome` is `changed`, `unchanged` (found what was wanted), `refused` or `prevented` (by a fault before
    it); `fault` is "" or where and how one struck, as in `after:crash`. `at` is simulated time, `process` a
    process id.
    """

    seq: int
    at: float
    process: int
    call: CallName
    subject: str
    key: str
    outcome: Literal["changed", "unchanged", "refused", "prevented"]
    fault: str


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that a guest ran. Its input is only known by its SHA-256, since secrets travel there."""

    seq: int
    at: float
    server_id: str
    argv: tuple[str, ...]
    stdin_sha256: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A reserved address, with the key it was created with."""

    id: str
    key: str
    subnet_id: str
    ip_address: str
    mac_address: str


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A server: all it was made from, the `key` of its creation, and `info` as the driver shows it."""

    info: ServerInfo
    key: str
    name: str
    image: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    volume_type: str
    zone: str
    port_id: str
    created_at: float
    metadata: dict[str, str]

    @property
    def id(self) -> str:
        """The id its creator chose."""
        return self.info.id


class World:
    """The world of a data folder, founded if there is none yet. Belongs to the thread that makes it.

    `clock` has to be the driver's, if the driver was given one. Raises `Refused` when the file cannot be
    used.
    """

    def __init__(self, data_dir: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or RunningClock()
        file = ledger.world_file(data_dir)
        ledger.found(file, self._clock.now())
        self._db = ledger.connect(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # what is to go wrong

    def inject(self, fault: Fault) -> None:
        """Arm a fault: it strikes the next calls it fits, in whichever process they are made."""
        faults.inject(self._db, fault)

    def fired(self) -> dict[Fault, int]:
        """Every injected fault and how often it really fired; 0 says that a test did not test what it meant
        to.
        """
        return faults.fired(self._db)

    def clear_faults(self) -> None:
        """Forget all faults, and what fired."""
        self._db.execute("DELETE FROM faults")

    def behave(self, behaviour: Behaviour) -> None:
        """Let machines misbehave that are started from now on; one of the same kind and match is replaced."""
        self._db.execute(
            "INSERT OR REPLACE INTO behaviours VALUES (?, ?, ?)",
            (behaviour.kind, behaviour.match, behaviour.message),
        )

    def clear_behaviours(self) -> None:
        """Let every machine that is started from now on behave."""
        self._db.execute("DELETE FROM behaviours")

    # time

    def now(self) -> float:
        """Seconds on the simulated clock since the world was founded."""
        return ledger.moment(self._db, self._clock.now()).now

    def advance(self, seconds: float) -> None:
        """Let simulated time jump ahead: guests boot at once. Calls that are already waiting wait on."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} seconds")
        ledger.set_clock(self._db, self._clock.now(), ahead=seconds)

    # what there is, and what happened

    def register_image(self, image_id: str, virtual_bytes: int, stored_bytes: int | None = None) -> None:
        """As `SimulatedCloud.register_image`."""
        stored = virtual_bytes if stored_bytes is None else stored_bytes
        physics.register_image(self._db, ImageInfo(image_id, virtual_bytes, stored))

    def forget_image(self, image_id: str) -> None:
        """Lose an image, as a real cloud may; servers made from it run on."""
        self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def images(self) -> Sequence[ImageInfo]:
        """Every image, by id."""
        rows = self._db.execute("SELECT id, virtual_bytes, stored_bytes FROM images ORDER BY id").fetchall()
        return [ImageInfo(*row) for row in rows]

    def servers(self) -> Sequence[ServerRecord]:
        """Every server, oldest first."""
        now = self.now()
        infos = [machine.info(now) for machine in physics.machines(self._db)]
        rows = self._db.execute(
            "SELECT id, key, name, image, vcpus, memory_mib, disk_gib, volume_type, zone, port_id,"
            " created_at, metadata FROM servers"
        ).fetchall()
        details = {server_id: (*columns, json.loads(metadata)) for server_id, *columns, metadata in rows}
        return [ServerRecord(info, *details[info.id]) for info in infos if info.id in details]

    def ports(self) -> Sequence[PortRecord]:
        """Every reserved port, oldest first."""
        rows = self._db.execute(
            "SELECT id, key, subnet_id, ip_address, mac_address FROM ports ORDER BY rowid"
        ).fetchall()
        return [PortRecord(*row) for row in rows]

    def calls(self, *, after: int = 0) -> Sequence[CallRecord]:
        """The latest calls (20,000 at least), those with a `seq` above `after`, oldest first; calls that only read
        are not kept.
        """
        rows = self._db.execute(
            "SELECT seq, at, process, call, subject, key, outcome, fault FROM calls WHERE seq > ? ORDER BY seq",
            (after,),
        ).fetchall()
        return [CallRecord(*row) for row in rows]

    def effects(self, call: CallName, *, subject: str = "", key: str = "") -> int:
        """How many remembered calls of this name really changed the world; of one thing or key if given."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM calls WHERE call = ? AND outcome = 'changed'"
            " AND (? = '' OR subject = ?) AND (? = '' OR key = ?)",
            (call, subject, subject, key, key),
        ).fetchone()
        return int(count)

    def commands(self, server_id: str = "") -> Sequence[CommandRecord]:
        """The latest commands run in guests, oldest first; of one server if given."""
        rows = self._db.execute(
            "SELECT seq, at, server_id, argv, stdin_sha256, exit_code FROM commands"
            " WHERE ? = '' OR server_id = ? ORDER BY seq",
            (server_id, server_id),
        ).fetchall()
        return [
            CommandRecord(seq, at, server, tuple(json.loads(argv)), digest, exit_code)
            for seq, at, server, argv, digest, exit_code in rows
        ]
