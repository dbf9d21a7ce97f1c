"""A name that leads elsewhere a moment later gains nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.events.conftest import Receiver

from goldsmith.events.sending import Sender
from goldsmith.events.targets import Targets

NAME = "rebind.example"


class Resolver:
    """Answers for one name: the first address, and from then on the second."""

    def __init__(self, first: str, second: str) -> None:
        self.asked = 0
        self._addresses, self._loop = (first, second), asyncio.get_running_loop()
        self._real = self._loop.getaddrinfo

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        if host == NAME:
            self.asked += 1
            host = self._addresses[min(self.asked, 2) - 1]
        return await self._real(host, port, **options)


@pytest.fixture
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


async def test_the_connection_goes_to_the_address_that_was_checked(
    receiver: Receiver, patched: pytest.MonkeyPatch
) -> None:
    resolver = Resolver("127.0.0.1", "127.0.0.2")
    patched.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
    sender, port = Sender(Targets(allow_private=True), 10), receiver.server.server_port
    outcome = await sender.send("hook", f"http://{NAME}:{port}/hook", "secret", b"{}")
    await sender.close()
    assert (outcome.status, outcome.error, resolver.asked) == (204, "", 1)
    assert [each.headers["host"] for each in receiver.received] == [f"{NAME}:{port}"]


async def test_a_name_is_checked_again_for_every_connection(receiver: Receiver, patched: pytest.MonkeyPatch) -> None:
    resolver = Resolver("8.8.8.8", "127.0.0.1")
    patched.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
    targets, url = Targets(allow_private=False), f"https://{NAME}:{receiver.server.server_port}/hook"
    assert [str(each) for each in (await targets.checked(url)).addresses] == ["8.8.8.8"]
    sender = Sender(targets, 10)
    outcome = await sender.send("hook", url, "secret", b"{}")
    await sender.close()
    assert outcome.status is None
    assert outcome.error.startswith("loopback: ")
    assert receiver.received == []
