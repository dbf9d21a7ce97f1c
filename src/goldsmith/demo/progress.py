"""A bar for every step of a job; on something that is no terminal, a line whenever a step changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

STYLES = {
    "pending": "dim",
    "running": "bold cyan",
    "done": "green",
    "undoing": "bold yellow",
    "undone": "yellow",
    "failed": "bold red",
}
MOVING = ("running", "undoing")

Job = dict[str, Any]


def show(console: Console, title: str, jobs: Iterable[Job]) -> Job:
    """Show the job until `jobs` ends; its last state."""
    return _bars(console, title, jobs) if console.is_terminal else _lines(console, title, jobs)


def _bars(console: Console, title: str, jobs: Iterable[Job]) -> Job:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console) as progress:
        total = progress.add_task(f"[bold]{title}", total=100, note="")
        rows: dict[str, TaskID] = {}
        job: Job = {}
        for job in jobs:
            percentage = _percentage(job)
            progress.update(total, completed=percentage, note=f"{percentage} %")
            for step in _steps(job):
                _update(progress, rows, step)
    return job


def _percentage(job: Job) -> int:
    return int(job["sub_jobs"][0].get("progress") or 0)


def _steps(job: Job) -> list[Job]:
    return job["sub_jobs"][0].get("steps") or []


def _update(progress: Progress, rows: dict[str, TaskID], step: Job) -> None:
    name, state = step["name"], step["state"]
    label = Text(f"  {_words(name)}", STYLES.get(state, "")).markup
    if name not in rows:
        rows[name] = progress.add_task(label, total=1, note="")
    progress.update(rows[name], description=label, note=_note(step))
    task = next(task for task in progress.tasks if task.id == rows[name])
    task.total = None if state in MOVING else 1
    task.completed = 1 if state == "done" else 0


def _lines(console: Console, title: str, jobs: Iterable[Job]) -> Job:
    console.print(title, markup=False)
    seen: dict[str, str] = {}
    job: Job = {}
    for job in jobs:
        for step in _steps(job):
            if step["state"] not in ("pending", seen.get(step["name"])):
                seen[step["name"]] = step["state"]
                line = f"  {_percentage(job):>3} %  {_words(step['name'])}: {_note(step)}"
                console.print(line, markup=False, highlight=False)
    return job


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _note(step: Job) -> str:
    if step["state"] == "pending":
        return ""
    seconds = step.get("seconds")
    took = f" {seconds:.1f} s" if seconds is not None else ""
    return f"{step['state']}{took}"
