"""A service of its own, which must be empty in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.app_servers.remains import tidy
from tests.service import Service


@pytest.fixture(scope="module")
def tidy_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Shared by a module; whatever a test made there it has removed, or the end fails."""
    yield from tidy(tmp_path_factory.mktemp("tidy"))
