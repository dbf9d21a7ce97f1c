"""Machines for the tests: a tiny empty image that starts in a tenth of a second, and a guard against leftovers."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from goldsmith.clouds.port import PortSpec, ServerSpec
from goldsmith.clouds.qemu import QemuCloud
from goldsmith.guests.debian_image import default_cache, ensure_debian_image
from goldsmith.settings import QemuSettings

PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils"}


@pytest.fixture(scope="session", autouse=True)
def _programs_are_installed() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    assert not missing, f"these tests run real machines: apt-get install {' '.join(missing)}"


def processes_in(data_dir: Path) -> list[int]:
    """Process ids of everything that works in a folder of this data folder, found without goldsmith's own code."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                home = str((entry / "cwd").readlink())
            except OSError:
                continue
            if home.startswith(f"{data_dir.resolve()}/"):
                found.append(int(entry.name))
    return found


def end_processes_in(data_dir: Path) -> list[int]:
    """Kill what a failed test left running, so that it disturbs no other; the process ids."""
    left = processes_in(data_dir)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


@pytest.fixture(scope="session")
def debian() -> Path:
    """The default image, built by the first run on this machine (about a minute) and kept in the user's cache."""
    return ensure_debian_image(default_cache(), lambda line: print(line, flush=True))


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder with an image `tiny` of 1 MiB; nothing may run in it afterwards."""
    folder = tmp_path / "data"
    add_tiny_image(folder)
    yield folder
    assert end_processes_in(folder) == []


def add_tiny_image(data_dir: Path) -> None:
    """Put an empty disk into the folder as image `tiny`."""
    (data_dir / "images").mkdir(parents=True)
    image = data_dir / "images" / "tiny.qcow2"
    make_image(image, "1M")
    image.chmod(0o444)


def make_image(path: Path, size: str, *options: str) -> None:
    """An empty qcow2 disk of this size."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)


@pytest.fixture
async def cloud(data_dir: Path) -> AsyncIterator[QemuCloud]:
    """An open cloud whose machines are deleted when the test has passed or failed."""
    opened = QemuCloud(QemuSettings(accelerator="tcg"), data_dir)
    await opened.open()
    yield opened
    for server in await opened.list_servers():
        await opened.delete_server(server.id)
    await opened.close()


def new_port(**changes: str) -> PortSpec:
    """A port in 192.168.7.0/24."""
    port = PortSpec(
        id=str(uuid.uuid4()),
        subnet_id="subnet-1",
        cidr="192.168.7.0/24",
        gateway_ip="192.168.7.1",
        dns_ip="192.168.7.2",
        ip_address="192.168.7.77",
        mac_address="52:54:00:aa:bb:01",
    )
    return dataclasses.replace(port, **changes)


def new_spec(**changes: object) -> ServerSpec:
    """A machine of 64 MiB from image `tiny`."""
    spec = ServerSpec(
        id=str(uuid.uuid4()),
        name="测试 image",
        image="tiny",
        vcpus=1,
        memory_mib=64,
        disk_gib=1,
        volume_type="SAS",
        host="local-host",
        zone="local-1a",
        port=new_port(),
    )
    return dataclasses.replace(spec, **changes)  # type: ignore[arg-type]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for a condition, at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
