"""A disk that can be made full: a small file system of its own where we may mount one, else a limit on files.

Filling shrinks the file system to what lies on it, so that every further block fails with ENOSPC. Where nothing may
be mounted, the processes' limit on the size of files is lowered: their writes fail with EFBIG, which PostgreSQL and
SQLite treat like a full disk.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

LARGE = "4g"
SHORT = 256 * 1024
"""Bytes a file may have while files are limited: less than a segment of a log, more than a message takes."""
Pids = Callable[[], list[int]]


class OwnDisk:
    """A tmpfs mounted on the folder."""

    description = "a file system of its own (tmpfs) shrunk to what lies on it: ENOSPC"
    sign = "No space left on device"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self) -> None:
        """Leave no block free; to be repeated, since others may remove files meanwhile."""
        for _ in range(100):
            found = os.statvfs(self._folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            if self._resize(str(used)):
                return
        raise RuntimeError(f"{self._folder} could not be made full")

    def empty(self) -> None:
        """There is room again."""
        if not self._resize(LARGE):
            raise RuntimeError(f"{self._folder} could not be made large again")

    def _resize(self, size: str) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self._folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class FileLimit:
    """A limit on the size of the files that these processes write."""

    description = "no file grows beyond 256 KiB (RLIMIT_FSIZE, since nothing may be mounted here): EFBIG"
    sign = "File too large"

    def __init__(self, pids: Pids, owner: dict[str, int]) -> None:
        self._pids, self._owner = pids, owner

    def fill(self) -> None:
        """No process writes beyond that any more."""
        for pid in self._pids():
            self._limit(pid, str(SHORT))

    def empty(self) -> None:
        """They may again, as far as they ever might."""
        for pid in self._pids():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
                self._limit(pid, next(line.split()[4] for line in lines if line.startswith("Max file size")))

    def _limit(self, pid: int, size: str) -> None:
        # As the owner of the process: root may not do it in a container.
        command = ["prlimit", f"--fsize={size}:", "--pid", str(pid)]
        subprocess.run(command, capture_output=True, check=False, extra_groups=[] if self._owner else None,
                       **self._owner)  # fmt: skip


Disk = OwnDisk | FileLimit


def with_children(pid: int) -> list[int]:
    """A process and everything below it."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    return []


@contextmanager
def disk_on(folder: Path, pids: Pids, owner: dict[str, int]) -> Iterator[Disk]:
    """A disk for an empty folder, of the owner given as `user` and `group` (by default ourselves)."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = f"uid={owner.get('user', os.geteuid())},gid={owner.get('group', os.getegid())}"
    command = ["mount", "-t", "tmpfs", "-o", f"size={LARGE},mode=700,{mine}", "goldsmith-chaos", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        yield FileLimit(pids, owner)
        return
    try:
        yield OwnDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
