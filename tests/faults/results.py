"""The outcome of the matrix, kept for the page `docs/reliability.md`, which is made from it.

A part of the file is replaced only by a run in which every cell of that part has passed.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "reliability.json"
Cell = tuple[str, str, str]
"""Workflow, step, fault."""


class Results:
    """Cells that were to be tried in this run, and those that passed, by part."""

    def __init__(self) -> None:
        self._expected: dict[str, list[Cell]] = {}
        self._passed: dict[str, set[Cell]] = {}

    def expect(self, part: str, cells: Iterable[Cell]) -> None:
        """These make the part whole, in this order."""
        self._expected[part] = list(cells)

    def passed(self, part: str, cell: Cell) -> None:
        """Note a cell."""
        self._passed.setdefault(part, set()).add(cell)

    def write(self) -> None:
        """Keep the parts that are whole; a file that would say the same is not touched."""
        with FILE.parent.joinpath("reliability.md").open() as page:
            fcntl.flock(page, fcntl.LOCK_EX)  # other parts may be written by other processes
            self._write()

    def _write(self) -> None:
        text = FILE.read_text() if FILE.exists() else "{}"
        known: dict[str, dict[str, dict[str, list[str]]]] = json.loads(text)
        for part, cells in self._expected.items():
            if self._passed.get(part) == set(cells):
                known[part] = _by_step(cells)
        fresh = json.dumps(dict(sorted(known.items())), indent=1) + "\n"
        if fresh != text and known:
            FILE.write_text(fresh)


def _by_step(cells: Iterable[Cell]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for kind, step, fault in cells:
        found.setdefault(kind, {}).setdefault(step, []).append(fault)
    return found


RESULTS = Results()
