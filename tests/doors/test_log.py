"""The log: written in order, and nothing of it kept back."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest

from goldsmith.telemetry import Together


class Writes(io.StringIO):
    """Remembers each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def write(self, text: str) -> int:
        self.made.append(text)
        return super().write(text)


@pytest.fixture
def stream() -> Writes:
    return Writes()


@pytest.fixture
def log(stream: Writes) -> logging.Logger:
    made = logging.Logger("test")
    made.addHandler(Together(stream))
    return made


async def test_the_lines_of_one_turn_of_the_loop_are_written_together(log: logging.Logger, stream: Writes) -> None:
    for number in range(3):
        log.info("%d", number)
    assert stream.made == []
    await asyncio.sleep(0)
    assert stream.made == ["0\n1\n2\n"]
    log.info("later")
    await asyncio.sleep(0)
    assert stream.made[1:] == ["later\n"]


async def test_a_warning_is_written_at_once_after_what_came_before(log: logging.Logger, stream: Writes) -> None:
    log.info("before")
    log.warning("now")
    assert stream.made == ["before\nnow\n"]
    await asyncio.sleep(0)
    assert stream.made == ["before\nnow\n"]


def test_outside_of_the_loop_every_line_is_written_at_once(log: logging.Logger, stream: Writes) -> None:
    log.info("one")
    log.info("two")
    assert stream.made == ["one\n", "two\n"]


def test_what_is_waiting_when_the_loop_ends_is_written(log: logging.Logger, stream: Writes) -> None:
    async def last_words() -> None:
        log.info("goodbye")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(last_words())
    loop.close()
    log.handlers[0].flush()
    assert stream.getvalue() == "goodbye\n"
