"""Job operations: image-server jobs and sub jobs, and the service-wide v1 and v2 views of the same jobs."""

from __future__ import annotations

from typing import Annotated, Any

from goldsmith import errors
from goldsmith.http.operations import Access, operation
from goldsmith.http.parameters import Path, Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Empty, Limit, Offset, PathId, wire_seconds, wire_time
from goldsmith.jobs import examples, schemas
from goldsmith.jobs.service import IMAGE_JOB_TYPES, Jobs, wire_type
from goldsmith.store import Row, Store, Tx
from goldsmith.workflows import Progress, Queue

STATUS = r"^(WAITING|RUNNING|SUCCESS|FAILED)?$"
SUB_STATUS = r"^(WAITING|RUNNING|SUCCESS|FAILED|ABNORMAL|ROLLBACK|ABORTING)?$"
JOB_TYPE = r"^(CREATE_SERVER|CREATE_SERVER_IMAGE|DELETE_SERVER)?$"
V1_STATUS = {"FAILED": 0, "SUCCESS": 1, "WAITING": 3}
FAMILY_12 = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00129901")
FAMILY_14 = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00149901")

SubStatus = Annotated[str, Query(pattern=SUB_STATUS)]
JobIdFilter = Annotated[str, Query(max_length=128)]


class JobsApi:
    """HTTP side of jobs."""

    def __init__(self, store: Store, jobs: Jobs, queue: Queue) -> None:
        self._store, self._jobs, self._queue = store, jobs, queue

    @operation(
        "ListImageJobs", "GET", "/v1/{project_id}/image-server-jobs",
        action="workspace:images:listImageJobs", access=Access.LIST, tag="image server jobs",
        answer=examples.JOBS,
    )  # fmt: skip
    async def list_jobs(
        self,
        call: CurrentCall,
        job_type: Annotated[str, Query(pattern=JOB_TYPE)],
        status: Annotated[str, Query(pattern=STATUS)] = "",
        offset: Offset = 0,
        limit: Limit = 10,
        linked_id: Annotated[str, Query(max_length=64, description="Extension: what was sent as X-Linked-Id.")] = "",
        service_transaction_id: Annotated[
            str, Query(max_length=64, description="Extension: what was sent as Service-Transaction-Id.")
        ] = "",
    ) -> schemas.ImageJobs:
        """List image-server jobs, newest first."""
        page = await self._store.read(
            lambda tx: self._jobs.list_jobs(
                tx, call.project_id, job_type=job_type, status=status, offset=offset, limit=limit,
                linked_id=linked_id, service_transaction_id=service_transaction_id,
            )
        )  # fmt: skip
        return schemas.ImageJobs(count=page.count, items=[_brief(row) for row in page.rows])

    @operation(
        "ShowImageJob", "GET", "/v1/{project_id}/image-server-jobs/{job_id}",
        action="workspace:images:getImageJob", errors=(errors.NOT_FOUND,), codes=FAMILY_12, tag="image server jobs",
        answer=examples.JOB,
    )  # fmt: skip
    async def show_job(self, call: CurrentCall, job_id: PathId) -> schemas.ImageJob:
        """Show an image-server job with its sub jobs and how far they are."""

        def look(tx: Tx) -> schemas.ImageJob | None:
            row = self._jobs.find(tx, call.project_id, job_id)
            if row is None or row["job_type"] not in IMAGE_JOB_TYPES:
                return None
            sub_jobs = [self._sub_job(tx, sub_job) for sub_job in self._jobs.sub_jobs_of(tx, job_id)]
            return _detail(row, sub_jobs)

        found = await self._store.read(look)
        if found is None:
            raise errors.NOT_FOUND.error(f"The job '{job_id}' does not exist.")
        return found

    @operation(
        "ListImageSubJobs", "GET", "/v1/{project_id}/image-server-sub-jobs",
        action="workspace:imageServer:listImageSubJobs", access=Access.LIST, tag="image server jobs",
        answer=examples.SUB_JOBS,
    )  # fmt: skip
    async def list_sub_jobs(
        self,
        call: CurrentCall,
        job_type: Annotated[str, Query(pattern=JOB_TYPE)],
        status: SubStatus = "",
        job_id: JobIdFilter = "",
        offset: Offset = 0,
        limit: Limit = 10,
    ) -> schemas.SubJobs:
        """List the sub jobs of image-server jobs, newest first."""

        def look(tx: Tx) -> schemas.SubJobs:
            types = [job_type] if job_type else []
            page = self._jobs.list_sub_jobs(
                tx, call.project_id, job_types=types, status=status, job_id=job_id, offset=offset, limit=limit
            )
            return schemas.SubJobs(count=page.count, items=[self._sub_job(tx, row) for row in page.rows])

        return await self._store.read(look)

    @operation(
        "CountImageSubJobs", "GET", "/v1/{project_id}/image-server-sub-jobs/actions/count",
        action="workspace:imageServer:countImageSubJobs", tag="image server jobs",
        answer=examples.COUNT,
    )  # fmt: skip
    async def count_sub_jobs(
        self,
        call: CurrentCall,
        status: SubStatus = "",
        job_type: Annotated[str, Query(max_length=128, description="Job types, separated by commas.")] = "",
        job_id: JobIdFilter = "",
    ) -> schemas.Count:
        """Count sub jobs."""
        types = [part for part in job_type.split(",") if part]
        wrong = [part for part in types if part not in IMAGE_JOB_TYPES]
        if wrong:
            rule = f"Use {', '.join(IMAGE_JOB_TYPES)}, separated by commas."
            raise errors.refusal([errors.Problem("job_type", job_type, "enum", rule)])
        count = await self._store.read(
            lambda tx: self._jobs.count_sub_jobs(tx, call.project_id, job_types=types, status=status, job_id=job_id)
        )
        return schemas.Count(count=count)

    @operation(
        "BatchDeleteImageSubJobs", "PATCH", "/v1/{project_id}/image-server-sub-jobs/actions/batch-delete",
        action="workspace:imageServer:batchDeleteImageSubJobs", access=Access.WRITE, errors=(errors.CONFLICT,),
        tag="image server jobs", example={"items": ["702364884037271552"]},
    )  # fmt: skip
    async def delete_sub_jobs(self, call: CurrentCall, body: schemas.SubJobIds) -> Empty:
        """Delete the records of ended sub jobs; unknown ids are ignored."""

        def work(tx: Tx) -> None:
            problems = errors.Problems()
            _require_unique(body.items, problems)
            for sub_job_id in self._jobs.unfinished_sub_jobs(tx, call.project_id, body.items):
                message = "Only sub jobs of a job that has ended can be deleted; wait until it is SUCCESS or FAILED."
                problems.add("items", sub_job_id, "ended", message, conflict=True)
            problems.raise_if_any()
            self._jobs.delete_sub_jobs(tx, call.project_id, body.items)

        await self._store.write(work)
        return Empty()

    @operation(
        "ShowJob", "GET", "/v1/{project_id}/job/{job_id}", action="workspace:jobs:get", codes=FAMILY_14,
        deprecated=True, tag="jobs",
        answer=examples.JOB_V1,
    )  # fmt: skip
    async def show_v1(
        self, call: CurrentCall, job_id: Annotated[str, Path(min_length=1, max_length=255)]
    ) -> schemas.JobV1:
        """Show any job in the v1 form."""
        row, rows = await self._any_job(call.project_id, job_id)
        first = next((each for each in rows if each["error_message"]), None)
        detail = schemas.JobV1Detail(
            job_id=row["id"], job_type=1, job_status=V1_STATUS.get(row["status"], 2),
            begin_time=wire_seconds(row["begin_time"]) or "", end_time=wire_seconds(row["end_time"]),
            execute_code=first["error_code"] if first else "", execute_message=first["error_message"] if first else "",
            sub_jobs=[_sub_job_v1(each) for each in rows],
        )  # fmt: skip
        return schemas.JobV1(job=detail)

    @operation(
        "ShowJobDetail", "GET", "/v2/{project_id}/job/{job_id}", action="workspace:jobs:get", codes=FAMILY_14,
        tag="jobs",
        answer=examples.JOB_V2,
    )  # fmt: skip
    async def show_v2(
        self, call: CurrentCall, job_id: Annotated[str, Path(min_length=1, max_length=255)]
    ) -> schemas.JobV2:
        """Show any job in the v2 form."""
        row, rows = await self._any_job(call.project_id, job_id)
        return schemas.JobV2(**_common(row), sub_jobs=[_sub_job_v2(each) for each in rows])

    async def _any_job(self, project_id: str, job_id: str) -> tuple[Row, list[Row]]:
        def look(tx: Tx) -> tuple[Row | None, list[Row]]:
            return self._jobs.find(tx, project_id, job_id), self._jobs.sub_jobs_of(tx, job_id)

        row, rows = await self._store.read(look)
        if row is None:
            problem = errors.Problem("job_id", job_id, "exists", f"The job '{job_id}' does not exist.")
            raise errors.refusal([problem])
        return row, rows

    def _sub_job(self, tx: Tx, row: Row) -> schemas.SubJob:
        progress = self._queue.progress(tx, row["workflow_id"])
        return schemas.SubJob(
            id=row["id"], job_id=row["job_id"], project_id=row["project_id"], job_type=row["job_type"],
            status=row["status"], begin_time=wire_time(row["begin_time"]) or "", end_time=wire_time(row["end_time"]),
            job_resource_info=_resource(row),
            job_execute_info=schemas.JobExecuteInfo(error_code=row["error_code"], error_message=row["error_message"]),
            **_progress(progress),
        )  # fmt: skip


def _progress(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    steps = [schemas.StepInfo(name=step.name, state=step.state, seconds=step.seconds) for step in progress.steps]
    return {"progress": progress.percent, "current_step": progress.current_step, "steps": steps}


def _common(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"], "job_type": wire_type(row["job_type"]), "status": row["status"],
        "begin_time": wire_time(row["begin_time"]), "end_time": wire_time(row["end_time"]),
        "sub_jobs_total": row["sub_jobs_total"],
    }  # fmt: skip


def _brief(row: Row) -> schemas.ImageJobBrief:
    return schemas.ImageJobBrief(**_common(row))


def _detail(row: Row, sub_jobs: list[schemas.SubJob]) -> schemas.ImageJob:
    if sub_jobs:
        progress = sum(100 if each.status == "SUCCESS" else each.progress or 0 for each in sub_jobs) // len(sub_jobs)
    else:
        progress = 100
    step = next((each.current_step for each in sub_jobs if each.current_step), "")
    return schemas.ImageJob(
        **_common(row), sub_jobs=sub_jobs, progress=progress, current_step=step or "",
        service_transaction_id=row["service_transaction_id"] or None, linked_id=row["linked_id"] or None,
    )  # fmt: skip


def _resource(row: Row) -> schemas.JobResourceInfo:
    return schemas.JobResourceInfo(resource_id=row["resource_id"], resource_name=row["resource_name"])


def _sub_job_v1(row: Row) -> schemas.JobV1SubJob:
    return schemas.JobV1SubJob(
        job_id=row["id"], job_type=2, job_status=V1_STATUS.get(row["status"], 2), entities=[_resource(row)],
        begin_time=wire_seconds(row["begin_time"]) or "", end_time=wire_seconds(row["end_time"]),
        execute_code=row["error_code"], execute_message=row["error_message"],
    )  # fmt: skip


def _sub_job_v2(row: Row) -> schemas.JobV2SubJob:
    return schemas.JobV2SubJob(
        id=row["id"], job_id=row["job_id"], project_id=row["project_id"], job_type=wire_type(row["job_type"]),
        status=row["status"], begin_time=wire_time(row["begin_time"]) or "", end_time=wire_time(row["end_time"]),
        job_resource_info=_resource(row), error_code=row["error_code"], error_message=row["error_message"],
    )  # fmt: skip


def _require_unique(items: list[str], problems: errors.Problems) -> None:
    for item in sorted({item for item in items if items.count(item) > 1}):
        problems.add("items", item, "unique", "Each id may be named once.")
