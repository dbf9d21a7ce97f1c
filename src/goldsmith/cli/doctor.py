"""The examination behind `goldsmith doctor`: is this machine fit to run goldsmith with these settings?

Every check returns a `Finding` and changes nothing. What the chosen cloud does not need never fails.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from goldsmith.cli import ports
from goldsmith.cli.data_folder import is_initialised
from goldsmith.settings import Settings

GIB = 1024**3
MIB = 1024**2


class Verdict(StrEnum):
    """`NOTE` is worth knowing and needs nothing; only `FAILED` makes a machine unusable."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what mends it ("" when nothing needs to be)."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the QEMU cloud: one that `runs_machines`, or one that only builds images."""

    name: str
    package: str
    runs_machines: bool
    version_option: str = "--version"


IMAGE_PROGRAMS = (
    Program("mmdebstrap", "mmdebstrap", runs_machines=False),
    Program("sfdisk", "fdisk", runs_machines=False),
    Program("mke2fs", "e2fsprogs", runs_machines=False, version_option="-V"),
    Program("grub-mkimage", "grub-common", runs_machines=False),
)

LOCK = "serve.lock"
MINIMUM_DISK = 1 * GIB
COMFORTABLE_DISK = 8 * GIB
COMFORTABLE_MEMORY = 1 * GIB


def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which a reader wants them."""
    return [
        _python(),
        _sqlite(),
        *_programs(settings),
        *_accelerator(settings),
        _disk(settings),
        _memory(settings),
        _port(settings),
        _data_folder(settings),
    ]


def is_usable(findings: Sequence[Finding]) -> bool:
    """Whether nothing has failed."""
    return all(finding.verdict is not Verdict.FAILED for finding in findings)


def _python() -> Finding:
    return Finding("Python", Verdict.OK, platform.python_version())


def _sqlite() -> Finding:
    return Finding("SQLite", Verdict.OK, sqlite3.sqlite_version)


def _programs(settings: Settings) -> Iterator[Finding]:
    machine_programs = (
        Program(settings.qemu.binary, "qemu-system-x86", runs_machines=True),
        Program("qemu-img", "qemu-utils", runs_machines=True),
    )
    for program in (*machine_programs, *IMAGE_PROGRAMS):
        yield _program(program, is_needed=settings.cloud == "qemu")


def _program(program: Program, *, is_needed: bool) -> Finding:
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    path = shutil.which(program.name, path=search)
    if path is not None:
        return Finding(program.name, Verdict.OK, f"{_version(path, program.version_option)} ({path})")
    if not is_needed:
        return Finding(program.name, Verdict.NOTE, "not installed; the simulated cloud does not need it")
    remedy = f"apt-get install {program.package}"
    if program.runs_machines:
        return Finding(program.name, Verdict.FAILED, "not installed; machines cannot run without it", remedy)
    return Finding(program.name, Verdict.WARNING, "not installed; guest images cannot be built without it", remedy)


def _version(path: str, option: str) -> str:
    try:
        done = subprocess.run([path, option], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not tell its version: {error}"
    found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return found.group() if found else "version unknown"


def _accelerator(settings: Settings) -> Iterator[Finding]:
    if shutil.which(settings.qemu.binary) is None:
        return
    from goldsmith.clouds.port import CloudError
    from goldsmith.clouds.qemu.accelerator import Accelerator
    from goldsmith.clouds.qemu.probing import probe

    with tempfile.TemporaryDirectory(prefix="goldsmith-doctor-") as forgotten:
        try:
            found = asyncio.run(probe(settings.qemu, Path(forgotten)))
        except CloudError as error:
            yield Finding("accelerator", Verdict.FAILED, str(error))
            return
    verdict = Verdict.OK if found.accelerator is Accelerator.KVM else Verdict.NOTE
    yield Finding("accelerator", verdict, f"{found.accelerator}: {found.reason}")


def _nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(settings: Settings) -> Finding:
    place = _nearest_existing(settings.data_dir)
    free = shutil.disk_usage(place).free
    detail = f"{free / GIB:.1f} GiB free at {place}"
    if free < MINIMUM_DISK:
        return Finding("disk space", Verdict.FAILED, detail, f"at least {MINIMUM_DISK // GIB} GiB is needed")
    if settings.cloud == "qemu" and free < COMFORTABLE_DISK:
        return Finding("disk space", Verdict.WARNING, detail, "a few machines may fill it")
    return Finding("disk space", Verdict.OK, detail)


def _memory(settings: Settings) -> Finding:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    available, total = kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024
    detail = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    if settings.cloud == "qemu" and available < COMFORTABLE_MEMORY:
        return Finding("memory", Verdict.WARNING, detail, "even one small machine may not fit")
    return Finding("memory", Verdict.OK, detail)


def _port(settings: Settings) -> Finding:
    host, port = settings.address
    subject = f"port {port}"
    if port == 0:
        return Finding(subject, Verdict.OK, "any free port will be taken")
    obstacle = ports.obstacle(host, port)
    if not obstacle:
        return Finding(subject, Verdict.OK, f"free on {host}")
    return Finding(subject, Verdict.WARNING, obstacle, "choose another with --listen unless it is goldsmith itself")


def _data_folder(settings: Settings) -> Finding:
    folder, subject = settings.data_dir, "data folder"
    if not folder.exists():
        return Finding(subject, Verdict.OK, f"{folder} does not exist yet; `goldsmith serve` makes it")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(subject, Verdict.FAILED, f"no right to write to {folder}", "change its owner or mode")
    if not is_initialised(folder):
        return Finding(subject, Verdict.OK, f"{folder} is not initialised yet; `goldsmith serve` does it")
    server = _served_by(folder / LOCK)
    served = f"served by process {server}" if server else "not served now"
    return _schema(settings, f"{folder}, {served}")


def _served_by(lock: Path) -> str:
    """The process that holds the lock; "" when nobody does."""
    if not lock.exists():
        return ""
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(32).decode("ascii", "replace").strip() or "?"
    return ""


def schema_of(settings: Settings) -> Finding:
    """Whether the database of an initialised folder is of this version."""
    return _schema(settings, str(settings.data_dir))


def _schema(settings: Settings, detail: str) -> Finding:
    from goldsmith.store import schema_version
    from goldsmith.store.opening import DatabaseProblem

    known = schema_version.known_revisions()
    newest, place = max(known), settings.database_place
    try:
        found = _revision(place) if isinstance(place, Path) else schema_version.current_revision(place)
    except (sqlite3.Error, DatabaseProblem) as error:
        return Finding("data folder", Verdict.FAILED, f"{detail}; its database cannot be read: {error}")
    if found == newest:
        return Finding("data folder", Verdict.OK, f"{detail}, schema {found}")
    if found is None or found in known:
        text = f"{detail}, schema {found}; `goldsmith serve` brings it to {newest}"
        return Finding("data folder", Verdict.NOTE, text)
    text = f"{detail}; its schema {found} is of a later goldsmith"
    return Finding("data folder", Verdict.FAILED, text, "run that version, or use another data folder")


def _revision(database: Path) -> str:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(revision)
