"""A short chaos as part of the suite; `make chaos MINUTES=n` runs a long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.run import chaos, lines
from tests.chaos.turns import takeovers


@pytest.mark.timeout(1500)  # it waits for effects, not for a time: this only ends what hangs
def test_a_short_chaos_on_postgresql_leaves_everything_in_order(tmp_path: Path) -> None:
    report = chaos(tmp_path, 0, seed=20260, clients=4, workers=2)
    print("\n".join(lines(report)))
    assert report.problems == []
    assert report.jobs()["CREATE_SERVER SUCCESS"] > 0
    assert takeovers(report.record) > 0
