"""Talk to a running QEMU over its machine protocol (QMP).

One connection per conversation: it takes a few milliseconds, and nothing has to be kept, healed or shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

from goldsmith.clouds.port import Refused, TryAgainLater
from goldsmith.clouds.qemu.machine import QMP_SOCKET

_CONNECT_SECONDS = 5.0
_COMMAND_SECONDS = 30.0

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # it logs every lost connection, which here are answers


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """A path to `folder`/`name` that fits a socket address (108 bytes) however long the real one is."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)


class Monitor:
    """An open conversation with one QEMU."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client

    async def execute(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command. `Refused` when QEMU refuses it, `TryAgainLater` when the connection is lost."""
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                return await self._client.execute(command, arguments or None)
        except ExecuteError as problem:
            raise Refused(f"QEMU refused {command}: {problem}") from problem
        except (QMPError, OSError, EOFError, TimeoutError) as problem:
            raise TryAgainLater(f"QEMU did not answer {command}: {problem or type(problem).__name__}") from problem


class Monitors:
    """The way to the QEMU whose machine lives in `folder`: one conversation at a time, as its socket wants it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def converse(self) -> AsyncIterator[Monitor]:
        """Connect; `TryAgainLater` when QEMU does not answer."""
        async with self._lock:
            client = QMPClient("goldsmith")
            try:
                with short_path(self._folder, QMP_SOCKET) as address:
                    async with asyncio.timeout(_CONNECT_SECONDS):
                        await client.connect(address)
            except (QMPError, OSError, EOFError, TimeoutError) as problem:
                await _leave(client)
                raise TryAgainLater(f"QEMU does not answer: {problem or type(problem).__name__}") from problem
            try:
                yield Monitor(client)
            finally:
                await _leave(client)


async def _leave(client: QMPClient) -> None:
    # Disconnecting reports what ended the connection; whoever needed to know has seen it already.
    with contextlib.suppress(QMPError, OSError, EOFError, TimeoutError):
        async with asyncio.timeout(_CONNECT_SECONDS):
            await client.disconnect()
