"""The accelerator probe, proved on the emulator, which certainly works."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from goldsmith.clouds.port import Refused
from goldsmith.clouds.qemu import Accelerator, probe
from goldsmith.clouds.qemu.probing import boot_rom
from goldsmith.clouds.qemu.process import Identity
from goldsmith.settings import QemuSettings

from .conftest import processes_in, until

SETTINGS = QemuSettings()


async def test_the_rom_gets_to_its_end_where_long_mode_works() -> None:
    assert await boot_rom(SETTINGS, Accelerator.TCG, Identity.for_machines(SETTINGS.uid)) == ""


async def test_what_went_wrong_is_told() -> None:
    settings = QemuSettings(machine_type="teapot")
    assert "machine type" in await boot_rom(settings, Accelerator.TCG, Identity(None))


@pytest.mark.parametrize("wanted", ["kvm", "tcg"])
async def test_a_setting_is_not_questioned(tmp_path: Path, wanted: str) -> None:
    settings = QemuSettings.model_validate({"accelerator": wanted, "binary": "/nonexistent"})
    assert (await probe(settings, tmp_path)).accelerator == wanted


async def test_the_answer_is_kept_and_says_why(tmp_path: Path) -> None:
    first = await probe(SETTINGS, tmp_path)
    assert first.reason
    if not Path("/dev/kvm").exists():
        return
    (kept,) = tmp_path.iterdir()
    kept.write_text(json.dumps({"accelerator": "kvm", "reason": "from the file"}))
    assert (await probe(SETTINGS, tmp_path)).reason == "from the file"
    kept.write_text("damaged")
    assert await probe(SETTINGS, tmp_path) == first


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="without KVM nothing is looked for")
async def test_without_qemu_the_probe_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not installed"):
        await probe(QemuSettings(binary="/nonexistent"), tmp_path)


MUTE = """
import asyncio
from goldsmith.clouds.qemu import Accelerator, payload
from goldsmith.clouds.qemu.probing import boot_rom
from goldsmith.clouds.qemu.process import Identity
from goldsmith.settings import QemuSettings

payload.long_mode_rom = lambda: bytes([0xF4]) * 65536  # halts for ever
settings = QemuSettings()
asyncio.run(boot_rom(settings, Accelerator.TCG, Identity.for_machines(settings.uid)))
"""


async def test_a_probe_that_is_killed_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    async def runs() -> bool:
        return processes_in(tmp_path) != []

    async def has_ended() -> bool:
        return processes_in(tmp_path) == []

    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", MUTE)
    try:
        await until(runs, 30)
    finally:
        killed.kill()
        await killed.wait()
    assert await runs()
    await until(has_ended, 30)

    (left,) = tmp_path.iterdir()
    identity = Identity.for_machines(SETTINGS.uid)
    assert await boot_rom(SETTINGS, Accelerator.TCG, identity) == ""
    assert left.exists(), "it could be that of a probe which has just begun"
    os.utime(left, (0, 0))
    assert await boot_rom(SETTINGS, Accelerator.TCG, identity) == ""
    assert list(tmp_path.iterdir()) == []
