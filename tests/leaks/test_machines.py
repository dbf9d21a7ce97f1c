"""What a crash leaves on a real hypervisor, made by hand: found, told from work under way, and cleared away."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.clouds.qemu.conftest import add_tiny_image, end_processes_in, new_port, new_spec, processes_in

from goldsmith.clouds.qemu import QemuCloud
from goldsmith.leaks.service import find, repair
from goldsmith.settings import QemuSettings
from goldsmith.store import Store

pytestmark = pytest.mark.qemu


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[QemuCloud]:
    folder = tmp_path / "data"
    add_tiny_image(folder)
    opened = QemuCloud(QemuSettings(accelerator="tcg"), folder)
    await opened.open()
    yield opened
    await opened.close()
    assert end_processes_in(folder) == []


async def shown(store: Store, cloud: QemuCloud) -> set[tuple[str, str]]:
    return {leak.key for leak in await find(store, cloud, pause=0)}


async def test_all_that_lies_about_is_found_and_cleared_away(
    both_stores: Store, cloud: QemuCloud, tmp_path: Path
) -> None:
    folder, half, running, whole = tmp_path / "data", str(uuid.uuid4()), new_spec(), new_spec()
    port = new_port()
    for spec in (running, whole):
        await cloud.create_server("key", spec)
    await cloud.start_server(running.id)
    shutil.rmtree(folder / "machines" / running.id)
    (folder / "machines" / f".{half}.partial").mkdir()
    (folder / "machines" / f".{half}.partial" / "disk.qcow2").write_text("overlay and seed, half made")
    await cloud.create_port("key", port)
    (folder / "ports" / ".half.json.new").write_text("{")
    (folder / "ports" / "taken" / "subnet-1_192.168.7.78").write_text("{}")

    assert await shown(both_stores, cloud) == {
        ("process", running.id),
        ("machine", whole.id),
        ("unfinished folder", half),
        ("address", port.id),
        ("reservation file", ".half.json.new"),
        ("reservation file", "taken/subnet-1_192.168.7.78"),
    }
    assert [each.problem for each in await repair(both_stores, cloud, pause=0) if each.problem] == []
    assert await shown(both_stores, cloud) == set()
    assert processes_in(folder) == []
    left = [path.relative_to(folder) for part in ("machines", "ports") for path in (folder / part).rglob("*")]
    assert left == [Path("ports/taken")]


async def test_what_is_being_made_is_no_leak(both_stores: Store, cloud: QemuCloud, tmp_path: Path) -> None:
    half = str(uuid.uuid4())
    (tmp_path / "data" / "machines" / f".{half}.partial").mkdir()
    async with cloud._locks.hold(half, 1):
        assert await shown(both_stores, cloud) == set()
    assert await shown(both_stores, cloud) == {("unfinished folder", half)}
    assert [each.problem for each in await repair(both_stores, cloud, pause=0)] == [""]
