"""Reserved addresses and the host that is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldsmith.clouds.port import Host, Refused
from goldsmith.clouds.qemu import QemuCloud
from goldsmith.settings import QemuSettings

from .conftest import new_port


async def test_an_address_is_reserved_once(cloud: QemuCloud, data_dir: Path) -> None:
    port = new_port()
    await cloud.create_port("key", port)
    await cloud.create_port("key", port)
    rival = new_port()
    with pytest.raises(Refused, match=rf"192\.168\.7\.77.*taken by port {port.id}"):
        await cloud.create_port("key", rival)
    assert await cloud.list_ports() == [port.id]
    await cloud.create_port("key", new_port(id="elsewhere", subnet_id="subnet-2"))
    await cloud.delete_port("elsewhere")
    await cloud.delete_port(port.id)
    await cloud.delete_port(port.id)
    await cloud.create_port("key", rival)
    await cloud.delete_port(rival.id)
    assert [path for path in (data_dir / "ports").rglob("*") if path.is_file()] == []


async def test_a_reservation_that_was_cut_short_is_completed_or_undone(cloud: QemuCloud, data_dir: Path) -> None:
    port = new_port()
    await cloud.create_port("key", port)
    claim = data_dir / "ports" / "taken" / "subnet-1_192.168.7.77"
    claim.unlink()
    await cloud.create_port("key", port)
    assert claim.exists()
    claim.unlink()
    await cloud.delete_port(port.id)
    assert await cloud.list_ports() == []


async def test_a_damaged_reservation_can_be_deleted(cloud: QemuCloud, data_dir: Path) -> None:
    (data_dir / "ports" / "broken.json").write_text("{")
    await cloud.delete_port("broken")
    assert await cloud.list_ports() == []


async def test_the_host_is_what_the_settings_say(tmp_path: Path) -> None:
    settings = QemuSettings(host_vcpus=3, host_memory_mib=4, host_disk_gib=5, zone="z", host_id="h")
    assert await QemuCloud(settings, tmp_path).hosts() == [Host("h", "z", 3, 4, 5)]
    derived = (await QemuCloud(QemuSettings(), tmp_path).hosts())[0]
    assert derived.vcpus % 8 == 0
    assert min(derived.vcpus, derived.memory_mib, derived.disk_gib) > 0
