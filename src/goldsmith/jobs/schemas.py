"""Wire shapes of jobs (contract: operations, sections 3 to 5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldsmith.http.wire import Answer, Body, Ids

JobStatus = Literal["WAITING", "RUNNING", "SUCCESS", "FAILED"]
SubJobStatus = Literal["WAITING", "RUNNING", "SUCCESS", "FAILED", "ABNORMAL", "ROLLBACK", "ABORTING"]


class JobExecuteInfo(Answer):
    """Why a sub job failed; two empty strings when it did not."""

    error_code: str
    error_message: str


class JobResourceInfo(Answer):
    """What a sub job is about."""

    resource_id: str
    resource_name: str


class StepInfo(Answer):
    """Extension: one step of the workflow; seconds it took so far."""

    name: str
    state: Literal["pending", "running", "done", "undoing", "undone", "failed"]
    seconds: float


class SubJob(Answer):
    """A sub job of an image-server job."""

    id: str
    job_id: str
    project_id: str
    job_type: str
    status: SubJobStatus
    begin_time: str
    end_time: str | None = None
    job_resource_info: JobResourceInfo
    job_execute_info: JobExecuteInfo
    progress: int | None = Field(None, description="Extension: percentage done.")
    current_step: str | None = Field(None, description="Extension: name of the step at hand.")
    steps: list[StepInfo] | None = Field(None, description="Extension: every step.")


class ImageJob(Answer):
    """An image-server job with its sub jobs."""

    id: str
    job_type: str
    status: JobStatus
    begin_time: str
    end_time: str | None = None
    sub_jobs: list[SubJob]
    sub_jobs_total: int
    progress: int = Field(description="Extension: percentage done, over all sub jobs.")
    current_step: str = Field(description="Extension: name of the step at hand; empty when there is none.")
    service_transaction_id: str | None = Field(None, description="Extension: what was sent as Service-Transaction-Id.")
    linked_id: str | None = Field(None, description="Extension: what was sent as X-Linked-Id.")


class ImageJobBrief(Answer):
    """An image-server job in a list."""

    id: str
    job_type: str
    begin_time: str
    end_time: str | None = None
    status: JobStatus
    sub_jobs_total: int


class ImageJobs(Answer):
    """A page of jobs."""

    count: int
    items: list[ImageJobBrief]


class SubJobs(Answer):
    """A page of sub jobs."""

    count: int
    items: list[SubJob]


class Count(Answer):
    """A number of records."""

    count: int


class SubJobIds(Body):
    """Sub jobs to delete."""

    items: Ids


class JobV1SubJob(Answer):
    """A sub job in the v1 form."""

    job_id: str
    job_type: int
    job_status: int
    entities: list[JobResourceInfo]
    begin_time: str
    end_time: str | None = None
    expected_end_time: str | None = None
    execute_code: str
    execute_message: str


class JobV1Detail(Answer):
    """A job in the v1 form: status 0 failed, 1 success, 2 in progress, 3 initialising."""

    job_id: str
    job_type: int
    job_status: int
    begin_time: str
    end_time: str | None = None
    expected_end_time: str | None = None
    execute_code: str
    execute_message: str
    sub_jobs: list[JobV1SubJob]


class JobV1(Answer):
    """The v1 answer."""

    job: JobV1Detail


class JobV2SubJob(Answer):
    """A sub job in the v2 form: code and message stand directly in it."""

    id: str
    job_id: str
    project_id: str
    job_type: str
    status: SubJobStatus
    begin_time: str
    end_time: str | None = None
    job_resource_info: JobResourceInfo
    error_code: str
    error_message: str


class JobV2(Answer):
    """The v2 answer."""

    id: str
    job_type: str
    begin_time: str
    end_time: str | None = None
    status: JobStatus
    sub_jobs_total: int
    sub_jobs: list[JobV2SubJob]
