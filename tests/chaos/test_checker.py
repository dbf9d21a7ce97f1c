"""The checker has eyes: a clean record passes, and for every promise a record in which it is broken does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.checker import CHECKS, problems
from tests.chaos.clients import KINDS
from tests.chaos.nemesis import evils_on
from tests.chaos.record import Entry, Limits, Record
from tests.chaos.turns import CHECKS as TURNS
from tests.chaos.turns import takeovers

from goldsmith.clouds.simulated import CallRecord

LIMITS = Limits(servers=2, boots_per_host=1, jobs_per_project=1)
EVILS = evils_on("PostgreSQL")
WORKFLOW: Entry = {
    "id": "W1", "subject": "S1", "project_id": "P", "state": "queued", "epoch": 0, "owner": None, "lease_until": 0,
    "step": "start", "permit": "", "has_permit": 0, "cancel": 0, "error": "", "run_at": 0,
}  # fmt: skip


def change(thing: str, who: str, before: Entry | None, after: Entry | None, at: int = 0) -> Entry:
    op = "INSERT" if before is None else "DELETE" if after is None else "UPDATE"
    return {"thing": thing, "who": who, "op": op, "before": before, "after": after, "at": at}


def course(who: str, workflow: Entry, *states: Entry) -> list[Entry]:
    """A workflow that is put and then becomes each of the states, one after the other."""
    found = [change("workflows", "api-1.1", None, workflow)]
    for each in states:
        by = each.get("by", who)
        after = {name: value for name, value in (workflow | each).items() if name not in {"by", "at"}}
        found.append(change("workflows", by, workflow, after, at=each.get("at", 0)))
        workflow = after
    return found


def worked(who: str, workflow: Entry, epoch: int = 1) -> list[Entry]:
    """A workflow from its beginning to its end, with one step."""
    put, claimed, held, ended = course(
        who, workflow, {"state": "running", "epoch": epoch, "owner": who, "lease_until": 100},
        {"permit": "boots_per_host H", "has_permit": 1},
        {"state": "done", "owner": None, "permit": "", "has_permit": 0},
    )  # fmt: skip
    return [put, claimed, step(who, workflow["id"]), held, ended]


def step(who: str, workflow_id: str) -> Entry:
    return change("workflow_steps", who, None, {"workflow_id": workflow_id, "name": "start"})


def call(what: str, status: int | None, answer: Any = None, *, key: str = "", path: str = "") -> Entry:
    return {"what": what, "status": status, "answer": answer, "key": key, "path": path}


def cloud(seq: int, name: str, subject: str = "M1", key: str = "", outcome: str = "changed") -> CallRecord:
    return CallRecord(seq, 0.0, 1, name, subject, key, outcome, "")  # type: ignore[arg-type]


def started(at: float, server: str, host: str = "H") -> tuple[Entry, CallRecord]:
    placed = change("placements", "api-1.1", None, {"instance_id": server, "host_id": host})
    return placed, replace(cloud(100 + int(at), "start_server", server), at=at)


def booted(record: Record, *more: tuple[Entry, CallRecord]) -> Record:
    return calls(changes(record, *(each for each, _ in more)), *(each for _, each in more))


def clean() -> Record:
    """One image server, created and deleted."""
    running, done = {"id": "J1", "status": "RUNNING"}, {"id": "J1", "status": "SUCCESS"}
    quota = {"project_id": "P", "type": "INSTANCES", "used": 0}
    history = [
        call("create", None, key="k1"),
        call("create", 200, {"job_id": "J1"}, key="k1"),
        call("show", 200, running),
        call("show", 200, done),
        call("clash", 409, {}, key="k1"),
        call("delete", 200, {"job_id": "J2"}, key="d1"),
        call("create", 200, {"job_id": "J3"}, key="k3"),
        call("cancel", 200, {}, path="image-server-jobs/J3/actions/cancel"),
        call("retry", 200, {}, path="image-server-jobs/J3/actions/retry"),
        *({"nemesis": name, "effect": "felt"} for name in EVILS),
    ]
    changes = [
        change("jobs", "api-1.1", None, running),
        change("image_servers", "api-1.1", None, {"id": "S1", "name": "k1"}),
        change("quotas", "api-1.1", quota, quota | {"used": 1}),
        *worked("worker-1.1", WORKFLOW),
        change("jobs", "worker-1.1", running, done),
        *worked("worker-2.1", WORKFLOW | {"id": "W2"}),
        change("quotas", "worker-2.1", quota | {"used": 1}, quota),
    ]
    calls = [
        cloud(1, "create_port", "A1"),
        cloud(2, "create_server", key="W1/create_machine/do"),
        cloud(3, "start_server"),
        cloud(4, "delete_server"),
        cloud(5, "delete_port", "A1"),
    ]
    tables = {
        "jobs": [done, {"id": "J2", "status": "SUCCESS"}, {"id": "J3", "status": "SUCCESS"}],
        "sub_jobs": [{"job_id": "J1"}, {"job_id": "J2"}],
        "quotas": [quota],
        "image_servers": [],
        "placements": [],
    }
    return Record(LIMITS, EVILS, history, changes, calls, tables)


def table(record: Record, **rows: list[Entry]) -> Record:
    return replace(record, tables=record.tables | rows)


def history(record: Record, *more: Entry) -> Record:
    return replace(record, history=[*record.history, *more])


def changes(record: Record, *more: Entry) -> Record:
    return replace(record, changes=[*record.changes, *more])


def calls(record: Record, *more: CallRecord) -> Record:
    return replace(record, calls=[*record.calls, *more])


def without_evil(record: Record, name: str) -> Record:
    felt = [each | {"effect": ""} if each.get("nemesis") == name else each for each in record.history]
    return replace(record, history=felt)


HELD = {"state": "running", "epoch": 1, "owner": "worker-1.1", "lease_until": 100}
LATER = WORKFLOW | {"id": "W3", "subject": "S3", "project_id": "Q"}
DONE, AGAIN = {"id": "J1", "status": "SUCCESS"}, {"id": "J1", "status": "RUNNING"}
BOOTING = {**HELD, "permit": "boots_per_host H", "has_permit": 1}

PLANTED: dict[str, tuple[Callable[[Record], Record], str]] = {
    "an answer nobody expects": (lambda r: history(r, call("show", 500)), "answered with 500"),
    "a key that is taken for another request": (
        lambda r: history(r, call("clash", 200, {"job_id": "J1"}, key="k1")), "answered with 200"),
    "an acknowledged job that is lost": (lambda r: table(r, jobs=r.tables["jobs"][1:]), "is not there"),
    "an acknowledged deletion that is lost": (lambda r: table(r, jobs=r.tables["jobs"][::2]), "is not there"),
    "an acknowledged job that never ends": (
        lambda r: table(r, jobs=[AGAIN, *r.tables["jobs"][1:]]), "has not ended"),
    "two sub jobs": (lambda r: table(r, sub_jobs=[{"job_id": "J1"}] * 2), "has 2 sub jobs"),
    "a job that ends twice": (
        lambda r: changes(r, change("jobs", "w", AGAIN, DONE)), "has ended 2 times"),
    "a job that changes its end": (
        lambda r: changes(r, change("jobs", "w", DONE, {"id": "J1", "status": "FAILED"})), "was SUCCESS, then FAILED"),
    "a job that begins again by itself": (
        lambda r: changes(r, change("jobs", "w", DONE, AGAIN), change("jobs", "w", AGAIN, DONE)), "and retried 0"),
    "an end that is taken back": (lambda r: history(r, call("show", 200, AGAIN)), "shown as SUCCESS, then as RUNNING"),
    "two jobs for a key": (
        lambda r: history(r, call("create", 200, {"job_id": "J2"}, key="k1")), "key k1 has several jobs"),
    "two image servers for a key": (
        lambda r: changes(r, change("image_servers", "w", None, {"id": "S9", "name": "k1"})), "k1 was made as"),
    "two machines for a creation": (
        lambda r: calls(r, cloud(6, "create_server", "M2", "W1/create_machine/do"), cloud(7, "delete_server", "M2")),
        "workflow W1 has made"),
    "a cancelled job that succeeds": (
        lambda r: history(r, call("cancel", 200, path="image-server-jobs/J1/actions/cancel")), "was cancelled and is"),
    "an image server that is stuck": (
        lambda r: table(r, image_servers=[{"id": "S1", "status": "DELETING"}]), "is DELETING when all is over"),
    "an image server without a machine": (
        lambda r: table(r, image_servers=[{"id": "S1", "status": "ACTIVE"}]), "has 0 machines"),
    "two machines of an image server": (
        lambda r: replace(table(r, image_servers=[{"id": "S1", "status": "ERROR"}]),
                          machines=[{"id": each, "image_server": "S1"} for each in ("M1", "M2")]), "has 2 machines"),
    "a machine of nobody": (
        lambda r: replace(r, machines=[{"id": "M1", "image_server": "S1"}]), "which is not there"),
    "a machine that holds no quota": (
        lambda r: replace(r, machines=[{"id": "M1", "image_server": "S1"}]), "holds no quota"),
    "a machine that is made twice": (
        lambda r: calls(r, cloud(6, "create_server", key="W1/create_machine/do")), "took effect 2 times"),
    "a machine that comes back": (lambda r: calls(r, cloud(6, "start_server")), "after its end had begun"),
    "a command in a machine that is being removed": (
        lambda r: calls(r, cloud(6, "stop_server", "M2"), cloud(7, "run_in_guest", "M2")), "after its end had begun"),
    "too many machines that boot": (
        lambda r: booted(r, started(1.0, "M2"), started(2.0, "M3")), "H booted 2 machines at once"),
    "too much quota": (
        lambda r: changes(r, change("quotas", "w", {}, {"project_id": "P", "type": "INSTANCES", "used": 3})),
        "quota INSTANCES was 3"),
    "less than no quota": (
        lambda r: changes(r, change("quotas", "w", {}, {"project_id": "P", "type": "CORES", "used": -1})),
        "quota CORES was -1"),
    "too many machines": (
        lambda r: calls(r, *(cloud(9, "create_server", each) for each in "XYZ")), "3 machines at once"),
    "quota that is not reality": (
        lambda r: table(r, placements=[{"project_id": "P", "instance_id": "M1"}]), "but 1 are placed"),
    "a leak": (lambda r: replace(r, leaks=["port A1: nobody names it"]), "leak: port A1"),
    "two workflows under way for a server": (
        lambda r: changes(r, *course("w", LATER), *course("w", LATER | {"id": "W4"})), "were under way for S3 at once"),
    "a workflow that changes a server after another": (
        lambda r: changes(r, *worked("w", LATER), *worked("v", LATER | {"id": "W4"}), step("w", "W3")),
        "workflow W3 changed S3 after W4 had begun to"),
    "a late write of who has lost the lease": (
        lambda r: changes(r, *course("w", LATER, HELD, {"state": "queued", "owner": None, "by": "v", "at": 100},
                                     {**HELD, "epoch": 2, "by": "v"}), step("w", "W3")),
        "w wrote a step of a workflow held by v"),
    "a step of what nobody holds": (
        lambda r: changes(r, *course("w", LATER), step("w", "W3")), "wrote a step of a workflow held by None"),
    "a checkpoint by another": (
        lambda r: changes(r, *course("w", LATER, HELD, {"step": "next", "by": "v"})), "which w holds"),
    "a lease that is taken too early": (
        lambda r: changes(r, *course("w", LATER, HELD, {"state": "queued", "owner": None, "by": "v", "at": 99})),
        "before its lease had ended"),
    "an epoch that is used twice": (
        lambda r: changes(r, *course("w", LATER | {"epoch": 1}, HELD)), "with epoch 1 after 1"),
    "an epoch that moves under its holder": (
        lambda r: changes(r, *course("w", LATER, HELD, {"epoch": 2})), "changed the epoch"),
    "too many boots": (
        lambda r: changes(r, *course("w", LATER, BOOTING),
                          *course("w", LATER | {"id": "W4", "subject": "S4", "project_id": "R"}, BOOTING)),
        "2 hold 'boots_per_host H'"),
    "too many jobs of a project": (
        lambda r: changes(r, *course("w", LATER, HELD), *course("w", LATER | {"id": "W4", "subject": "S4"}, HELD)),
        "2 jobs of a project at once"),
}  # fmt: skip


def test_a_clean_record_passes() -> None:
    assert problems(clean()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(name: str) -> None:
    plant, words = PLANTED[name]
    assert any(words in each for each in problems(plant(clean()))), problems(plant(clean()))


@pytest.mark.parametrize("name", sorted(EVILS))
def test_an_evil_that_was_not_felt_is_found(name: str) -> None:
    assert problems(without_evil(clean(), name)) == [f"nothing was felt of: {name}"]


@pytest.mark.parametrize("what", sorted(KINDS))
def test_a_kind_of_call_that_was_never_acknowledged_is_found(what: str) -> None:
    record = replace(clean(), history=[each for each in clean().history if each.get("what") != what])
    assert f"nobody could {what}" in problems(record)


def test_every_check_has_a_violation_that_only_it_needs_to_find() -> None:
    records = [plant(clean()) for plant, _ in PLANTED.values()] + [without_evil(clean(), name) for name in EVILS]
    blind = [check.__name__ for check in (*CHECKS, *TURNS) if not any(list(check(record)) for record in records)]
    assert blind == []


def test_what_may_happen_is_not_found() -> None:
    cancelled = course("w", LATER, HELD, {"cancel": 1, "by": "api-1.1"}, {"state": "failed", "owner": None})
    taken = course(
        "w", LATER | {"id": "W5", "subject": "S5", "project_id": "R"}, HELD,
        {"state": "queued", "owner": None, "by": "v", "at": 100}, {**HELD, "epoch": 2, "by": "v"},
        {"state": "done", "owner": None, "by": "v"},
    )  # fmt: skip
    record = changes(clean(), *cancelled, *taken, change("jobs", "w", DONE, AGAIN), change("jobs", "w", AGAIN, DONE))
    record = booted(record, started(1.0, "M2"), started(6.5, "M3"), started(7.0, "M4", "other host"))
    record = history(record, call("retry", None, path="image-server-jobs/J1/actions/retry"), call("create", 503))
    assert problems(record) == []
    assert takeovers(record) == 1
