"""Find out, by booting, whether KVM works here.

/dev/kvm can be opened, a virtual machine created and a BIOS booted on hosts whose KVM never gets a 64-bit kernel past
its decompressor. So two things are booted under KVM: a ROM that enters long mode (fails within seconds where KVM is
broken), and, if that works, a real Linux kernel (the last word). The answer is kept in a file.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from goldsmith.clouds.port import Refused
from goldsmith.clouds.qemu import payload
from goldsmith.clouds.qemu.accelerator import SANDBOX, Accelerator
from goldsmith.clouds.qemu.process import KVM, Identity, not_installed, spawn
from goldsmith.clouds.qemu.refusals import in_human_words, os_errors
from goldsmith.settings import QemuSettings

_ROM_SECONDS = 2.0
_KERNEL_SECONDS = 20.0
_GRACE_SECONDS = 5.0
_LEFT_SECONDS = 60.0
"""A folder as old as this that nobody has locked: whoever made it has had the time to lock it, and is gone."""
_PREFIX = "goldsmith-probe-"
_FIRST_LINES = 1
"""Of what QEMU wrote: the error; a dump of all registers follows."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What machines will run on and why, in a sentence for the operator."""

    accelerator: Accelerator
    reason: str


async def probe(settings: QemuSettings, cache_dir: Path, kernel: Path | None = None) -> Probe:
    """Which accelerator to use under these settings.

    `cache_dir` keeps the answer per QEMU version, host kernel and machine type; up to 22 s when it is not there yet.
    `kernel` is a bzImage for the second stage; without one, the host's own in /boot is used, and without that either,
    the ROM decides and the answer is not kept. `Refused` when QEMU is not installed.
    """
    if settings.accelerator != "auto":
        return Probe(Accelerator(settings.accelerator), "set in the settings")
    if not KVM.exists():
        return Probe(Accelerator.TCG, "there is no /dev/kvm; using TCG")
    identity = Identity.for_machines(settings.uid)
    kept = cache_dir / f"accelerator-{await _circumstances(settings, identity)}.json"
    with suppress(OSError, ValueError, KeyError):
        answer = json.loads(kept.read_text())
        return Probe(Accelerator(answer["accelerator"]), answer["reason"])
    kernel = kernel or _host_kernel()
    result = await _boot_both(settings, identity, kernel)
    if kernel or result.accelerator is Accelerator.TCG:
        with os_errors(cache_dir):
            _keep(kept, result)
    return result


async def _boot_both(settings: QemuSettings, identity: Identity, kernel: Path | None) -> Probe:
    allowed = identity.may_use_kvm()
    # Not allowed: look as ourselves whether it would be worth allowing it.
    runner = identity if allowed else Identity(None)
    problem = await boot_rom(settings, Accelerator.KVM, runner)
    if problem and not allowed and runner.uid is None and os.geteuid() != 0:
        return Probe(Accelerator.TCG, f"{KVM} does not open for user {os.geteuid()}; using TCG")
    if problem:
        return Probe(Accelerator.TCG, f"KVM opens but does not run 64-bit code: {problem}; using TCG")
    if kernel is not None:
        problem = await boot_kernel(settings, Accelerator.KVM, runner, kernel)
        if problem:
            return Probe(Accelerator.TCG, f"KVM opens but does not run a 64-bit kernel: {problem}; using TCG")
    if not allowed:
        return Probe(
            Accelerator.TCG,
            f"KVM works, but user {settings.uid} may not open it: chgrp kvm {KVM} && chmod 660 {KVM}; using TCG",
        )
    return Probe(Accelerator.KVM, "KVM runs a 64-bit kernel" if kernel else "KVM runs 64-bit code")


async def boot_rom(settings: QemuSettings, accelerator: Accelerator, identity: Identity) -> str:
    """Boot the long-mode ROM; "" when it got to its end, else what went wrong."""
    return await _boot(
        settings, accelerator, identity, {"long.rom": payload.long_mode_rom()}, ["-m", "64", "-bios", "long.rom"],
        patience=_ROM_SECONDS,
    )  # fmt: skip


async def boot_kernel(settings: QemuSettings, accelerator: Accelerator, identity: Identity, kernel: Path) -> str:
    """Boot `kernel` up to its first process; "" when it got there, else what went wrong."""
    with os_errors(kernel):
        image = await asyncio.to_thread(kernel.read_bytes)
    return await _boot(
        settings, accelerator, identity, {"vmlinuz": image, "initramfs": payload.initramfs()},
        ["-m", "512", "-kernel", "vmlinuz", "-initrd", "initramfs", "-append", "quiet panic=-1"],
        patience=_KERNEL_SECONDS,
    )  # fmt: skip


async def _boot(
    settings: QemuSettings,
    accelerator: Accelerator,
    identity: Identity,
    files: dict[str, bytes],
    options: Sequence[str],
    *,
    patience: float,
) -> str:
    command = [
        "timeout", "-s", "KILL", f"{patience + _GRACE_SECONDS:g}",  # ends it also when we are killed meanwhile
        settings.binary,
        "-nodefaults",
        "-no-user-config",
        "-sandbox", SANDBOX,
        "-display", "none",
        "-no-reboot",
        "-machine", settings.machine_type,
        "-accel", accelerator.option,
        "-cpu", accelerator.cpu,
        "-device", f"isa-debug-exit,iobase={payload.EXIT_PORT:#x},iosize=1",
        *options,
    ]  # fmt: skip
    with os_errors(tempfile.gettempdir()), _folder(identity) as folder:
        for file, content in files.items():
            (folder / file).write_bytes(content)
        log = folder / "log"
        child = await asyncio.to_thread(spawn, command, folder, log, identity)
        try:
            status = await asyncio.to_thread(child.wait, patience)
        except Exception:  # subprocess.TimeoutExpired, or we are being cancelled
            status = None
        finally:
            if child.poll() is None:  # else its number may be another's by now
                os.killpg(child.pid, signal.SIGKILL)
            await asyncio.to_thread(child.wait)
        if status == payload.SUCCESS:
            return ""
        said = in_human_words("\n".join(log.read_text(errors="replace").splitlines()[:_FIRST_LINES]))
    if said:
        return said
    return f"no result within {patience:g} s" if status is None else f"QEMU ended with status {status}"


@contextmanager
def _folder(identity: Identity) -> Iterator[Path]:
    """A folder for one boot, locked while it is used; those of probes that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_left(left, identity)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        with _locked(folder):
            identity.own(folder)
            yield folder


def _remove_if_left(folder: Path, identity: Identity) -> None:
    with _locked(folder) as descriptor:
        facts = os.fstat(descriptor)
        if facts.st_uid in (os.geteuid(), identity.uid) and facts.st_mtime < time.time() - _LEFT_SECONDS:
            shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


async def _circumstances(settings: QemuSettings, identity: Identity) -> str:
    """What the answer depends on, as a short hash."""
    program = shutil.which(settings.binary)
    if program is None:
        raise not_installed(settings.binary, FileNotFoundError(2, "No such file or directory"))
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    version, _ = await process.communicate()
    if process.returncode:
        raise Refused(f"{program} --version ended with status {process.returncode}; run goldsmith doctor")
    kvm = KVM.stat()
    access = f"{identity.uid}:{identity.groups()}:{kvm.st_uid}:{kvm.st_gid}:{kvm.st_mode:o}"
    facts = [version.decode(errors="replace"), os.uname().release, settings.machine_type, access]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _host_kernel() -> Path | None:
    kernel = Path("/boot") / f"vmlinuz-{os.uname().release}"
    return kernel if os.access(kernel, os.R_OK) else None


def _keep(path: Path, result: Probe) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"accelerator": result.accelerator, "reason": result.reason}))
    fresh.replace(path)
