"""The outcome of the matrix, kept for the page `docs/reliability.md`, which is made from it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.faults.strikes import Fault

FILE = Path(__file__).parents[2] / "docs" / "reliability.json"


class Results:
    """Cells that passed in this run, by database and workflow and step."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(dict))

    def passed(self, database: str, kind: str, step: str, fault: Fault) -> None:
        """Note a cell."""
        self._cells[database][kind].setdefault(step, []).append(fault.value)


RESULTS = Results()
