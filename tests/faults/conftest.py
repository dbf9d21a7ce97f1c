"""Keeps the outcome of the matrix for the documents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.results import RESULTS


@pytest.fixture(scope="session", autouse=True)
def results() -> Iterator[None]:
    """Written when all is over."""
    yield
    RESULTS.write()
