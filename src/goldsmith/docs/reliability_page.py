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

`make chaos MINUTES=n` goes on where the matrix ends: two API processes and three workers on a PostgreSQL server of
their own (`DATABASE=sqlite`: one API process and the file) are killed, frozen past their lease, left without database
and without disk space, while clients create, cancel, retry and delete, the same request sometimes twice at the same
instant and again after a crash. Every call and answer is recorded, and the database itself records every change of a
workflow, step, job, quota and image server with the process that made it. A checker proves afterwards

1. that every acknowledged job is there and has ended once, and once more for each retry;
2. that a key has made one job, one image server and one machine;
3. that no two workflows were under way for one server, that only who held a lease wrote checkpoints, that no lease was
   taken before it had ended, and that nothing was made or started after its removal;
4. that boots per host, jobs per project and quota were not exceeded at any moment, and that quota is what is there;
5. that nothing has leaked;
6. that every kind of evil has struck and was felt: a kill only counts once others went on with the work of the dead.

The checker is itself shown a violation of every kind (`tests/chaos/test_checker.py`), and a short run is part of
`make test`. `SEED=n` makes the same choices again; who meets whom is left to the machine."""


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
