"""A call of the cloud that takes effect only when its job was taken over, undone and ended by somebody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.faults.house import Mortal, opened

from goldsmith.clouds.port import PortSpec, Refused, ServerSpec


@pytest.mark.parametrize("call", ["create_port", "create_server"])
async def test_what_comes_after_its_undo_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    async with opened(tmp_path / "data") as goldsmith:
        cloud = goldsmith.house.cloud
        at_work = getattr(cloud, call)
        has_begun, wakes = asyncio.Event(), asyncio.Event()
        late: list[asyncio.Task[None]] = []

        async def wake(key: str, what: PortSpec | ServerSpec) -> None:
            await wakes.wait()
            await at_work(key, what)

        async def freeze(key: str, what: PortSpec | ServerSpec) -> None:
            late.append(asyncio.create_task(wake(key, what)))
            has_begun.set()
            await asyncio.Event().wait()

        job = await goldsmith.create("late")
        mortal = Mortal(goldsmith.house.store)
        with monkeypatch.context() as frozen:
            frozen.setattr(cloud, call, freeze)
            async with goldsmith.engine(mortal=mortal):
                await has_begun.wait()
                mortal.is_dead = True
        await goldsmith.call("POST", f"image-server-jobs/{job['id']}/actions/cancel")
        await goldsmith.work_off()
        assert (await goldsmith.call("GET", f"image-server-jobs/{job['id']}"))["status"] == "FAILED"
        assert await goldsmith.leaks() == []

        wakes.set()
        with pytest.raises(Refused, match="was deleted"):
            await late[0]
        assert await goldsmith.leaks() == []
