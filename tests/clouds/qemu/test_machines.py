"""The life of machines, with real QEMU processes but nothing to boot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldsmith.clouds.port import DoesNotExist, Power, Refused, StopMode, TryAgainLater
from goldsmith.clouds.qemu import QemuCloud
from goldsmith.settings import QemuSettings

from .conftest import add_tiny_image, end_processes_in, make_image, new_port, new_spec, processes_in, until


async def test_a_machine_is_made_started_stopped_and_removed(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("job/create/do", spec)
    assert (await cloud.describe_server(spec.id)).power is Power.STOPPED
    await cloud.start_server(spec.id)
    assert (await cloud.describe_server(spec.id)).power is Power.RUNNING
    await cloud.stop_server(spec.id, StopMode.HARD)
    info = await cloud.describe_server(spec.id)
    assert (info.power, info.fault) == (Power.STOPPED, "")
    await cloud.delete_server(spec.id)
    assert list((data_dir / "machines").iterdir()) == []
    with pytest.raises(DoesNotExist):
        await cloud.describe_server(spec.id)


async def test_repeating_a_create_changes_nothing(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    disk = data_dir / "machines" / spec.id / "root.qcow2"
    first = disk.stat().st_ino
    (data_dir / "images" / "tiny.qcow2").unlink()  # not even the image is needed any more
    await cloud.create_server("key", spec)
    assert disk.stat().st_ino == first
    await cloud.start_server(spec.id)


async def test_starting_twice_at_once_is_one_process(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    second = QemuCloud(QemuSettings(accelerator="tcg"), data_dir)
    await asyncio.gather(*(each.start_server(spec.id) for each in (cloud, second, cloud, second)))
    assert len(processes_in(data_dir)) == 1


async def test_a_process_without_a_pid_file_is_still_found(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    folder = data_dir / "machines" / spec.id
    (folder / "qemu.pid").unlink()
    assert (await cloud.describe_server(spec.id)).power is Power.RUNNING
    await cloud.start_server(spec.id)
    assert len(processes_in(data_dir)) == 1
    (folder / "started").unlink()  # as if goldsmith had been killed right after the start
    await cloud.start_server(spec.id)
    assert len(processes_in(data_dir)) == 1
    assert (folder / "started").exists()


async def test_a_pid_file_that_names_a_stranger_fools_nobody(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    (data_dir / "machines" / spec.id / "qemu.pid").write_text(f"{os.getpid()}\n")
    assert (await cloud.describe_server(spec.id)).power is Power.STOPPED
    await cloud.stop_server(spec.id, StopMode.HARD)  # would end this test run


async def test_a_machine_is_adopted_by_the_next_goldsmith(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    await cloud.close()
    second = QemuCloud(QemuSettings(accelerator="tcg"), data_dir)
    await second.open()
    assert [(server.id, server.power) for server in await second.list_servers()] == [(spec.id, Power.RUNNING)]
    await second.stop_server(spec.id, StopMode.HARD)
    assert processes_in(data_dir) == []


async def test_a_killed_process_is_a_fault_until_the_machine_is_started_again(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    os.kill(*processes_in(data_dir), signal.SIGKILL)

    async def has_stopped() -> bool:
        return (await cloud.describe_server(spec.id)).power is Power.STOPPED

    await until(has_stopped)
    assert "killed" in (await cloud.describe_server(spec.id)).fault
    assert [server.fault for server in await cloud.list_servers()] != [""]
    with pytest.raises(Refused, match="stopped by itself"):
        await cloud.guest_ready(spec.id)
    await cloud.start_server(spec.id)
    assert (await cloud.describe_server(spec.id)).fault == ""
    assert await cloud.guest_ready(spec.id) is False


async def test_a_disk_that_is_let_go_of_in_a_moment_is_waited_for(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    (disk,) = data_dir.glob("machines/*/root.qcow2")
    command = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-blockdev"]
    command += [f"qcow2,node-name=root,file.driver=file,file.filename={disk}", "-device", "virtio-blk-pci,drive=root"]
    holder = await asyncio.create_subprocess_exec(*command, cwd="/")

    async def is_held() -> bool:
        looked = await asyncio.create_subprocess_exec(
            "qemu-img", "info", disk, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return await looked.wait() != 0

    async def is_told() -> bool:
        return any("lock" in log.read_text() for log in disk.parent.glob("qemu.log"))

    try:
        await until(is_held)
        starting = asyncio.create_task(cloud.start_server(spec.id))
        await until(is_told)
    finally:
        holder.kill()
        await holder.wait()
    await starting
    assert (await cloud.describe_server(spec.id)).power is Power.RUNNING


async def test_a_soft_stop_cuts_the_power_when_patience_ends(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    await cloud.stop_server(spec.id, StopMode.SOFT, patience=0.2)
    assert processes_in(data_dir) == []


async def test_a_hung_process_is_killed(cloud: QemuCloud, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldsmith.clouds.qemu.monitor._CONNECT_SECONDS", 0.2)
    monkeypatch.setattr("goldsmith.clouds.qemu.driver._QUIT_SECONDS", 0.2)
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    os.kill(*processes_in(data_dir), signal.SIGSTOP)
    await cloud.stop_server(spec.id, StopMode.HARD)
    assert processes_in(data_dir) == []


async def test_a_running_machine_is_deleted_with_everything(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    await cloud.delete_server(spec.id)
    await cloud.delete_server(spec.id)
    assert processes_in(data_dir) == []
    assert list((data_dir / "machines").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="machines change their user only when goldsmith is root")
async def test_a_machine_runs_as_its_own_user_in_a_closed_folder(cloud: QemuCloud, data_dir: Path) -> None:
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    folder = data_dir / "machines" / spec.id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    status = Path(f"/proc/{processes_in(data_dir)[0]}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"61990"}
    assert "0" not in fields["Groups"].split()
    assert fields["Seccomp"] == "2"


async def test_a_data_folder_may_have_any_name(tmp_path: Path) -> None:
    data_dir = tmp_path / "with space, comma=and 'quote'" / ("long" * 40)
    add_tiny_image(data_dir)
    cloud = QemuCloud(QemuSettings(accelerator="tcg"), data_dir)
    await cloud.open()
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.start_server(spec.id)
    assert (await cloud.screenshot(spec.id)).startswith(b"\x89PNG")
    await cloud.delete_server(spec.id)
    assert end_processes_in(data_dir) == []


async def test_what_a_crash_left_half_made_is_cleared_away(data_dir: Path) -> None:
    machines = data_dir / "machines"
    opened, created, deleted = (new_spec() for _ in range(3))
    for spec in (opened, created, deleted):
        (machines / f".{spec.id}.partial").mkdir(parents=True)
        (machines / f".{spec.id}.partial" / "root.qcow2").write_text("half")
    cloud = QemuCloud(QemuSettings(accelerator="tcg"), data_dir)
    await cloud.create_server("key", created)
    await cloud.delete_server(deleted.id)
    assert await cloud.list_servers() == [await cloud.describe_server(created.id)]
    await cloud.open()
    assert [path.name for path in machines.iterdir()] == [created.id]
    await cloud.delete_server(created.id)


async def test_a_missing_image_is_said_so(cloud: QemuCloud, data_dir: Path) -> None:
    with pytest.raises(DoesNotExist, match="gone"):
        await cloud.create_server("key", new_spec(image="gone"))
    with pytest.raises(DoesNotExist):
        await cloud.find_image("gone")
    assert list((data_dir / "machines").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"not a qcow2 at all" * 100])
async def test_a_file_that_is_no_image_is_refused(cloud: QemuCloud, data_dir: Path, content: bytes) -> None:
    (data_dir / "images" / "broken.qcow2").write_bytes(content)
    with pytest.raises(Refused, match="not a qcow2"):
        await cloud.find_image("broken")


async def test_an_image_that_points_at_another_file_is_refused(cloud: QemuCloud, data_dir: Path) -> None:
    make_image(data_dir / "images" / "sly.qcow2", "1M", "-u", "-F", "raw", "-b", "/etc/shadow")
    with pytest.raises(Refused, match="backing file"):
        await cloud.create_server("key", new_spec(image="sly"))


async def test_a_disk_smaller_than_the_image_is_refused(cloud: QemuCloud, data_dir: Path) -> None:
    make_image(data_dir / "images" / "big.qcow2", "3G")
    assert (await cloud.find_image("big")).virtual_bytes == 3 * 2**30
    with pytest.raises(Refused, match="at least 3 GiB"):
        await cloud.create_server("key", new_spec(image="big", disk_gib=2))


@pytest.mark.parametrize("bad", ["../x", "/etc/passwd", "", ".", "..", "a/b", ".hidden", "a\0b", "a\n", "é"])
async def test_ids_cannot_leave_their_folder(cloud: QemuCloud, tmp_path: Path, bad: str) -> None:
    for call in (
        cloud.create_server("key", new_spec(id=bad)),
        cloud.create_server("key", new_spec(image=bad)),
        cloud.find_image(bad),
        cloud.start_server(bad),
        cloud.delete_server(bad),
        cloud.describe_server(bad),
        cloud.delete_port(bad),
        cloud.create_port("key", new_port(id=bad)),
        cloud.create_port("key", new_port(subnet_id=bad)),
    ):
        with pytest.raises(Refused):
            await call
    assert await cloud.list_ports() == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_calls_for_a_machine_that_is_not_there(cloud: QemuCloud) -> None:
    nobody = str(uuid.uuid4())
    for call in (
        cloud.start_server(nobody),
        cloud.stop_server(nobody, StopMode.HARD),
        cloud.describe_server(nobody),
        cloud.guest_ready(nobody),
        cloud.screenshot(nobody),
        cloud.run_in_guest(nobody, ["true"]),
    ):
        with pytest.raises(DoesNotExist):
            await call
    await cloud.delete_server(nobody)


async def test_a_missing_qemu_is_said_at_the_start(data_dir: Path) -> None:
    cloud = QemuCloud(QemuSettings(binary="/nonexistent", accelerator="tcg"), data_dir)
    await cloud.open()
    spec = new_spec()
    await cloud.create_server("key", spec)
    with pytest.raises(Refused, match=r"nonexistent is not installed.*goldsmith doctor"):
        await cloud.start_server(spec.id)
    info = await cloud.describe_server(spec.id)
    assert (info.power, info.fault) == (Power.STOPPED, "")
    await cloud.delete_server(spec.id)


async def test_a_missing_qemu_is_said_by_the_probe(data_dir: Path) -> None:
    cloud = QemuCloud(QemuSettings(binary="/nonexistent"), data_dir)
    if Path("/dev/kvm").exists():
        with pytest.raises(Refused, match="not installed"):
            await cloud.accelerator()
    else:
        assert (await cloud.accelerator()).accelerator == "tcg"


async def test_a_missing_qemu_img_is_said_at_the_create(
    cloud: QemuCloud, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldsmith.clouds.qemu.disk.QEMU_IMG", "/nonexistent/qemu-img")
    with pytest.raises(Refused, match="qemu-img is not installed"):
        await cloud.create_server("key", new_spec())
    assert list((data_dir / "machines").iterdir()) == []


async def test_why_qemu_does_not_start_is_told(data_dir: Path) -> None:
    cloud = QemuCloud(QemuSettings(machine_type="teapot", accelerator="tcg"), data_dir)
    await cloud.open()
    spec = new_spec()
    await cloud.create_server("key", spec)
    with pytest.raises(Refused, match=r"does not know the machine type.*unsupported machine type"):
        await cloud.start_server(spec.id)
    assert (await cloud.describe_server(spec.id)).fault == ""
    await cloud.delete_server(spec.id)


async def test_more_memory_than_there_is_is_told(cloud: QemuCloud) -> None:
    spec = new_spec(memory_mib=2**27)
    await cloud.create_server("key", spec)
    with pytest.raises(Refused, match="QEMU ended at once"):
        await cloud.start_server(spec.id)


@pytest.fixture
def tiny_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 512 KiB and a hundred files."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small filesystem")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=100", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    """Write until nothing fits any more."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as writer:
        while writer.write(b"x" * 4096):
            pass


def use_up(folder: Path) -> list[Path]:
    """Make files until there can be no more; the files."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while True:
            file = folder / f"filler-{uuid.uuid4()}"
            file.touch(exist_ok=False)
            made.append(file)
    return made


async def test_a_full_disk_is_told_and_leaves_nothing(tiny_filesystem: Path) -> None:
    add_tiny_image(tiny_filesystem)
    cloud = QemuCloud(QemuSettings(accelerator="tcg"), tiny_filesystem)
    await cloud.open()
    filler = tiny_filesystem / "filler"
    fill(filler)
    with pytest.raises(Refused, match="no space left on"):
        await cloud.create_server("key", new_spec())
    with pytest.raises(Refused, match="no space left on"):
        await cloud.create_port("key", new_port())
    assert await cloud.list_servers() == []
    assert await cloud.list_ports() == []
    filler.unlink()
    spec = new_spec()
    await cloud.create_server("key", spec)
    await cloud.delete_server(spec.id)
    assert list((tiny_filesystem / "machines").iterdir()) == []


async def test_a_full_disk_keeps_nothing_from_being_deleted(tiny_filesystem: Path) -> None:
    add_tiny_image(tiny_filesystem)
    cloud = QemuCloud(QemuSettings(accelerator="tcg"), tiny_filesystem)
    await cloud.open()
    spec, other = new_spec(), new_port(ip_address="192.168.7.78")
    await cloud.create_port("key", spec.port)
    await cloud.create_port("key", other)
    await cloud.create_server("key", spec)
    fill(tiny_filesystem / "filler")
    await cloud.delete_server(spec.id)
    await cloud.delete_port(spec.port.id)
    files = use_up(tiny_filesystem)
    await cloud.delete_port(other.id)  # its own file makes room for the note
    files += use_up(tiny_filesystem)
    with pytest.raises(TryAgainLater, match="no space left"):
        await cloud.delete_port(new_port().id)
    for file in files:
        file.unlink()
    assert await cloud.list_servers() == []
    assert await cloud.list_ports() == []
    with pytest.raises(Refused, match="was deleted"):
        await cloud.create_server("key", spec)
    with pytest.raises(Refused, match="was deleted"):
        await cloud.create_port("key", other)
