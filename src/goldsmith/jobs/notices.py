"""What subscribers and webhooks are told of jobs, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterable

from goldsmith.events.service import Events
from goldsmith.events.types import EventType, Subject
from goldsmith.store import Row, Tx

APP_SERVER_JOBS = "app-server:"
"""How the types of jobs begin that are about app servers."""


class Notices:
    """Tells of jobs and sub jobs."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def job(self, tx: Tx, event_type: EventType, row: Row) -> None:
        """Something has happened to a job."""
        subject = Subject(
            row["project_id"], row["id"], row["enterprise_project_id"], _resource_type(row), job_id=row["id"]
        )
        data = {
            "id": row["id"], "job_type": _shown_type(row), "status": row["status"],
            "sub_jobs_total": row["sub_jobs_total"], "enterprise_project_id": row["enterprise_project_id"],
        }  # fmt: skip
        self._events.emit(tx, event_type, subject, data)

    def sub_job(self, tx: Tx, event_type: EventType, row: Row, **more: object) -> None:
        """Something has happened to a sub job; `more` goes into the event."""
        subject = Subject(
            row["project_id"], row["id"], row["enterprise_project_id"], _resource_type(row), row["resource_id"],
            row["job_id"],
        )  # fmt: skip
        data = {
            "id": row["id"], "job_id": row["job_id"], "job_type": _shown_type(row), "status": row["status"],
            "resource_id": row["resource_id"], "name": row["resource_name"], "error_code": row["error_code"],
            "error_message": row["error_message"], "enterprise_project_id": row["enterprise_project_id"], **more,
        }  # fmt: skip
        self._events.emit(tx, event_type, subject, data)


def _resource_type(row: Row) -> str:
    return "server" if row["job_type"].startswith(APP_SERVER_JOBS) else "imageServer"


def _shown_type(row: Row) -> str:
    return str(row["job_type"]).rpartition(":")[2]


def common_enterprise_project(rows: Iterable[Row]) -> str | None:
    """The enterprise project that all of these belong to; None when there are several."""
    found = {row["enterprise_project_id"] for row in rows}
    return found.pop() if len(found) == 1 else None
