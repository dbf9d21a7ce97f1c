"""One operation at a time per machine or port, across all processes that share a data folder."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from goldsmith.clouds.port import TryAgainLater

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1
_FLOCK = "hhqqi4x"
"""struct flock: type, whence, start, length, pid."""


class Locks:
    """Locks on bytes of one file, the byte chosen by the thing's id: no file per thing that could be left over.

    They belong to the open file description. The kernel drops them when this process dies, except that a QEMU which
    is just being started holds them on until it has replaced its program: a killed goldsmith leaves no gap in which
    a second QEMU could be started.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.asynccontextmanager
    async def hold(self, thing: str, patience: float) -> AsyncIterator[None]:
        """Hold the lock of a machine or port; `TryAgainLater` when it is not free within `patience` seconds."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            pause = _FIRST_PAUSE
            loop = asyncio.get_running_loop()
            deadline = loop.time() + patience
            while not _try(file, thing):
                if loop.time() >= deadline:
                    raise TryAgainLater(f"{thing} is busy with another operation")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            yield
        finally:
            os.close(file)

    @contextlib.contextmanager
    def if_free(self, thing: str) -> Iterator[bool]:
        """Hold the lock of a machine or port if nobody does; whether it was free."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _try(file, thing)
        finally:
            os.close(file)


def _try(file: int, thing: str) -> bool:
    digest = hashlib.sha256(thing.lower().encode("utf-8", "surrogatepass")).digest()
    byte = int.from_bytes(digest[:8]) >> 2  # 62 bits: a file offset is a signed 64-bit number
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    except OSError as problem:
        if problem.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
