"""The types of events, and whom an event is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """What can happen; the middle part names the kind of thing it happens to."""

    IMAGE_SERVER_CREATED = "goldsmith.image_server.created"
    IMAGE_SERVER_STATUS_CHANGED = "goldsmith.image_server.status_changed"
    IMAGE_SERVER_RENAMED = "goldsmith.image_server.renamed"
    IMAGE_SERVER_DESCRIBED = "goldsmith.image_server.described"
    IMAGE_SERVER_DELETED = "goldsmith.image_server.deleted"
    JOB_STARTED = "goldsmith.job.started"
    JOB_PROGRESS = "goldsmith.job.progress"
    JOB_ENDED = "goldsmith.job.ended"
    SUB_JOB_STARTED = "goldsmith.sub_job.started"
    SUB_JOB_PROGRESS = "goldsmith.sub_job.progress"
    SUB_JOB_ROLLING_BACK = "goldsmith.sub_job.rolling_back"
    SUB_JOB_ENDED = "goldsmith.sub_job.ended"

    @property
    def kind(self) -> str:
        """`image_server`, `job` or `sub_job`."""
        return self.split(".")[1]


class Kind(StrEnum):
    """The kinds of things events are about."""

    IMAGE_SERVER = "image_server"
    JOB = "job"
    SUB_JOB = "sub_job"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an event is about: its own `id`, and the server (`resource_*`, as in a URN) and job it belongs to.

    `enterprise_project_id` is None when there is no single one: then only those see the event who may see the whole
    project.
    """

    project_id: str
    id: str
    enterprise_project_id: str | None = None
    resource_type: str = "imageServer"
    resource_id: str = ""
    job_id: str = ""
