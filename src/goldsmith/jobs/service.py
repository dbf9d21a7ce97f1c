"""Opening jobs, and keeping their status true while workflows run.

A job is RUNNING from the moment it is acknowledged: Terraform takes WAITING for a failure (contract: terraform,
section 9). It ends when its last sub job has; FAILED when any of them failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, func, insert, select, update

from goldsmith.events.service import Events
from goldsmith.events.types import EventType
from goldsmith.ids import Snowflakes
from goldsmith.jobs.models import jobs, sub_jobs
from goldsmith.jobs.notices import Notices
from goldsmith.store import Row, Tx, prepare

FAILURE_CODE = "WKS.00129901"
"""Code of a failed sub job (contract: errors, section 2)."""


class JobType(StrEnum):
    """What a job does; jobs of image servers and of app servers are called alike on the wire, see `wire_type`."""

    CREATE_SERVER = "CREATE_SERVER"
    CREATE_SERVER_IMAGE = "CREATE_SERVER_IMAGE"
    DELETE_SERVER = "DELETE_SERVER"
    DELETE_APP_SERVER = "app-server:DELETE_SERVER"


IMAGE_JOB_TYPES = (JobType.CREATE_SERVER, JobType.CREATE_SERVER_IMAGE, JobType.DELETE_SERVER)
"""Jobs of image servers: all that the image-server-job operations know of."""


ENDED = ("SUCCESS", "FAILED")
ACCEPTING = "accept"
"""The lock (`Tx.lock`) of whatever starts, changes or removes servers; taken before anything is looked at."""

_j, _s = jobs.c, sub_jobs.c
_INSERT_JOB, _INSERT_SUB_JOB = prepare(insert(jobs)), prepare(insert(sub_jobs))
_OF_WORKFLOW = _s.workflow_id == bindparam("workflow")
_STARTED = prepare(
    update(sub_jobs)
    .where(_OF_WORKFLOW, _s.status == "WAITING")
    .values(status="RUNNING", begin_time=bindparam("at"))
    .returning(sub_jobs)
)
_OPEN_OF_WORKFLOW = prepare(select(sub_jobs).where(_OF_WORKFLOW, _s.status.not_in(ENDED)))
_BACK = prepare(
    update(sub_jobs)
    .where(_OF_WORKFLOW, _s.status.not_in(ENDED))
    .values(
        status=case((_s.status == "ABORTING", "ABORTING"), else_=bindparam("to")), error_code=bindparam("code"),
        error_message=bindparam("message"),
    )
    .returning(sub_jobs)
)  # fmt: skip
_REOPENED = prepare(
    update(sub_jobs)
    .where(_OF_WORKFLOW, _s.status == "FAILED", _s.job_type == "CREATE_SERVER")
    .values(status="RUNNING", end_time=None, error_code="", error_message="")
    .returning(sub_jobs)
)
_REOPEN = prepare(update(jobs).where(_j.id == bindparam("job")).values(status="RUNNING", end_time=None).returning(jobs))
_ENDED = prepare(
    update(sub_jobs)
    .where(_OF_WORKFLOW, _s.status.not_in(ENDED))
    .values(
        status=bindparam("to"), end_time=bindparam("at"), error_code=bindparam("code"),
        error_message=bindparam("message"),
    )
    .returning(sub_jobs)
)  # fmt: skip
_OPEN = prepare(
    select(func.count()).select_from(sub_jobs).where(_s.job_id == bindparam("job"), _s.status.not_in(ENDED))
)
_FAILED = prepare(
    select(func.count()).select_from(sub_jobs).where(_s.job_id == bindparam("job"), _s.status == "FAILED")
)
_CLOSE = prepare(update(jobs).where(_j.id == bindparam("job")).values(status=bindparam("to"), end_time=bindparam("at")))
_JOB = prepare(select(jobs).where(_j.id == bindparam("job")))
_FIND = prepare(select(jobs).where(_j.id == bindparam("id"), _j.project_id == bindparam("project")))
_RUNNING_OF = prepare(select(_j.id).where(_j.user_id == bindparam("user"), _j.status == "RUNNING").limit(1))
_SUB_JOBS_OF = prepare(select(sub_jobs).where(_s.job_id == bindparam("job")).order_by(_s.id))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list and how many there are in all."""

    count: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a job, as far as the job keeps it."""

    project_id: str
    domain_id: str
    user_id: str
    service_transaction_id: str = ""
    linked_id: str = ""


class Jobs:
    """The jobs of all projects; every function runs inside the caller's transaction."""

    def __init__(self, ids: Snowflakes, events: Events) -> None:
        self._ids, self._notices = ids, Notices(events)

    def open(
        self, tx: Tx, origin: Origin, job_type: JobType, *, sub_jobs_total: int,
        enterprise_project_id: str | None = None,
    ) -> str:  # fmt: skip
        """A new job, RUNNING, or SUCCESS at once when it has nothing to do; returns its id.

        `enterprise_project_id` is None when it is about several of them.
        """
        job_id, now = self._ids.next(), tx.now
        row = {
            "id": job_id, "project_id": origin.project_id, "user_id": origin.user_id, "job_type": job_type.value,
            "status": "RUNNING" if sub_jobs_total else "SUCCESS", "begin_time": now,
            "end_time": None if sub_jobs_total else now, "sub_jobs_total": sub_jobs_total,
            "service_transaction_id": origin.service_transaction_id, "linked_id": origin.linked_id,
            "enterprise_project_id": enterprise_project_id,
        }  # fmt: skip
        tx.run(_INSERT_JOB, row)
        self._notices.job(tx, EventType.JOB_STARTED if sub_jobs_total else EventType.JOB_ENDED, row)
        return job_id

    def add_sub_job(
        self, tx: Tx, job_id: str, project_id: str, job_type: JobType, *, workflow_id: str, resource_id: str,
        resource_name: str, enterprise_project_id: str | None = None,
    ) -> str:  # fmt: skip
        """A sub job that follows a workflow; returns its id."""
        sub_job_id = self._ids.next()
        tx.run(
            _INSERT_SUB_JOB,
            {
                "id": sub_job_id, "job_id": job_id, "project_id": project_id, "job_type": job_type.value,
                "status": "WAITING", "begin_time": tx.now, "end_time": None, "resource_id": resource_id,
                "resource_name": resource_name, "error_code": "", "error_message": "", "workflow_id": workflow_id,
                "enterprise_project_id": enterprise_project_id,
            },
        )  # fmt: skip
        return sub_job_id

    def started(self, tx: Tx, workflow_id: str) -> None:
        """A worker has begun: the sub jobs are RUNNING."""
        for row in tx.rows(_STARTED, {"workflow": workflow_id, "at": tx.now}):
            self._notices.sub_job(tx, EventType.SUB_JOB_STARTED, row)

    def progressed(self, tx: Tx, workflow_id: str, *, step: str, state: str, percent: int) -> None:
        """A step of the workflow is `done` or `undone`."""
        for row in tx.rows(_OPEN_OF_WORKFLOW, {"workflow": workflow_id}):
            self._notices.sub_job(tx, EventType.SUB_JOB_PROGRESS, row, step=step, step_state=state, percent=percent)

    def rolling_back(self, tx: Tx, workflow_id: str, error: str, *, aborted: bool = False) -> None:
        """Undoing has begun, or will soon, because of `error`: ROLLBACK, or ABORTING when somebody cancelled."""
        to = "ABORTING" if aborted else "ROLLBACK"
        values = {"workflow": workflow_id, "to": to, "code": FAILURE_CODE, "message": error}
        for row in tx.rows(_BACK, values):
            self._notices.sub_job(tx, EventType.SUB_JOB_ROLLING_BACK, row)

    def reopened(self, tx: Tx, workflow_id: str) -> None:
        """A kept workflow goes on: its sub jobs and their jobs are RUNNING again."""
        rows = tx.rows(_REOPENED, {"workflow": workflow_id})
        _lock_jobs_of(tx, rows)
        for row in rows:
            for job in tx.rows(_REOPEN, {"job": row["job_id"]}):
                self._notices.job(tx, EventType.JOB_STARTED, job)
            self._notices.sub_job(tx, EventType.SUB_JOB_STARTED, row)

    def ended(self, tx: Tx, workflow_id: str, error: str) -> None:
        """The workflow has ended; `error` is "" on success. Closes every job that has nothing open any more."""
        values = {"workflow": workflow_id, "to": "FAILED" if error else "SUCCESS", "at": tx.now,
                  "code": FAILURE_CODE if error else "", "message": error}  # fmt: skip
        rows = tx.rows(_ENDED, values)
        _lock_jobs_of(tx, rows)
        for row in rows:
            self._notices.sub_job(tx, EventType.SUB_JOB_ENDED, row)
        for job_id in dict.fromkeys(row["job_id"] for row in rows):
            event_type = EventType.JOB_PROGRESS
            if tx.scalar(_OPEN, {"job": job_id}) == 0:
                failed, event_type = tx.scalar(_FAILED, {"job": job_id}) > 0, EventType.JOB_ENDED
                tx.run(_CLOSE, {"job": job_id, "to": "FAILED" if failed else "SUCCESS", "at": tx.now})
            for job in tx.rows(_JOB, {"job": job_id}):
                self._notices.job(tx, event_type, job)

    def find(self, tx: Tx, project_id: str, job_id: str) -> Row | None:
        """The job, or None when this project has none with this id."""
        return tx.row(_FIND, {"id": job_id, "project": project_id})

    def sub_jobs_of(self, tx: Tx, job_id: str) -> list[Row]:
        """Its sub jobs, oldest first."""
        return list(tx.rows(_SUB_JOBS_OF, {"job": job_id}))

    def has_running(self, tx: Tx, user_id: str) -> bool:
        """Whether jobs that the user asked for have not ended."""
        return tx.row(_RUNNING_OF, {"user": user_id}) is not None

    def list_jobs(
        self, tx: Tx, project_id: str, *, job_type: str, status: str, offset: int, limit: int, linked_id: str = "",
        service_transaction_id: str = "",
    ) -> Page:  # fmt: skip
        """Image-server jobs of a project, newest first; empty filters match all."""
        types = [job_type] if job_type else IMAGE_JOB_TYPES
        query = select(jobs).where(_j.project_id == project_id, _j.job_type.in_(types))
        if status:
            query = query.where(_j.status == status)
        if linked_id:
            query = query.where(_j.linked_id == linked_id)
        if service_transaction_id:
            query = query.where(_j.service_transaction_id == service_transaction_id)
        return _page(tx, query, _j.id, offset, limit)

    def list_sub_jobs(
        self, tx: Tx, project_id: str, *, job_types: list[str], status: str, job_id: str, offset: int, limit: int
    ) -> Page:
        """Sub jobs of image-server jobs of a project, newest first; empty filters match all."""
        return _page(tx, _sub_jobs_query(project_id, job_types, status, job_id), _s.id, offset, limit)

    def count_sub_jobs(self, tx: Tx, project_id: str, *, job_types: list[str], status: str, job_id: str) -> int:
        """How many sub jobs of image-server jobs match."""
        return _count(tx, _sub_jobs_query(project_id, job_types, status, job_id))

    def unfinished_sub_jobs(self, tx: Tx, project_id: str, sub_job_ids: list[str]) -> list[str]:
        """Those of the ids that name sub jobs of this project's image-server jobs whose job has not ended."""
        mine = _image_sub_jobs(project_id)
        running = select(_j.id).where(_j.status.not_in(ENDED))
        query = select(_s.id).where(mine, _s.id.in_(sub_job_ids), _s.job_id.in_(running))
        return [row["id"] for row in tx.rows(query)]

    def delete_sub_jobs(self, tx: Tx, project_id: str, sub_job_ids: list[str]) -> int:
        """Delete ended sub jobs; unknown ids are ignored. Returns how many were deleted."""
        mine = _image_sub_jobs(project_id)
        return tx.run(delete(sub_jobs).where(mine, _s.id.in_(sub_job_ids), _s.status.in_(ENDED)))


def _lock_jobs_of(tx: Tx, rows: Iterable[Row]) -> None:
    """Of two sub jobs of a job that end at once, the last one must see that the other has ended."""
    for job_id in sorted({row["job_id"] for row in rows}):
        tx.lock(f"job {job_id}")


def wire_type(job_type: str) -> str:
    """The job's type as the contract names it."""
    return job_type.rpartition(":")[2]


def _image_sub_jobs(project_id: str) -> ColumnElement[bool]:
    return and_(_s.project_id == project_id, _s.job_type.in_(IMAGE_JOB_TYPES))


def _sub_jobs_query(project_id: str, job_types: list[str], status: str, job_id: str) -> Select[Any]:
    query = select(sub_jobs).where(_s.project_id == project_id, _s.job_type.in_(job_types or IMAGE_JOB_TYPES))
    if status:
        query = query.where(_s.status == status)
    if job_id:
        query = query.where(_s.job_id == job_id)
    return query


def _count(tx: Tx, query: Select[Any]) -> int:
    counted: int = tx.scalar(select(func.count()).select_from(query.subquery()))
    return counted


def _page(tx: Tx, query: Select[Any], key: Any, offset: int, limit: int) -> Page:
    rows = tx.rows(query.order_by(key.desc()).offset(offset).limit(limit))
    return Page(_count(tx, query), list(rows))
