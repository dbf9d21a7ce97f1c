"""Blocking work in threads that a cancelled caller does not leave behind.

A thread cannot be stopped. A caller that went away at once would give back the machine's lock while the thread still
makes files or starts QEMU, and whoever undoes the step would come too early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """`asyncio.to_thread`, except that being cancelled takes effect once the thread has ended."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *args, **options))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                continue
        if not work.cancelled():
            work.exception()  # looked at, so that nobody warns of it
        raise
