"""Work in a thread is waited for, whatever becomes of the caller."""

from __future__ import annotations

import asyncio
import threading

import pytest

from goldsmith.clouds.qemu.threads import to_the_end


async def test_a_cancelled_caller_leaves_when_its_thread_has_ended() -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        assert may_end.wait(20)
        done.append("work")

    async def caller() -> None:
        try:
            await to_the_end(work)
        finally:
            done.append("caller")

    calling = asyncio.create_task(caller())
    await asyncio.to_thread(begun.wait, 20)
    for _ in range(3):  # a worker that has lost its lease is told so at every beat
        calling.cancel()
        await asyncio.sleep(0)
    assert not calling.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert done == ["work", "caller"]


async def test_results_and_failures_are_the_callers() -> None:
    assert await to_the_end(int, "12", base=8) == 10
    with pytest.raises(ValueError, match="invalid"):
        await to_the_end(int, "x")
