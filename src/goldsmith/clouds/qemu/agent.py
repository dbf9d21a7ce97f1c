"""Talk to the QEMU guest agent of a machine.

The agent's socket takes one client at a time and keeps what earlier clients left unread. So every request makes its
own connection, under a lock per machine, and first sends a sync with a random id: all before its echo is stale. What
is sent while the agent still reads what an earlier client left behind can be lost on the way to it, so the request
itself follows only the echo, and a sync that stays without one is repeated on a new connection.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from goldsmith.clouds.port import CommandResult, Refused, TryAgainLater
from goldsmith.clouds.qemu.machine import AGENT_SOCKET
from goldsmith.clouds.qemu.monitor import short_path

_SENTINEL = b"\xff"
"""Sent first it makes the agent drop a half-read request; the agent sends it before a sync's echo."""
_LONGEST_ANSWER = 64 * 2**20
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25
_REQUEST_SECONDS = 10.0
_FIRST_ECHO_SECONDS = 1.0
_SHUT_OFF = ("CommandNotFound", "CommandDisabled")


class GuestAgent:
    """The agent of the machine in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = asyncio.Lock()

    async def ping(self, patience: float) -> bool:
        """Whether the agent answers within `patience` seconds."""
        try:
            await self._ask("guest-ping", {}, patience)
        except TryAgainLater:
            return False
        return True

    async def run(self, command: Sequence[str], stdin: bytes, timeout: float) -> CommandResult:
        """Run `command` in the guest and wait for its end, at most `timeout` seconds.

        `TryAgainLater` when the agent falls silent or the time is over (the command may then still run),
        `Refused` when the agent does not allow it or cannot find the program.
        """
        arguments: dict[str, Any] = {"path": command[0], "arg": list(command[1:]), "capture-output": True}
        if stdin:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        try:
            async with asyncio.timeout(timeout):
                pid = (await self._ask("guest-exec", arguments, timeout))["pid"]
                return await self._outcome(pid, timeout)
        except TimeoutError:
            raise TryAgainLater(f"{command[0]} did not end within {timeout:g} s in the guest") from None

    async def _outcome(self, pid: int, timeout: float) -> CommandResult:
        pause = _FIRST_PAUSE
        while True:
            try:
                status = await self._ask("guest-exec-status", {"pid": pid}, min(timeout, _REQUEST_SECONDS))
            except Refused as problem:  # it knew this pid a moment ago, so it has been restarted
                raise TryAgainLater(f"the guest's agent lost track of the command: {problem}") from problem
            if status["exited"]:
                return CommandResult(
                    # A command that died of a signal has no exit code: say it as a shell does.
                    exit_code=status.get("exitcode", 128 + status.get("signal", 0)),
                    stdout=_text(status.get("out-data", "")),
                    stderr=_text(status.get("err-data", "")),
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask(self, command: str, arguments: dict[str, Any], patience: float) -> Any:
        """One request; `TryAgainLater` when there is no answer within `patience` seconds."""
        try:
            async with asyncio.timeout(patience), self._lock:
                answer = await self._exchange(command, arguments)
        except (OSError, EOFError, TimeoutError, ValueError) as problem:
            raise TryAgainLater(f"the guest agent does not answer: {problem or 'no answer in time'}") from problem
        if "error" not in answer:
            return answer["return"]
        error = answer["error"]
        if error.get("class") in _SHUT_OFF:
            raise Refused(f"the guest's agent does not offer {command}: {error.get('desc')}")
        raise Refused(f"the guest's agent refused {command}: {error.get('desc')}")

    async def _exchange(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self._in_step() as (reader, writer):
            writer.write(_line(command, arguments))
            await writer.drain()
            answer = json.loads(await reader.readuntil(b"\n"))
        return answer if isinstance(answer, dict) else {"error": {"desc": f"{command} was answered with {answer!r}"}}

    @contextlib.asynccontextmanager
    async def _in_step(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection whose next line is the answer to what is written next; tried until the caller's time is over."""
        patience = _FIRST_ECHO_SECONDS
        while True:
            with short_path(self._folder, AGENT_SOCKET) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=_LONGEST_ANSWER)
            try:
                if await _is_echoed(reader, writer, patience):
                    yield reader, writer
                    return
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            patience *= 2


async def _is_echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> bool:
    token = secrets.randbits(48)
    writer.write(_SENTINEL + _line("guest-sync-delimited", {"id": token}))
    await writer.drain()
    try:
        async with asyncio.timeout(patience):
            while True:
                await reader.readuntil(_SENTINEL)
                if json.loads(await reader.readline()).get("return") == token:
                    return True
    except TimeoutError:
        return False


def _line(command: str, arguments: dict[str, Any]) -> bytes:
    request: dict[str, Any] = {"execute": command}
    if arguments:
        request["arguments"] = arguments
    return json.dumps(request).encode() + b"\n"


def _text(data: str) -> str:
    return base64.b64decode(data).decode(errors="replace")
