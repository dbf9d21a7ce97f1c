"""The default image, really booted: what a user gets. One machine serves the whole module."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from goldsmith.clouds.port import CommandResult, Power, Refused, ServerSpec, StopMode
from goldsmith.clouds.qemu import Accelerator, QemuCloud
from goldsmith.clouds.qemu.monitor import short_path
from goldsmith.clouds.qemu.probing import boot_kernel
from goldsmith.clouds.qemu.process import Identity
from goldsmith.guests.debian_image import install_image, kernel_beside
from goldsmith.guests.linux import hostname_for, login_for, personalise
from goldsmith.settings import QemuSettings

from .conftest import end_processes_in, new_spec, processes_in, until

pytestmark = [pytest.mark.qemu, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

BOOT_SECONDS = 240.0
PASSWORD = "se'cret $(touch /pwned) \"äß"
ACCOUNT = "O'Brien, 张伟"


@dataclass
class Machine:
    """The booted machine and what is known of it."""

    cloud: QemuCloud
    spec: ServerSpec
    data_dir: Path

    async def sh(self, script: str) -> CommandResult:
        """Run a shell script in the guest."""
        return await self.cloud.run_in_guest(self.spec.id, ["/bin/sh", "-c", script])

    async def says(self, script: str) -> str:
        """Its output; it must succeed."""
        result = await self.sh(script)
        assert result.exit_code == 0, result
        return result.stdout.strip()

    def log(self) -> str:
        """What the guest wrote to its serial line."""
        (found,) = self.data_dir.glob("machines/*/serial.log")
        return found.read_text(errors="replace")

    async def ready(self) -> bool:
        """Whether the guest answers."""
        return await self.cloud.guest_ready(self.spec.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    data_dir = tmp_path_factory.mktemp("boot") / "a data folder"
    image = install_image(debian, data_dir, "debian-12")
    assert image.stat().st_mode & 0o777 == 0o444
    cloud = QemuCloud(QemuSettings(), data_dir)
    await cloud.open()
    spec = new_spec(image="debian-12", vcpus=2, memory_mib=1024, disk_gib=7)
    await cloud.create_port("job/port", spec.port)
    await cloud.create_server("job/server", spec)
    booted = Machine(cloud, spec, data_dir)
    try:
        started = time.monotonic()
        await cloud.start_server(spec.id)
        await until(booted.ready, BOOT_SECONDS)
        print(f"agent answered after {time.monotonic() - started:.1f} s")
        await set_up(booted)
        print(f"set up after {time.monotonic() - started:.1f} s")
        yield booted
    finally:
        await cloud.delete_server(spec.id)
        await cloud.delete_port(spec.port.id)
        assert end_processes_in(data_dir) == []


async def set_up(machine: Machine, password: str | None = PASSWORD) -> None:
    host = hostname_for(machine.spec.name, machine.spec.id)
    await personalise(machine.cloud, machine.spec.id, hostname=host, account=ACCOUNT, password=password)


async def test_the_guest_has_the_reserved_address_and_no_way_out(machine: Machine) -> None:
    async def has_address() -> bool:
        return "192.168.7.77/24" in (await machine.sh("ip -4 -brief address show eth0")).stdout

    await until(has_address, 60)
    assert await machine.says("ip route show default") == ""


async def test_the_guest_is_named_after_the_image_server(machine: Machine) -> None:
    assert await machine.says("hostname; cat /etc/hostname; getent hosts image") == (
        "image\nimage\n127.0.1.1       image"
    )


async def test_the_account_exists_with_its_password_and_may_administer(machine: Machine) -> None:
    login = login_for(ACCOUNT)
    assert await machine.says(f"id -nG {login}") == f"{login} sudo"
    assert await machine.says(f"stat -c %U /home/{login}") == login
    # sudo itself is asked: it takes the password from its standard input
    result = await machine.cloud.run_in_guest(
        machine.spec.id,
        ["/sbin/runuser", "-u", login, "--", "sudo", "-S", "-p", "", "id", "-u"],
        stdin=f"{PASSWORD}\n".encode(),
    )
    assert result.stdout == "0\n", result
    assert (await machine.sh("test -e /pwned")).exit_code == 1


async def test_the_disk_is_grown_and_trimmed(machine: Machine) -> None:
    size = int(await machine.says("df --output=size -B 1M / | tail -1"))
    assert 6500 < size < 7 * 1024
    assert (await machine.sh("fstrim /")).exit_code == 0


async def test_the_machine_has_an_identity_of_its_own(machine: Machine) -> None:
    assert await machine.says("cat /etc/machine-id") == machine.spec.id.replace("-", "")
    assert await machine.says("passwd --status root | cut -d' ' -f2") == "L"


async def test_nothing_failed_while_it_booted(machine: Machine) -> None:
    async def booted() -> bool:
        return (await machine.sh("systemctl is-system-running")).stdout.strip() in ("running", "degraded")

    await until(booted, 60)
    assert await machine.says("systemctl --failed --plain --no-legend") == ""


async def test_a_command_reaches_the_guest_though_another_client_died_in_the_middle_of_its_request(
    machine: Machine,
) -> None:
    (address,) = machine.data_dir.glob("machines/*/agent.sock")
    unread = json.dumps({"execute": "guest-exec", "arguments": {"path": "/bin/true", "input-data": "A" * 8000}})
    for turn in range(20):
        with short_path(address.parent, address.name) as path:
            _, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\xff" + unread.encode() + b"\n")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(turn % 4 * 0.2)  # as long as a service needs to start again, or no time at all
        result = await machine.cloud.run_in_guest(machine.spec.id, ["/bin/cat"], stdin=b"x" * 4000, timeout=30)
        assert result.stdout == "x" * 4000


async def test_the_guest_may_be_set_up_again(machine: Machine) -> None:
    what = "cat /etc/passwd /etc/group /etc/hosts /etc/hostname /etc/machine-id; df --output=size /"
    before = await machine.says(what)
    await set_up(machine)
    assert await machine.says(what) == before
    await set_up(machine, password=None)
    assert await machine.says(f"passwd --status {login_for(ACCOUNT)} | cut -d' ' -f2") == "L"
    await set_up(machine)


async def test_an_account_of_the_system_is_not_taken_over(machine: Machine) -> None:
    await machine.says("id -u taken >/dev/null 2>&1 || useradd --system taken")
    with pytest.raises(Refused, match="an account of the system"):
        await personalise(machine.cloud, machine.spec.id, hostname="image", account="taken", password=None)


async def test_the_screen_shows_the_login_prompt(machine: Machine) -> None:
    async def shows_something() -> bool:
        width, height, lit = read_png(await machine.cloud.screenshot(machine.spec.id))
        assert (width, height) >= (640, 400)
        return lit > 500

    await until(shows_something, 60)


def read_png(picture: bytes) -> tuple[int, int, int]:
    """Width, height, and how many bytes of the (unfiltered enough) pixel data are not black."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    pixels, place = b"", 8
    while place < len(picture):
        (length,) = struct.unpack(">I", picture[place : place + 4])
        if picture[place + 4 : place + 8] == b"IDAT":
            pixels += picture[place + 8 : place + 8 + length]
        place += length + 12
    data = zlib.decompress(pixels)
    return width, height, len(data) - data.count(0)


async def test_the_image_kernel_proves_an_accelerator(debian: Path) -> None:
    identity = Identity.for_machines(QemuSettings().uid)
    assert await boot_kernel(QemuSettings(), Accelerator.TCG, identity, kernel_beside(debian)) == ""


async def test_a_life_of_stops_starts_and_accidents(machine: Machine) -> None:
    """Last in the module, since it ends the machine: adoption, soft stop, restart, kill, and nothing left."""
    spec, data_dir = machine.spec, machine.data_dir
    await machine.cloud.close()
    machine.cloud = cloud = QemuCloud(QemuSettings(), data_dir)
    await cloud.open()
    assert await machine.ready()
    await machine.says("echo kept > /root/kept")

    await cloud.stop_server(spec.id, StopMode.SOFT, patience=120)
    assert "Power down" in machine.log(), "the guest ends by itself"
    info = await cloud.describe_server(spec.id)
    assert (info.power, info.fault) == (Power.STOPPED, "")
    assert processes_in(data_dir) == []

    (data_dir / "images" / "debian-12.qcow2").unlink()  # deleting an image never breaks a machine
    await cloud.start_server(spec.id)
    await until(machine.ready, BOOT_SECONDS)
    assert await machine.says("cat /root/kept /etc/hostname") == "kept\nimage"

    os.kill(*processes_in(data_dir), signal.SIGKILL)

    async def has_died() -> bool:
        return bool((await cloud.describe_server(spec.id)).fault)

    await until(has_died)
    await cloud.delete_server(spec.id)
    await cloud.delete_port(spec.port.id)
    assert processes_in(data_dir) == []
    assert list((data_dir / "machines").iterdir()) == []
    assert [path for path in (data_dir / "ports").rglob("*") if path.is_file()] == []
