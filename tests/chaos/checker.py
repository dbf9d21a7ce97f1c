"""What was promised to those who called, and whether it was kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos import turns
from tests.chaos.clients import KINDS
from tests.chaos.record import Check, Entry, Record

ENDED = {"SUCCESS", "FAILED"}
EXPECTED = {
    "create": {200, 400, 403, 409, 503},
    "clash": {409, 503},
    "show": {200, 503},
    "cancel": {200, 409, 503},
    "retry": {200, 409, 503},
    "delete": {200, 409, 503},
}
"""What may be answered at such times; a create is refused when quota is used up, 503 says that nobody can tell now."""


def problems(record: Record) -> list[str]:
    """Everything that is not as it must be."""
    return [problem for check in (*CHECKS, *turns.CHECKS) for problem in check(record)]


def _answers(record: Record) -> Iterator[str]:
    """Nothing was answered but what is documented for such times."""
    for each in record.asked(*EXPECTED):
        if each["status"] is not None and each["status"] not in EXPECTED[each["what"]]:
            yield f"{each['what']} was answered with {each['status']}: {each}"


def _jobs(record: Record) -> Iterator[str]:
    """Every acknowledged job is there and has ended."""
    known = {row["id"]: row for row in record.tables["jobs"]}
    for each in record.acknowledged("create", "delete"):
        job = known.get(each["answer"]["job_id"])
        if job is None:
            yield f"job {each['answer']['job_id']} was acknowledged and is not there: {each}"
        elif job["status"] not in ENDED:
            yield f"job {job['id']} was acknowledged and has not ended: {job}"
    parts = Counter(row["job_id"] for row in record.tables["sub_jobs"])
    yield from (f"job {job} has {parts[job]} sub jobs" for job in known if parts[job] > 1)


def _ends(record: Record) -> Iterator[str]:
    """A job ends once, and once more for every retry; only a retry opens it again."""
    ends: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for change in record.changes_of("jobs"):
        before, after = change["before"] or {}, change["after"] or {}
        was, becomes = before.get("status") in ENDED, after.get("status") in ENDED
        job = after.get("id") or before["id"]
        if was and becomes and before["status"] != after["status"]:
            yield f"job {job} was {before['status']}, then {after['status']}"
        ends[job] += becomes and not was
        opened[job] += was and not becomes and bool(after)
    retries = Counter(each["path"].split("/")[1] for each in record.asked("retry"))
    for job, count in ends.items():
        if count > 1 + opened[job]:
            yield f"job {job} has ended {count} times and was opened again {opened[job]} times"
    for job, count in opened.items():
        if count > retries[job]:
            yield f"job {job} was opened again {count} times and retried {retries[job]} times"


def _seen(record: Record) -> Iterator[str]:
    """A job that was seen to have ended stays so, unless it was retried."""
    retried = {each["path"].split("/")[1] for each in record.asked("retry")}
    seen: dict[str, str] = {}
    for each in record.acknowledged("show"):
        job = each["answer"]
        before = seen.setdefault(job["id"], job["status"])
        if before in ENDED and job["status"] != before and job["id"] not in retried:
            yield f"job {job['id']} was shown as {before}, then as {job['status']}"
        seen[job["id"]] = job["status"]


def _keys(record: Record) -> Iterator[str]:
    """A key has one job, one image server and one machine; and none for a request that is another."""
    jobs: dict[str, set[str]] = defaultdict(set)
    for each in record.acknowledged("create", "clash", "delete"):
        jobs[each["key"]].add(each["answer"]["job_id"])
    yield from (f"key {key} has several jobs: {sorted(each)}" for key, each in jobs.items() if key and len(each) > 1)
    made: dict[str, set[str]] = defaultdict(set)
    for change in record.changes_of("image_servers"):
        if change["op"] == "INSERT":
            made[change["after"]["name"]].add(change["after"]["id"])
    yield from (f"{name} was made as {sorted(each)}" for name, each in made.items() if len(each) > 1)
    machines: dict[str, set[str]] = defaultdict(set)
    for call in record.calls:
        if call.call == "create_server" and call.outcome == "changed":
            machines[call.key.split("/")[0]].add(call.subject)
    yield from (f"workflow {key} has made {sorted(each)}" for key, each in machines.items() if len(each) > 1)


def _cancels(record: Record) -> Iterator[str]:
    """A job whose cancellation was acknowledged is undone."""
    retried = {each["path"].split("/")[1] for each in record.asked("retry")}
    status = {row["id"]: row["status"] for row in record.tables["jobs"]}
    for each in record.acknowledged("cancel"):
        job = each["path"].split("/")[1]
        if status.get(job) != "FAILED" and job not in retried:
            yield f"job {job} was cancelled and is {status.get(job)}"


def _servers(record: Record) -> Iterator[str]:
    """Image servers and machines agree, and nothing is under way any more."""
    machines = Counter(each["image_server"] for each in record.machines)
    known = {row["id"]: row for row in record.tables["image_servers"]}
    for row in known.values():
        count = machines[row["id"]]
        if row["status"] not in {"ACTIVE", "ERROR"}:
            yield f"image server {row['id']} is {row['status']} when all is over"
        if count > 1 or (row["status"] == "ACTIVE" and count != 1):
            yield f"image server {row['id']} is {row['status']} and has {count} machines"
    yield from (f"a machine of image server {each}, which is not there" for each in machines if each not in known)


def _world(record: Record) -> Iterator[str]:
    """Every machine and address was made once, and nothing was made, started or used after it had been given up."""
    made: Counter[tuple[str, str]] = Counter()
    given_up: set[str] = set()
    for call in record.calls:
        if call.outcome != "changed":
            continue
        if call.call in {"create_server", "create_port"}:
            made[call.call, call.subject] += 1
        if call.call in {"create_server", "create_port", "start_server", "run_in_guest"} and call.subject in given_up:
            yield f"{call.call} of {call.subject} after its end had begun: {call}"
        if call.call in {"stop_server", "delete_server", "delete_port"}:
            given_up.add(call.subject)
    yield from (f"{what} of {each} took effect {count} times" for (what, each), count in made.items() if count > 1)


def _boots(record: Record) -> Iterator[str]:
    """No host has booted more machines at once than it may, by the clock of the cloud.

    A machine that was started although the cloud said no is nobody's boot: its creation has failed by then.
    """
    placed = [change["after"] for change in record.changes_of("placements") if change["op"] == "INSERT"]
    host = {row["instance_id"]: row["host_id"] for row in placed}
    until: dict[str, dict[str, float]] = defaultdict(dict)
    for call in record.calls:
        if call.outcome != "changed" or call.subject not in host:
            continue
        booting = until[host[call.subject]]
        if call.call in {"stop_server", "delete_server"}:
            booting.pop(call.subject, None)
        if call.call == "start_server" and call.fault != "after:refused":
            booting[call.subject] = call.at + record.limits.boot_seconds
            now = sum(end > call.at for end in booting.values())
            if now > record.limits.boots_per_host:
                yield f"{host[call.subject]} booted {now} machines at once, the limit is {record.limits.boots_per_host}"


def _quota(record: Record) -> Iterator[str]:
    """Quota is what the placements add up to, never more than may be, and never less than nothing."""
    limit = record.limits.servers
    for change in record.changes_of("quotas"):
        row: Entry = change["after"] or {"used": 0, "type": ""}
        if row["used"] < 0 or (row["type"] == "INSTANCES" and row["used"] > limit):
            yield f"quota {row['type']} was {row['used']}, the limit is {limit}"
    most = count = 0
    for call in record.calls:
        if call.outcome == "changed":
            count += {"create_server": 1, "delete_server": -1}.get(call.call, 0)
            most = max(most, count)
    if most > limit:
        yield f"there were {most} machines at once, the limit is {limit}"
    held = Counter(row["project_id"] for row in record.tables["placements"])
    for row in record.tables["quotas"]:
        if row["type"] == "INSTANCES" and row["used"] != held[row["project_id"]]:
            yield f"quota INSTANCES is {row['used']}, but {held[row['project_id']]} are placed"
    placed = {row["instance_id"] for row in record.tables["placements"]}
    yield from (f"machine {each['id']} holds no quota" for each in record.machines if each["id"] not in placed)


def _leaks(record: Record) -> Iterator[str]:
    """The leak detector finds nothing."""
    yield from (f"leak: {leak}" for leak in record.leaks)


def _evils(record: Record) -> Iterator[str]:
    """Every evil that belongs to such a run has happened and was felt, by clients who did all that they can do."""
    yield from (
        f"nobody could {what}" for what in sorted(KINDS - {each["what"] for each in record.acknowledged(*KINDS)})
    )
    felt = {each["nemesis"] for each in record.history if each.get("nemesis") and each["effect"]}
    yield from (f"nothing was felt of: {evil}" for evil in sorted(record.evils - felt))


CHECKS: tuple[Check, ...] = (
    _answers, _jobs, _ends, _seen, _keys, _cancels, _servers, _world, _boots, _quota, _leaks, _evils,
)  # fmt: skip
