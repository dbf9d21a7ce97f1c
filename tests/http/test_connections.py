"""Connections that are kept open for many requests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from goldsmith.cli.ports import listen


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_answers_on_a_kept_connection_are_not_held_back(run: Callable[..., int]) -> None:
    """Nagle's algorithm and delayed acknowledgements would cost 40 ms for each."""
    listener = listen("127.0.0.1", 0)
    accepted: asyncio.Queue[int] = asyncio.Queue()

    def made(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def connect() -> int:
        async with await asyncio.start_server(made, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            found = await accepted.get()
            writer.close()
            await writer.wait_closed()
            return found

    assert run(connect()) == 1
