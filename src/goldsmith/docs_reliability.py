"""The page `docs/reliability.md`, made from what the runs of the fault matrix have left in `docs/reliability.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import goldsmith
from goldsmith.workflows import Workflow

RESULTS = Path(goldsmith.__file__).parents[2] / "docs" / "reliability.json"
TEXT = """\
The parts named after a database are whole: every fault at every step of every workflow, made from the workflows
themselves (`tests/faults`). A step that is added is in them by existing, and a workflow that no scenario starts fails
the tests. A kill is modelled there: from that moment nothing the engine does reaches the database. The parts named
"real processes" are chosen cells with a real `kill -9` (`tests/faults/test_kills.py`, `tests/machines`). Parts are
replaced one by one, so they may come from different runs. Each cell asserts

1. that the injected fault really struck, at the named step;
2. the end state: what could be finished has succeeded, everything else has failed with the cause and is undone;
3. that there is one machine at most, made once;
4. that the leak detector (`goldsmith doctor --leaks`), which compares every owner with every thing, finds nothing,
   before and after everything has been deleted.

A part of this page is replaced only by a run in which all of its cells have passed.

`make chaos MINUTES=n` goes on where the matrix ends: an API process and several workers are killed, frozen past their
lease and left without disk space while clients create, cancel, retry and delete. Every call and answer is recorded, and
a checker proves afterwards that every acknowledged job has ended once, that a key made one job, that no two workflows
changed one server at once, that nothing was made after its removal, that limits held and that nothing has leaked."""


def sections(workflows: list[Workflow]) -> Iterator[str]:
    """The parts of the page below its title."""
    results: dict[str, dict[str, dict[str, list[str]]]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    cells = sum(len(faults) for part in results.values() for steps in part.values() for faults in steps.values())
    yield TEXT
    yield f"**{cells} cells in all.**"
    known = {workflow.kind: [step.name for step in workflow.steps] for workflow in workflows}
    for part, kinds in results.items():
        yield f"## {part[0].upper()}{part[1:]}"
        yield _table(kinds)
        missing = [
            f"`{kind}`"
            for kind, steps in known.items()
            if "processes" not in part and list(kinds.get(kind, {})) != steps
        ]
        if missing:
            yield f"Changed since this run: {', '.join(missing)}."


def _table(kinds: dict[str, dict[str, list[str]]]) -> str:
    faults = list(dict.fromkeys(fault for steps in kinds.values() for each in steps.values() for fault in each))
    counts = {kind: Counter(fault for each in steps.values() for fault in each) for kind, steps in kinds.items()}
    rows: list[list[Any]] = [
        ["Fault", *(f"`{kind}`" for kind in kinds), "Cells"],
        ["---", *("---:" for _ in kinds), "---:"],
    ]
    rows += [
        [fault, *(counts[kind][fault] for kind in kinds), sum(counts[kind][fault] for kind in kinds)]
        for fault in faults
    ]
    rows.append(["**All**", *(counts[kind].total() for kind in kinds), sum(each.total() for each in counts.values())])
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
