"""What must be true afterwards, proven from the history of calls, the database and the world of the cloud."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.database import rows

from goldsmith.clouds.simulated import World

Entry = dict[str, Any]
ENDED = {"SUCCESS", "FAILED"}


def read(file: Path) -> list[Entry]:
    """The history."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def problems(history: list[Entry], data_dir: Path) -> list[str]:
    """Everything that is not as it must be."""
    found = [*_jobs(history, data_dir), *_cancels(history, data_dir), *_answers(history), *_servers(data_dir)]
    return [*found, *_intervals(data_dir), *_world(data_dir), *_refusals(history)]


def _acknowledged(history: list[Entry], what: str) -> Iterator[Entry]:
    return (each for each in history if each.get("what") == what and each["status"] == 200)


def _jobs(history: list[Entry], data_dir: Path) -> Iterator[str]:
    """Every acknowledged job ended, once, and the same key never made two."""
    known = {row["id"]: row for row in rows(data_dir, "SELECT * FROM jobs")}
    keys: dict[str, set[str]] = defaultdict(set)
    for each in (*_acknowledged(history, "create"), *_acknowledged(history, "delete")):
        job = known.get(each["answer"]["job_id"])
        if job is None:
            yield f"job {each['answer']['job_id']} was acknowledged and is not there: {each}"
        elif job["status"] not in ENDED:
            yield f"job {job['id']} was acknowledged and has not ended: {job}"
        if each["what"] == "create":
            keys[each["body"]["name"]].add(each["answer"]["job_id"])
    yield from (f"{name} was created by several jobs: {jobs}" for name, jobs in keys.items() if len(jobs) > 1)
    names = Counter(row["name"] for row in rows(data_dir, "SELECT name FROM image_servers"))
    yield from (f"there are {count} image servers called {name}" for name, count in names.items() if count > 1)
    for row in rows(data_dir, "SELECT job_id, count(*) AS n FROM sub_jobs GROUP BY job_id HAVING count(*) <> 1"):
        yield f"job {row['job_id']} has {row['n']} sub jobs"


def _cancels(history: list[Entry], data_dir: Path) -> Iterator[str]:
    """A job whose cancellation was acknowledged is undone, unless it was retried afterwards."""
    retried = {each["path"].split("/")[1] for each in history if each.get("what") == "retry"}
    for each in _acknowledged(history, "cancel"):
        job_id = each["path"].split("/")[1]
        (job,) = rows(data_dir, "SELECT status FROM jobs WHERE id = ?", job_id)
        if job["status"] != "FAILED" and job_id not in retried:
            yield f"job {job_id} was cancelled and is {job['status']}"


def _answers(history: list[Entry]) -> Iterator[str]:
    """A job that was seen to have ended stays so, unless it was retried."""
    retried = {each["path"].split("/")[1] for each in history if each.get("what") == "retry"}
    seen: dict[str, str] = {}
    for each in _acknowledged(history, "show"):
        job = each["answer"]
        before = seen.setdefault(job["id"], job["status"])
        if before in ENDED and job["status"] != before and job["id"] not in retried:
            yield f"job {job['id']} was {before}, then {job['status']}"
        seen[job["id"]] = job["status"]


def _servers(data_dir: Path) -> Iterator[str]:
    """Image servers, their machines and the ends of their workflows agree."""
    with World(data_dir) as world:
        machines = Counter(each.metadata["image_server"] for each in world.servers())
    for server_id, count in machines.items():
        if count > 1:
            yield f"image server {server_id} has {count} machines"
    known = {row["id"]: row for row in rows(data_dir, "SELECT * FROM image_servers")}
    for row in known.values():
        if row["status"] not in {"ACTIVE", "ERROR"}:
            yield f"image server {row['id']} is {row['status']} when all is over"
        if row["status"] == "ACTIVE" and machines[row["id"]] != 1:
            yield f"image server {row['id']} is ACTIVE and has {machines[row['id']]} machines"
    yield from (f"machine of image server {each}, which is not there" for each in machines if each not in known)


def _intervals(data_dir: Path) -> Iterator[str]:
    """No two workflows changed one server at once."""
    sql = """SELECT w.subject, w.id, w.kind, min(s.started_at) AS began,
                    max(coalesce(s.ended_at, s.started_at)) AS ended
             FROM workflows w JOIN workflow_steps s ON s.workflow_id = w.id
             GROUP BY w.subject, w.id, w.kind ORDER BY w.subject, began"""
    last: dict[str, Any] = {}
    for row in rows(data_dir, sql):
        before = last.get(row["subject"])
        if before is not None and row["began"] < before["ended"]:
            yield f"{before['kind']} {before['id']} and {row['kind']} {row['id']} changed {row['subject']} at once"
        last[row["subject"]] = row


def _world(data_dir: Path) -> Iterator[str]:
    """Every machine and address was made once, and nothing was made or started after it had been removed."""
    with World(data_dir) as world:
        calls = world.calls()
    made: Counter[tuple[str, str]] = Counter()
    removed: set[str] = set()
    for call in calls:
        if call.outcome != "changed":
            continue
        if call.call in {"create_server", "create_port"}:
            made[call.call, call.subject] += 1
        if call.call in {"create_server", "create_port", "start_server"} and call.subject in removed:
            yield f"{call.call} of {call.subject} after its removal"
        if call.call in {"delete_server", "delete_port"}:
            removed.add(call.subject)
    for (what, subject), count in made.items():
        if count > 1:
            yield f"{what} of {subject} took effect {count} times"


def _refusals(history: list[Entry]) -> Iterator[str]:
    """Nothing was answered but what is documented for such times: 200, quota and state conflicts, 503."""
    for each in history:
        status = each.get("status")
        if status is not None and status not in {200, 202, 204, 400, 403, 404, 409, 503}:
            yield f"status {status}: {each}"
