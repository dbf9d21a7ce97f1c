"""How the tests are shared among processes that run at the same time (`make test` starts several).

The tests of a file stay together, since they share what the file has started. The fault matrix is two shares, one for
each database. Those that boot real machines are one share: several at once would only make each other slow. What takes
longest begins first, so that no process is left working alone in the end.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

BOOTING = ("tests/machines/", "tests/clouds/qemu/test_boot.py", "tests/clouds/qemu/test_contract.py")
DIVIDED = "tests/faults/test_matrix.py"
LONGEST = (
    *BOOTING, DIVIDED, "tests/image_servers/test_survival.py", "tests/workflows/test_processes.py", "tests/chaos/",
    "tests/permissions/", "tests/faults/", "tests/clouds/qemu/",
)  # fmt: skip


def share_of(nodeid: str) -> str:
    """Which share a test belongs to."""
    file = nodeid.split("::", 1)[0]
    if file.startswith(BOOTING):
        return "real machines"
    if file != DIVIDED:
        return file
    return f"{file} on PostgreSQL" if "[postgresql" in nodeid else file


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """The same tests, longest shares first."""

    def rank(item: pytest.Item) -> int:
        found = (number for number, start in enumerate(LONGEST) if item.nodeid.startswith(start))
        return next(found, len(LONGEST))

    return sorted(items, key=rank)


class Sharing(LoadScopeScheduling):
    """Gives every process the next share once it is done with its own."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
