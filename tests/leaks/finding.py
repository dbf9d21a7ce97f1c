"""The leak detector, asked about a service of the tests: served, stopped or killed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.service import Service

from goldsmith.app import look_into
from goldsmith.leaks import service as detector
from goldsmith.leaks.suspects import Leak
from goldsmith.settings import Settings


def leaks_of(service: Service) -> list[Leak]:
    """Everything that belongs to nobody; empty for a data folder that was never completed."""
    if not (service.data_dir / "credentials.json").exists():
        return []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in service.settings.items():
            patch.setenv(name, value)
        settings = Settings.load(service.data_dir)

    async def look() -> list[Leak]:
        async with look_into(settings) as (store, cloud):
            return await detector.find(store, cloud)

    # In a thread of its own: the caller may stand in an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, look()).result()
