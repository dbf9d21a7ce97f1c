"""The simulated driver: every call is a transaction on the world (`transaction.py`), then the wait it takes.

The effect of a call is on record *before* its answer comes, as with any cloud at the other end of a network:
who stops waiting, or dies, has made the thing all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from goldsmith.clouds.port import (
    CommandResult,
    Host,
    ImageInfo,
    PortSpec,
    Refused,
    ServerInfo,
    ServerSpec,
    StopMode,
    TryAgainLater,
)
from goldsmith.clouds.simulated import guest, ledger, physics, screen, transaction
from goldsmith.clouds.simulated.clock import Clock, RunningClock
from goldsmith.clouds.simulated.connections import Connections
from goldsmith.clouds.simulated.faults import Call, Fault, Struck
from goldsmith.clouds.simulated.ledger import Moment
from goldsmith.clouds.simulated.transaction import Act, Done, Effect
from goldsmith.settings import SimulatedSettings

T = TypeVar("T")


class SimulatedCloud:
    """A `Cloud` whose machines are rows in a file: `data_dir/simulated/world.db`.

    `settings` says how long things take and how large the hosts are; `clock` where real time comes from. Any
    number of drivers, in any number of processes, may share a `data_dir`; the speed is that of the last one
    opened.
    """

    def __init__(self, settings: SimulatedSettings, data_dir: Path, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._file = ledger.world_file(data_dir)
        self._clock = clock or RunningClock()
        self._connections = Connections(self._file)
        self._hung: set[asyncio.Future[None]] = set()
        self._hosts = {
            host.id: host
            for zone in settings.zones
            for host in (
                Host(
                    f"{zone}-host-{number}",
                    zone,
                    settings.host_vcpus,
                    settings.host_memory_mib,
                    settings.host_disk_gib,
                )
                for number in range(1, settings.hosts_per_zone + 1)
            )
        }

    async def open(self) -> None:
        """Find the world, or found it. `Refused` when its file cannot be used."""
        await asyncio.get_running_loop().run_in_executor(None, self._found)
        self._connections.open()

    async def attach(self) -> None:
        """Use the world as it is: its speed stays that of whoever serves."""
        await asyncio.get_running_loop().run_in_executor(None, ledger.found, self._file, self._clock.now())
        self._connections.open()

    async def close(self) -> None:
        """Let go of the file; the world goes on."""
        await self._connections.close()

    async def register_image(self, image_id: str, virtual_bytes: int, stored_bytes: int | None = None) -> None:
        """Make an image known to the cloud, so that servers can be made from it; repeat it to change its
        sizes.

        `stored_bytes` is `virtual_bytes` when not given. `TryAgainLater` when the file cannot be written.
        """
        image = ImageInfo(image_id, virtual_bytes, virtual_bytes if stored_bytes is None else stored_bytes)
        await self._connections.run(lambda db: physics.register_image(db, image))

    async def hosts(self) -> Sequence[Host]:
        """The hosts of the settings: `ZONE-host-N`, zone by zone."""
        return await self._look(Call("hosts"), lambda db, now: list(self._hosts.values()))

    async def find_image(self, image: str) -> ImageInfo:
        """See `Cloud.find_image`; images exist when they were registered."""
        return await self._look(Call("find_image", image), lambda db, now: physics.image(db, image))

    async def create_port(self, key: str, port: PortSpec) -> None:
        """See `Cloud.create_port`; `Refused` when another port of the subnet has the address."""
        await self._change(Call("create_port", port.id, key), lambda db, now: physics.create_port(db, key, port))

    async def delete_port(self, port_id: str) -> None:
        """See `Cloud.delete_port`."""
        await self._change(Call("delete_port", port_id), lambda db, now: physics.delete_port(db, port_id))

    async def create_server(self, key: str, spec: ServerSpec) -> None:
        """See `Cloud.create_server` and `physics.create_server`; answers after `create_seconds`."""
        await self._change(
            Call("create_server", spec.id, key, (spec.name,)),
            lambda db, now: physics.create_server(db, now.now, key, spec, self._hosts, self._settings.create_seconds),
        )

    async def start_server(self, server_id: str) -> None:
        """See `Cloud.start_server`; the guest answers after `boot_seconds`."""
        await self._change(
            Call("start_server", server_id),
            lambda db, now: physics.start_server(db, now.now, server_id, self._settings.boot_seconds),
        )

    async def stop_server(self, server_id: str, mode: StopMode, *, patience: float = 30.0) -> None:
        """See `Cloud.stop_server`; a soft stop takes `stop_seconds`, at most `patience`."""
        await self._change(
            Call("stop_server", server_id),
            lambda db, now: physics.stop_server(db, now.now, server_id, mode, patience, self._settings.stop_seconds),
        )

    async def delete_server(self, server_id: str) -> None:
        """See `Cloud.delete_server`."""
        await self._change(Call("delete_server", server_id), lambda db, now: physics.delete_server(db, server_id))

    async def describe_server(self, server_id: str) -> ServerInfo:
        """See `Cloud.describe_server`."""
        return await self._look(
            Call("describe_server", server_id),
            lambda db, now: physics.machine(db, server_id).info(now.now),
        )

    async def list_servers(self) -> Sequence[ServerInfo]:
        """See `Cloud.list_servers`; oldest first."""
        return await self._look(
            Call("list_servers"),
            lambda db, now: [machine.info(now.now) for machine in physics.machines(db)],
        )

    async def list_ports(self) -> Sequence[str]:
        """See `Cloud.list_ports`; oldest first."""
        return await self._look(
            Call("list_ports"),
            lambda db, now: [port_id for (port_id,) in db.execute("SELECT id FROM ports ORDER BY rowid")],
        )

    async def guest_ready(self, server_id: str) -> bool:
        """See `Cloud.guest_ready`."""
        return await self._look(
            Call("guest_ready", server_id), lambda db, now: physics.guest_ready(db, now.now, server_id)
        )

    async def run_in_guest(
        self, server_id: str, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0
    ) -> CommandResult:
        """See `Cloud.run_in_guest`; what the guest can do stands in `guest.py`.

        The command line and the SHA-256 of `stdin` are kept in the world, `stdin` itself is not.
        """
        result = guest.answer(command, stdin)
        digest = hashlib.sha256(stdin).hexdigest()
        seconds = min(timeout, self._settings.command_seconds)

        def act(db: sqlite3.Connection, now: Moment) -> Effect[None]:
            physics.run_command(db, now.now, server_id, list(command), digest, result.exit_code)
            return Effect(None, changed=True, ends=now.now + seconds)

        await self._change(Call("run_in_guest", server_id, labels=(" ".join(command),)), act)
        if timeout < self._settings.command_seconds:
            raise TryAgainLater(f"The command {command[0]} has not ended within {timeout:g} seconds.")
        return result

    async def screenshot(self, server_id: str) -> bytes:
        """See `Cloud.screenshot`; `Refused` when the machine does not run."""

        def see(db: sqlite3.Connection, now: Moment) -> float:
            machine = physics.machine(db, server_id)
            if not machine.runs(now.now):
                raise Refused(f"Server {server_id} does not run: it shows no screen.")
            return machine.booted(now.now)

        return screen.picture(server_id, await self._look(Call("screenshot", server_id), see))

    def _found(self) -> None:
        now = self._clock.now()
        ledger.found(self._file, now)
        db = ledger.connect(self._file)
        try:
            ledger.set_clock(db, now, speed=self._settings.speed)
        finally:
            db.close()

    async def _look(self, call: Call, see: Callable[[sqlite3.Connection, Moment], T]) -> T:
        return await self._perform(transaction.look, call, lambda db, now: Effect(see(db, now)))

    async def _change(self, call: Call, act: Act[None]) -> None:
        await self._perform(transaction.change, call, act)

    async def _perform(
        self, how: Callable[[sqlite3.Connection, float, Call, Act[T]], Done[T]], call: Call, act: Act[T]
    ) -> T:
        try:
            done = await self._connections.run(lambda db: how(db, self._clock.now(), call, act))
        except Struck as struck:
            await self._suffer(struck.fault)
        await self._clock.sleep(done.wait)
        return done.value

    async def _suffer(self, fault: Fault) -> NoReturn:
        match fault.error:
            case "again":
                raise TryAgainLater(fault.text)
            case "refused":
                raise Refused(fault.text)
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                pass
        # Kept in a set, since nobody else may hold on to who waits for what never comes.
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hung.add(never)
        try:
            await never
        finally:
            self._hung.discard(never)
        raise AssertionError("a hanging call returned")
