"""The Cloud of one host: every machine a QEMU process, all state in the data folder.

Nothing is remembered in this process that matters: a second `QemuCloud` on the same data folder, in this process or
another, sees and steers the same machines. Layout of the data folder:

    images/<image id>.qcow2         read-only, shared; `<image id>.vmlinuz`, its kernel, for the accelerator probe
    machines/<server id>/           see `machine`
    machines.lock                   see `locks`
    ports/                          see `ports`
    accelerator/                    what `probing` found out
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from goldsmith.clouds.port import (
    CommandResult,
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
from goldsmith.clouds.qemu import disk, process, remains
from goldsmith.clouds.qemu.agent import GuestAgent
from goldsmith.clouds.qemu.gone import Gone
from goldsmith.clouds.qemu.locks import Locks
from goldsmith.clouds.qemu.machine import AGENT_CHARDEV, addresses, command_line, partial, plain_name
from goldsmith.clouds.qemu.monitor import Monitors
from goldsmith.clouds.qemu.ports import PortBook
from goldsmith.clouds.qemu.probing import Probe, probe
from goldsmith.clouds.qemu.refusals import DISK_IN_USE, DiskInUse, os_errors
from goldsmith.clouds.qemu.shelf import Shelf
from goldsmith.clouds.qemu.threads import to_the_end
from goldsmith.settings import QemuSettings

_LOCK_SECONDS = 10.0
_START_SECONDS = 30.0
_QUIT_SECONDS = 5.0
_KILL_SECONDS = 20.0
_RELEASE_SECONDS = 5.0
_RELEASE_PAUSE = 0.05
_PING_SECONDS = 2.0
_POWER_BUTTON_SECONDS = 3.0
"""The button is pressed again after this time: a guest that is still booting does not notice the first press."""
_VCPUS_PER_CPU = 8
_DISK_OVERCOMMIT = 10
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Lines:
    """The two lines to a machine."""

    qemu: Monitors
    guest: GuestAgent


class QemuCloud:
    """See the module's text. `data_dir` need not exist yet; call `open` first."""

    def __init__(self, settings: QemuSettings, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir.absolute()
        self._images = self._data_dir / "images"
        # Resolved, since it is compared with what the kernel says about running processes.
        self._shelf = Shelf((self._data_dir / "machines").resolve())
        self._ports = PortBook(self._data_dir / "ports")
        self._gone = Gone(self._data_dir / "gone")
        self._locks = Locks(self._data_dir / "machines.lock")
        self._identity = process.Identity.for_machines(settings.uid)
        self._lines: dict[str, _Lines] = {}
        self._probe: Probe | None = None
        self._probing = asyncio.Lock()

    async def open(self) -> None:
        """Create the folders and clear away what a crash left half made. Works without QEMU; steps then say so."""
        with os_errors(self._data_dir):
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._images.mkdir(mode=0o755, exist_ok=True)
            self._shelf.root.mkdir(mode=0o711, exist_ok=True)
            self._ports.open()
            for server_id in self._shelf.leftovers():
                with self._locks.if_free(server_id) as free:
                    if free:
                        await asyncio.to_thread(shutil.rmtree, partial(self._shelf.folder(server_id)))

    async def close(self) -> None:
        """Machines run on; there are no lasting connections to let go of."""
        self._lines.clear()

    async def accelerator(self) -> Probe:
        """What machines run on, found out at the first call (seconds, unless it is already on file)."""
        async with self._probing:
            if self._probe is None:
                kernel = next(iter(sorted(self._images.glob("*.vmlinuz"))), None)
                self._probe = await probe(self._settings, self._data_dir / "accelerator", kernel)
            return self._probe

    # -- host and images ---------------------------------------------------------------------------------------

    async def hosts(self) -> Sequence[Host]:
        """This host."""
        settings = self._settings
        with os_errors(self._data_dir):
            free = shutil.disk_usage(self._data_dir).free
        memory_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
        return [
            Host(
                id=settings.host_id,
                zone=settings.zone,
                vcpus=settings.host_vcpus or (os.cpu_count() or 1) * _VCPUS_PER_CPU,
                memory_mib=settings.host_memory_mib or memory_mib * 3 // 4,
                disk_gib=settings.host_disk_gib or free * _DISK_OVERCOMMIT // disk.GIB,
            )
        ]

    async def find_image(self, image: str) -> ImageInfo:
        """The image with this id, as its file tells."""
        path = disk.image_path(self._images, image)
        with os_errors(path):
            return disk.read_image(path, image)

    # -- ports -------------------------------------------------------------------------------------------------

    async def create_port(self, key: str, port: PortSpec) -> None:
        """Note the reservation; on one host that is all there is to do."""
        with os_errors(self._data_dir):
            async with self._locks.hold(port.id, _LOCK_SECONDS):
                self._gone.refuse(plain_name("port id", port.id))
                await to_the_end(self._ports.reserve, key, port)

    async def delete_port(self, port_id: str) -> None:
        """Drop the reservation."""
        with os_errors(self._data_dir):
            async with self._locks.hold(port_id, _LOCK_SECONDS):
                await to_the_end(self._ports.release, port_id)
                await to_the_end(self._gone.note, port_id)

    async def list_ports(self) -> Sequence[str]:
        """The ids of every reservation."""
        return await asyncio.to_thread(self._ports.ids)

    # -- servers -----------------------------------------------------------------------------------------------

    async def create_server(self, key: str, spec: ServerSpec) -> None:
        """Build the machine's folder aside and rename it into place."""
        folder = self._shelf.folder(spec.id)
        addresses(spec.port)  # a network that cannot be is refused now rather than at the start
        with os_errors(self._data_dir):
            async with self._locks.hold(spec.id, _LOCK_SECONDS):
                if folder.exists():
                    return
                self._gone.refuse(folder.name)
                info = await self.find_image(spec.image)
                disk.check_size(info, spec.disk_gib)
                unfinished = partial(folder)
                try:
                    await to_the_end(disk.prepare_folder, unfinished, self._identity)
                    image = disk.image_path(self._images, spec.image)
                    await to_the_end(disk.link_base, image, unfinished)
                    await disk.create_overlay(unfinished, spec.disk_gib, self._identity)
                    await to_the_end(self._shelf.publish, key, spec)
                except BaseException:
                    shutil.rmtree(unfinished, ignore_errors=True)
                    raise

    async def start_server(self, server_id: str) -> None:
        """Start QEMU unless it runs, and wait until it says that it executes the guest."""
        with os_errors(self._data_dir):
            spec = self._shelf.read(server_id)
            probed = await self.accelerator()
            command = command_line(spec, self._settings, probed.accelerator)
            async with self._locks.hold(server_id, _LOCK_SECONDS):
                folder = self._shelf.existing(server_id)
                running = await asyncio.to_thread(process.find, folder, thorough=True)
                if running is None:
                    self._shelf.mark_started(server_id, meant_to_run=False)
                    await self._launch(server_id, command, folder)
                else:
                    with running:
                        await self._wait_until_it_runs(server_id, running)
                self._shelf.mark_started(server_id, meant_to_run=True)

    async def _launch(self, server_id: str, command: Sequence[str], folder: Path) -> None:
        """Start QEMU. One that was just killed may hold on to the disk for a moment when it is not seen any more."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RELEASE_SECONDS
        while True:
            with await to_the_end(process.launch, server_id, command, folder, self._identity) as running:
                try:
                    return await self._wait_until_it_runs(server_id, running)
                except DiskInUse:
                    if loop.time() > deadline:
                        raise
            await asyncio.sleep(_RELEASE_PAUSE)

    async def _wait_until_it_runs(self, server_id: str, running: process.Running) -> None:
        pause = 0.01
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_SECONDS
        while True:
            if await running.ended(pause):
                said = self._shelf.last_words(server_id) or process.ending(server_id)
                kind = DiskInUse if said.startswith(DISK_IN_USE) else Refused
                raise kind(f"QEMU ended at once: {said or 'it gave no reason'}")
            try:
                async with self._line(server_id).qemu.converse() as qemu:
                    await qemu.execute("query-status")
                    return
            except TryAgainLater:
                if loop.time() > deadline:
                    running.kill()
                    await running.ended(_KILL_SECONDS)
                    raise
            pause = min(2 * pause, 0.1)

    async def stop_server(self, server_id: str, mode: StopMode, *, patience: float = 30.0) -> None:
        """Power off, and return only when the process is gone."""
        with os_errors(self._data_dir):
            folder = self._shelf.existing(server_id)
            async with self._locks.hold(server_id, _LOCK_SECONDS):
                if not folder.exists():
                    raise DoesNotExist(f"there is no machine {server_id}")
                running = await asyncio.to_thread(process.find, folder, thorough=True)
                # First the intent: a guest that now ends has not failed.
                self._shelf.mark_started(server_id, meant_to_run=False)
                if running is None:
                    return
                with running:
                    if mode is StopMode.SOFT and await self._shut_down(server_id, running, patience):
                        return
                    await self._cut_power(server_id, running)

    async def _shut_down(self, server_id: str, running: process.Running, patience: float) -> bool:
        """Press the power button until the guest has gone, at most `patience` seconds; whether it has."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while (left := deadline - loop.time()) > 0:
            try:
                async with self._line(server_id).qemu.converse() as qemu:
                    await qemu.execute("system_powerdown")
            except (TryAgainLater, Refused):
                pass  # ended in this moment, or QEMU hangs: waiting tells
            if await running.ended(min(left, _POWER_BUTTON_SECONDS)):
                return True
        return False

    async def _cut_power(self, server_id: str, running: process.Running) -> None:
        try:
            async with self._line(server_id).qemu.converse() as qemu:
                await qemu.execute("quit")  # writes out what the guest has written
        except (TryAgainLater, Refused):
            pass  # it may close the line before it answers
        if await running.ended(_QUIT_SECONDS):
            return
        running.kill()
        if not await running.ended(_KILL_SECONDS):
            raise TryAgainLater(f"the process of machine {server_id} does not end (pid {running.pid})")

    async def delete_server(self, server_id: str) -> None:
        """Kill the process and remove the folder, whatever there is of both."""
        folder = self._shelf.folder(server_id)
        with os_errors(self._data_dir):
            async with self._locks.hold(server_id, _LOCK_SECONDS):
                running = await asyncio.to_thread(process.find, folder, thorough=True)
                if running is not None:
                    with running:
                        running.kill()  # the disk goes too: nothing is worth writing out
                        if not await running.ended(_KILL_SECONDS):
                            raise TryAgainLater(f"the process of machine {server_id} does not end (pid {running.pid})")
                await to_the_end(self._shelf.remove, server_id)
                await to_the_end(self._gone.note, folder.name)  # last: a full disk has room again by now
                self._lines.pop(server_id, None)
                process.forget_ending(server_id)

    async def describe_server(self, server_id: str) -> ServerInfo:
        """The server now. A machine that is meant to run and has no process has a fault."""
        with os_errors(self._data_dir):
            spec = self._shelf.read(server_id)
            meant_to_run = self._shelf.is_meant_to_run(server_id)
            # A machine that is meant to run is looked for everywhere before it is declared dead.
            running = process.find(self._shelf.folder(server_id), thorough=False)
            if running is None and meant_to_run:
                running = await asyncio.to_thread(process.find, self._shelf.folder(server_id), thorough=True)
            if running is not None:
                running.close()
                return ServerInfo(server_id, Power.RUNNING, spec.host)
            meant_to_run = meant_to_run and self._shelf.is_meant_to_run(server_id)
            return ServerInfo(server_id, Power.STOPPED, spec.host, self._fault(server_id) if meant_to_run else "")

    def _fault(self, server_id: str) -> str:
        reasons = [reason for reason in (process.ending(server_id), self._shelf.last_words(server_id)) if reason]
        return "; ".join(reasons) or "the machine ended without a word: switched off from inside, or killed"

    async def list_servers(self) -> Sequence[ServerInfo]:
        """Every machine of the data folder, with one look at all processes."""
        with os_errors(self._data_dir):
            server_ids = self._shelf.ids()
            running = await asyncio.to_thread(process.running_in, self._shelf.root)
            return [self._listed(server_id, running) for server_id in server_ids]

    def _listed(self, server_id: str, running: set[str]) -> ServerInfo:
        try:
            host = self._shelf.read(server_id).host
        except (DoesNotExist, Refused):
            host = self._settings.host_id  # damaged or just removed: still ours to list
        if server_id in running:
            return ServerInfo(server_id, Power.RUNNING, host)
        fault = self._fault(server_id) if self._shelf.is_meant_to_run(server_id) else ""
        return ServerInfo(server_id, Power.STOPPED, host, fault)

    async def remains(self) -> Sequence[tuple[str, str, str]]:
        """What a crash left beside whole machines; see `goldsmith.leaks.machines.Untidy`."""
        with os_errors(self._data_dir):
            return await asyncio.to_thread(remains.find, self._shelf, self._data_dir / "ports", self._locks)

    async def clear(self, kind: str, thing: str) -> None:
        """Clear away one of what `remains` found."""
        if kind == remains.RESERVATION:
            with os_errors(self._data_dir):
                await asyncio.to_thread(remains.clear_reservation, self._data_dir / "ports", thing)
        else:
            await self.delete_server(thing)

    # -- guest -------------------------------------------------------------------------------------------------

    async def guest_ready(self, server_id: str) -> bool:
        """Whether the agent answers. QEMU knows whether the guest has opened the channel, so most calls are instant."""
        info = await self.describe_server(server_id)
        if info.power is Power.STOPPED:
            if info.fault:
                raise Refused(f"the machine has stopped by itself: {info.fault}")
            return False
        async with self._line(server_id).qemu.converse() as qemu:
            status = (await qemu.execute("query-status"))["status"]
            if status == "io-error":
                await qemu.execute("cont")  # repeats the write: goes on by itself once there is space again
                raise TryAgainLater("the machine waits because its disk could not be written: is the host's disk full?")
            if status in ("internal-error", "guest-panicked"):
                raise Refused(f"the machine has failed ({status}): {self._shelf.last_words(server_id) or 'no reason'}")
            channels = await qemu.execute("query-chardev")
        if not any(channel["label"] == AGENT_CHARDEV and channel["frontend-open"] for channel in channels):
            return False
        return await self._line(server_id).guest.ping(_PING_SECONDS)

    async def run_in_guest(
        self, server_id: str, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0
    ) -> CommandResult:
        """Run a program in the guest through its agent."""
        self._shelf.existing(server_id)
        if not command:
            raise Refused("an empty command cannot be run")
        return await self._line(server_id).guest.run(command, stdin, timeout)

    async def screenshot(self, server_id: str) -> bytes:
        """The guest's screen as PNG; `Refused` when the machine does not run."""
        info = await self.describe_server(server_id)
        if info.power is Power.STOPPED:
            raise Refused(f"machine {server_id} is not running, so it has no screen")
        name = f"screen-{uuid.uuid4().hex}.png"
        picture = self._shelf.folder(server_id) / name
        with os_errors(picture):
            try:
                async with self._line(server_id).qemu.converse() as qemu:
                    await qemu.execute("screendump", filename=name, format="png")
                handle = os.open(picture, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                with os.fdopen(handle, "rb") as file:
                    return file.read()
            finally:
                picture.unlink(missing_ok=True)

    def _line(self, server_id: str) -> _Lines:
        if server_id not in self._lines:
            folder = self._shelf.folder(server_id)
            self._lines[server_id] = _Lines(Monitors(folder), GuestAgent(folder))
        return self._lines[server_id]
