"""Errors of the operating system and of QEMU, in the three words of the Cloud port."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from goldsmith.clouds.port import Refused, TryAgainLater

FULL = {errno.ENOSPC, errno.EDQUOT}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EINTR, errno.EBUSY}

DISK_IN_USE = "another process uses this disk"
"""How what `in_human_words` says begins when the disk is open elsewhere."""
_HUMAN = (
    (re.compile(r"no space left on device", re.I), "no space left on the disk of the host"),
    (re.compile(r"disk quota exceeded", re.I), "the disk quota of the host is used up"),
    (re.compile(r"cannot (set up|allocate) .*memory|cannot allocate memory", re.I), "the host has not enough memory"),
    (re.compile(r"failed to get .*lock", re.I), DISK_IN_USE),
    (re.compile(r"unsupported machine type", re.I), "QEMU does not know the machine type of the settings"),
    (re.compile(r"could not access KVM|failed to initialize kvm", re.I), "KVM cannot be used on this host"),
    (re.compile(r"kvm internal error|kvm_buf_set_msrs|KVM_", re.I), "KVM failed while it ran the guest"),
    (re.compile(r"invalid .*CPUs|number of .*cpus", re.I), "the machine type does not allow so many CPUs"),
    (re.compile(r"terminating on signal \d+", re.I), "the machine's process was told to end"),
)  # fmt: skip


class DiskInUse(TryAgainLater):
    """QEMU ended at once because another process has the machine's disk open."""


@contextlib.contextmanager
def os_errors(where: os.PathLike[str] | str) -> Iterator[None]:
    """Turn an `OSError` of the block into `Refused` or `TryAgainLater`; `where` is named if the error names no file."""
    try:
        yield
    except OSError as problem:
        place = problem.filename or os.fspath(where)
        if problem.errno in FULL:
            raise Refused(f"no space left on {place}") from problem
        if problem.errno in _BUSY:
            raise TryAgainLater(f"{place}: {problem.strerror}") from problem
        raise Refused(f"{place}: {problem.strerror or problem}") from problem


def in_human_words(output: str) -> str:
    """What QEMU's last words mean, followed by the words themselves; "" when it said nothing."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = "; ".join(lines)
    for pattern, meaning in _HUMAN:
        if pattern.search(said):
            return f"{meaning} ({said})"
    return said
