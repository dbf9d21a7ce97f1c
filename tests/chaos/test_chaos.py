"""A short chaos as part of the suite; `make chaos MINUTES=n` runs a long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.run import chaos, lines


@pytest.mark.timeout(500)
def test_a_short_chaos_leaves_everything_in_order(tmp_path: Path) -> None:
    report = chaos(tmp_path, 15, seed=20260)
    print("\n".join(lines(report)))
    assert report.problems == []
    assert {"kill -9 of a worker", "kill -9 of the API", "a worker frozen past its lease"} <= set(report.evils)
    assert report.jobs["CREATE_SERVER SUCCESS"] > 3
