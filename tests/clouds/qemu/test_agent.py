"""The guest agent's conversation, with an agent of our own at the other end of the socket."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from goldsmith.clouds.port import Refused, TryAgainLater
from goldsmith.clouds.qemu.agent import GuestAgent

Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]


@asynccontextmanager
async def agent_that(
    answers: Answer, folder: Path, *, stale: bytes = b"", deaf_at_first: int = 0
) -> AsyncIterator[GuestAgent]:
    """A client whose agent echoes syncs and otherwise does what `answers` says; None is silence.

    The first `deaf_at_first` connections are taken, but nothing that is sent on them arrives.
    """
    folder.mkdir()
    connections = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(stale)
        if next(connections) < deaf_at_first:
            await reader.read()
        while line := await reader.readline():
            request = json.loads(line.lstrip(b"\xff"))
            arguments = request.get("arguments", {})
            if request["execute"] == "guest-sync-delimited":
                writer.write(b"\xff" + json.dumps({"return": arguments["id"]}).encode() + b"\n")
            elif (answer := answers(request["execute"], arguments)) is not None:
                writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, folder / "agent.sock"):
        yield GuestAgent(folder)


async def test_answers_to_others_are_skipped(tmp_path: Path) -> None:
    stale = b'{"return": {"pid": 7}}\n\xff{"return": 12345}\n{"error": {"class": "GenericError"}}\n'
    async with agent_that(lambda *_: {"return": {}}, tmp_path / "m", stale=stale) as agent:
        assert await agent.ping(2.0)


async def test_a_command_is_sent_once_though_the_way_to_the_agent_loses_what_was_sent_before(tmp_path: Path) -> None:
    seen: list[str] = []

    def answers(command: str, _: dict[str, Any]) -> dict[str, Any]:
        seen.append(command)
        return {"return": {"pid": 1} if command == "guest-exec" else {"exited": True, "exitcode": 0}}

    async with agent_that(answers, tmp_path / "m", deaf_at_first=1) as agent:
        assert (await agent.run(["/bin/true"], b"", 20.0)).exit_code == 0
    assert seen == ["guest-exec", "guest-exec-status"]


async def test_silence_is_no_and_an_absent_socket_too(tmp_path: Path) -> None:
    async with agent_that(lambda *_: None, tmp_path / "m") as agent:
        assert not await agent.ping(0.05)
    assert not await GuestAgent(tmp_path).ping(0.05)


async def test_a_command_gets_its_input_and_gives_its_result(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def answers(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if command == "guest-exec":
            seen.append(arguments)
            return {"return": {"pid": 42}}
        if len(seen) < 3:
            seen.append(arguments)
            return {"return": {"exited": False}}
        output = base64.b64encode(b"caf\xc3\xa9 \xff").decode()
        return {"return": {"exited": True, "exitcode": 3, "out-data": output}}

    async with agent_that(answers, tmp_path / "m") as agent:
        result = await agent.run(["/bin/cat", "-", "a b"], b"secret", 5.0)
    assert seen[0] == {
        "path": "/bin/cat",
        "arg": ["-", "a b"],
        "capture-output": True,
        "input-data": base64.b64encode(b"secret").decode(),
    }
    assert seen[1:] == [{"pid": 42}, {"pid": 42}]
    assert (result.exit_code, result.stdout, result.stderr) == (3, "café \ufffd", "")


async def test_a_command_that_dies_of_a_signal_has_a_shells_exit_code(tmp_path: Path) -> None:
    def answers(command: str, _: dict[str, Any]) -> dict[str, Any]:
        return {"return": {"pid": 1} if command == "guest-exec" else {"exited": True, "signal": 9}}

    async with agent_that(answers, tmp_path / "m") as agent:
        assert (await agent.run(["x"], b"", 5.0)).exit_code == 137


async def test_a_command_that_outlives_its_time_may_be_tried_again(tmp_path: Path) -> None:
    def answers(command: str, _: dict[str, Any]) -> dict[str, Any]:
        return {"return": {"pid": 1} if command == "guest-exec" else {"exited": False}}

    async with agent_that(answers, tmp_path / "m") as agent:
        with pytest.raises(TryAgainLater, match="did not end within"):
            await agent.run(["/bin/sleep", "9"], b"", 0.1)


async def test_what_the_agent_refuses_is_refused(tmp_path: Path) -> None:
    error = {"error": {"class": "GenericError", "desc": "Failed to execute child process"}}
    async with agent_that(lambda *_: error, tmp_path / "m") as agent:
        with pytest.raises(Refused, match="Failed to execute"):
            await agent.run(["/nowhere"], b"", 5.0)


async def test_two_requests_at_once_take_turns(tmp_path: Path) -> None:
    async with agent_that(lambda *_: {"return": {}}, tmp_path / "m") as agent:
        assert await asyncio.gather(*(agent.ping(2.0) for _ in range(5))) == [True] * 5
