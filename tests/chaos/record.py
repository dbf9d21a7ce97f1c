"""Everything that is known of a run: what was asked and answered, every change of a row, every call of the cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.databases import Database

from goldsmith.clouds.simulated import CallRecord, World

Entry = dict[str, Any]
TABLES = ("jobs", "sub_jobs", "workflows", "workflow_steps", "image_servers", "quotas", "placements")


@dataclass(frozen=True)
class Limits:
    """What may never be exceeded."""

    servers: int
    boots_per_host: int
    jobs_per_project: int
    boot_seconds: float = 5.0
    """How long the cloud takes to boot a machine, on its own clock."""


@dataclass(frozen=True)
class Record:
    """A run, as the checker sees it.

    `history` holds the clients' calls and the evils, `changes` every change of a watched row in order, `calls` what
    the cloud was asked to do, `tables` the rows in the end, `machines` those that are left, by image server.
    """

    limits: Limits
    evils: set[str]
    history: list[Entry] = field(default_factory=list)
    changes: list[Entry] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    tables: dict[str, list[Entry]] = field(default_factory=dict)
    machines: list[Entry] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def asked(self, *what: str) -> Iterator[Entry]:
        """The calls of this kind, whatever was answered."""
        return (each for each in self.history if each.get("what") in what)

    def acknowledged(self, *what: str) -> Iterator[Entry]:
        """Those that were answered with 200."""
        return (each for each in self.asked(*what) if each["status"] == 200)

    def changes_of(self, *things: str) -> Iterator[Entry]:
        """The changes of these tables."""
        return (each for each in self.changes if each["thing"] in things)


def lines_of(file: Path) -> list[Entry]:
    """A file of JSON lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def collect(
    folder: Path, data_dir: Path, database: Database, limits: Limits, evils: set[str], calls: list[CallRecord],
    leaks: list[str],
) -> Record:  # fmt: skip
    """The record of a run that is over; also left in the folder, as JSON lines."""
    with World(data_dir) as world:
        machines = [{"id": each.id, "image_server": each.metadata["image_server"]} for each in world.servers()]
    record = Record(
        limits, evils, lines_of(folder / "history.jsonl"), database.changes(), calls,
        {table: database.rows(f"SELECT * FROM {table}") for table in TABLES}, machines, leaks,
    )  # fmt: skip
    _keep(folder / "changes.jsonl", record.changes)
    _keep(folder / "cloud.jsonl", [asdict(each) for each in calls])
    return record


def _keep(file: Path, entries: list[Entry]) -> None:
    file.write_text("".join(f"{json.dumps(each)}\n" for each in entries))


Check = Callable[[Record], Iterator[str]]
