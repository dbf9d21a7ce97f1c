"""The accelerator probe, proved on the emulator, which certainly works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldsmith.clouds.port import Refused
from goldsmith.clouds.qemu import Accelerator, probe
from goldsmith.clouds.qemu.probing import boot_rom
from goldsmith.clouds.qemu.process import Identity
from goldsmith.settings import QemuSettings

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
