"""Connections that are kept open for many requests."""

from __future__ import annotations

import time

import httpx
from tests.service import Service


def test_answers_on_a_kept_connection_are_not_held_back(service: Service) -> None:
    with httpx.Client(base_url=service.endpoint, trust_env=False) as client:

        def seconds() -> float:
            started = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            return time.perf_counter() - started

        assert min(seconds() for _ in range(20)) < 0.02, "Nagle's algorithm and delayed ACKs cost 40 ms"
