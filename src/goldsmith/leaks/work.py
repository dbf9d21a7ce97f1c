"""Work: every job has its workflow and every workflow its job; what has ended holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, exists, or_, select, update

from goldsmith.app_servers.models import app_servers
from goldsmith.app_servers.tasks import Power
from goldsmith.events.service import Events
from goldsmith.ids import Snowflakes
from goldsmith.image_servers.models import image_servers
from goldsmith.image_servers.states import Event, Status, sources, target
from goldsmith.jobs.models import jobs, sub_jobs
from goldsmith.jobs.service import ENDED, Jobs
from goldsmith.leaks.books import LIVE, Books
from goldsmith.leaks.suspects import BY_HAND, Leak, Suspect
from goldsmith.store import Tx
from goldsmith.workflows.models import workflow_steps, workflows

WITHOUT_JOB = frozenset(power.value for power in Power)
"""Kinds of workflows that no job follows."""
LOST = "The work was lost; goldsmith doctor has ended the job."

_w, _s, _j, _sub = workflows.c, workflow_steps.c, jobs.c, sub_jobs.c
_undo = workflow_steps.alias("undo")
_IS_LIVE = exists().where(_w.id == _sub.workflow_id, _w.state.in_(LIVE))
_IDLE_SUB_JOBS = select(_sub.id, _sub.workflow_id, _sub.status).where(_sub.status.not_in(ENDED), ~_IS_LIVE)
_IDLE_JOBS = select(_j.id).where(
    _j.status == "RUNNING", ~exists().where(_sub.job_id == _j.id, _sub.status.not_in(ENDED))
)
_CLOSED_JOBS = select(_j.id).where(
    _j.status != "RUNNING", exists().where(_sub.job_id == _j.id, _sub.status.not_in(ENDED))
)
_UNFOLLOWED = select(_w.id, _w.kind).where(
    _w.state.in_(LIVE), _w.kind.not_in(WITHOUT_JOB), ~exists().where(_sub.workflow_id == _w.id)
)
_PERMITS = select(_w.id, _w.permit, _w.state).where(_w.state.not_in(LIVE), _w.permit != "")
_HOLDING = select(_w.id, _w.owner, _w.state).where(
    or_(
        and_(_w.state.not_in(LIVE), _w.owner.is_not(None)),
        and_(_w.state == "queued", _w.owner.is_not(None)),
        and_(_w.state == "running", _w.owner.is_(None)),
    )
)
_NOT_UNDONE = (
    select(_s.workflow_id, _s.name)
    .join(workflows, _w.id == _s.workflow_id)
    .where(
        _w.state == "failed", _w.phase == "undo", _s.phase == "do",
        ~exists().where(_undo.c.workflow_id == _s.workflow_id, _undo.c.name == _s.name, _undo.c.phase == "undo",
                        _undo.c.state == "done"),
    )
)  # fmt: skip
_NOT_DONE = (
    select(_s.workflow_id, _s.name)
    .join(workflows, _w.id == _s.workflow_id)
    .where(_w.state == "done", or_(_s.phase == "undo", _s.state != "done"))
)
_BUSY = (Status.CREATING, Status.BUILDING, Status.DELETING)


def suspects(tx: Tx, books: Books) -> Iterator[Suspect]:
    """All of them."""
    yield from _jobs(tx)
    yield from _workflows(tx)
    yield from _stuck(books)


def _jobs(tx: Tx) -> Iterator[Suspect]:
    for row in tx.rows(_IDLE_SUB_JOBS):
        why = f"it is {row['status']}, but its workflow {row['workflow_id']} has ended or is not there"
        yield Suspect(Leak("sub job", row["id"], why, "end it as failed"), _ending(row["workflow_id"]))
    for row in tx.rows(_IDLE_JOBS):
        leak = Leak("job", row["id"], "it is RUNNING, but all of its sub jobs have ended", "end it as failed")
        yield Suspect(leak, _closing(row["id"]))
    for row in tx.rows(_CLOSED_JOBS):
        yield Suspect(Leak("job", row["id"], "it has ended, but a sub job of it has not", f"{BY_HAND}: wait for it"))


def _ending(workflow_id: str) -> Any:
    return lambda tx: Jobs(Snowflakes(), Events()).ended(tx, workflow_id, LOST)


def _closing(job_id: str) -> Any:
    return lambda tx: tx.run(update(jobs).where(_j.id == job_id).values(status="FAILED", end_time=tx.now))


def _workflows(tx: Tx) -> Iterator[Suspect]:
    for row in tx.rows(_UNFOLLOWED):
        yield Suspect(Leak("workflow", row["id"], f"no job follows this {row['kind']}", f"{BY_HAND}: it will end"))
    for row in tx.rows(_HOLDING):
        why = f"it is {row['state']} and held by {row['owner'] or 'nobody'}"
        yield Suspect(Leak("lease", row["id"], why, "take it away"), _freeing(row["id"], row["state"]))
    for row in tx.rows(_PERMITS):
        leak = Leak("permit", row["id"], f"it is {row['state']} and still has {row['permit']}", "take it away")
        yield Suspect(leak, _taking_away(row["id"]))
    for row in tx.rows(_NOT_UNDONE):
        thing = f"{row['workflow_id']} {row['name']}"
        yield Suspect(Leak("step", thing, "the workflow has failed, but the step is not undone", f"{BY_HAND}: look"))
    for row in tx.rows(_NOT_DONE):
        thing = f"{row['workflow_id']} {row['name']}"
        yield Suspect(Leak("step", thing, "the workflow has succeeded, but the step is not done", f"{BY_HAND}: look"))


def _freeing(workflow_id: str, state: str) -> Any:
    to = {"state": "queued"} if state == "running" else {"owner": None}
    return lambda tx: tx.run(update(workflows).where(_w.id == workflow_id, _w.state == state).values(**to))


def _taking_away(workflow_id: str) -> Any:
    query = update(workflows).where(_w.id == workflow_id, _w.state.not_in(LIVE))
    return lambda tx: tx.run(query.values(permit="", has_permit=0))


def _stuck(books: Books) -> Iterator[Suspect]:
    for row in books.image_servers:
        if row["status"] in _BUSY and row["workflow_id"] not in books.live:
            why = f"it is {row['status']}, but workflow {row['workflow_id']} has ended or is not there"
            leak = Leak("image server", row["id"], why, "show it as ERROR, so that it can be deleted")
            yield Suspect(leak, _failing(row["id"]))
    for row in books.app_servers:
        if row["task"] and row["task_workflow_id"] not in books.live:
            why = f"its task is {row['task']}, but workflow {row['task_workflow_id']} has ended or is not there"
            yield Suspect(Leak("task", row["id"], why, "clear it"), _clearing(row["id"], row["task_workflow_id"]))


def _failing(server_id: str) -> Any:
    i = image_servers.c
    busy = sources(Event.CREATE_FAILED) + sources(Event.DELETE_FAILED)
    query = update(image_servers).where(i.id == server_id, i.status.in_(busy))
    return lambda tx: tx.run(query.values(status=target(Event.DELETE_FAILED).value, update_time=tx.now))


def _clearing(server_id: str, workflow_id: str) -> Any:
    a = app_servers.c
    query = update(app_servers).where(a.id == server_id, a.task_workflow_id == workflow_id)
    return lambda tx: tx.run(query.values(task="", task_workflow_id=""))
