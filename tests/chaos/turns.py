"""Who worked on what, and when: the changes of workflows and steps, played once more from the record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.record import Check, Entry, Record

LIVE = {"queued", "running"}
MARKS = {"cancel", "run_at", "error"}
"""What whoever cancels changes, and nobody else needs to hold for it."""


def _one_at_a_time(record: Record) -> Iterator[str]:
    """No server has two workflows that are under way, and none writes a step once another has begun."""
    subjects: dict[str, str] = {}
    live: dict[str, set[str]] = defaultdict(set)
    last: dict[str, str] = {}
    past: dict[str, set[str]] = defaultdict(set)
    for change in record.changes_of("workflows", "workflow_steps"):
        row: Entry = change["after"] or change["before"]
        if change["thing"] == "workflow_steps":
            workflow, subject = row["workflow_id"], subjects.get(row["workflow_id"], "")
            if workflow in past[subject]:
                yield f"workflow {workflow} changed {subject} after {last[subject]} had begun to: {change}"
            elif last.get(subject, workflow) != workflow:
                past[subject].add(last[subject])
            last[subject] = workflow
            continue
        subjects[row["id"]] = row["subject"]
        under_way = live[row["subject"]]
        if change["after"] and row["state"] in LIVE:
            under_way.add(row["id"])
            if len(under_way) > 1:
                yield f"workflows {sorted(under_way)} were under way for {row['subject']} at once"
        else:
            under_way.discard(row["id"])


def _holders(record: Record) -> Iterator[str]:
    """Only who holds the lease of a workflow writes its checkpoints, and every holder has an epoch of its own."""
    rows: dict[str, Entry] = {}
    holder: dict[str, str] = {}
    for change in record.changes_of("workflows", "workflow_steps"):
        who, before, after = change["who"], change["before"], change["after"]
        if after is None:
            continue
        if change["thing"] == "workflow_steps":
            row = rows.get(after["workflow_id"], {})
            if row.get("state") != "running" or who != holder.get(after["workflow_id"]):
                yield f"{who} wrote a step of a workflow held by {holder.get(after['workflow_id'])}: {change}"
            continue
        rows[after["id"]] = after
        if before is None or before["state"] not in LIVE:
            continue
        if before["state"] == "queued" and after["state"] == "running":
            if after["epoch"] != before["epoch"] + 1:
                yield f"{who} has claimed workflow {after['id']} with epoch {after['epoch']} after {before['epoch']}"
            holder[after["id"]] = who
        elif after["epoch"] != before["epoch"]:
            yield f"{who} changed the epoch of workflow {after['id']}: {change}"
        elif before["state"] == "running" and who != holder.get(after["id"]):
            yield from _by_another(change, holder.get(after["id"], ""))


def _by_another(change: Entry, holder: str) -> Iterator[str]:
    """Others may cancel what is held, and give it back to the queue when its lease has ended; nothing else."""
    before, after = change["before"], change["after"]
    changed = {name for name, value in after.items() if before[name] != value} - {"lease_until"}
    if changed <= MARKS:
        return
    if changed == {"state", "owner"} and after["state"] == "queued":
        if change["at"] < before["lease_until"]:
            yield f"{change['who']} has taken {after['id']} from {holder} before its lease had ended: {change}"
        return
    yield f"{change['who']} changed workflow {after['id']}, which {holder} holds: {change}"


def _limits(record: Record) -> Iterator[str]:
    """Boots per host and jobs per project are never exceeded."""
    permits: Counter[str] = Counter()
    running: Counter[str] = Counter()
    for change in record.changes_of("workflows"):
        for row, count in ((change["before"], -1), (change["after"], 1)):
            if row is not None:
                permits[row["permit"]] += count * row["has_permit"]
                running[row["project_id"]] += count * (row["state"] == "running")
        after: Entry = change["after"] or {"permit": "", "project_id": ""}
        if permits[after["permit"]] > record.limits.boots_per_host:
            yield f"{permits[after['permit']]} hold '{after['permit']}', the limit is {record.limits.boots_per_host}"
        if running[after["project_id"]] > record.limits.jobs_per_project:
            yield f"{running[after['project_id']]} jobs of a project at once, limit {record.limits.jobs_per_project}"


def takeovers(record: Record) -> int:
    """How often a workflow changed hands because a lease had ended."""
    return sum(
        change["op"] == "UPDATE" and change["before"]["state"] == "running" and change["after"]["state"] == "queued"
        and change["at"] >= change["before"]["lease_until"]
        for change in record.changes_of("workflows")
    )  # fmt: skip


CHECKS: tuple[Check, ...] = (_one_at_a_time, _holders, _limits)
