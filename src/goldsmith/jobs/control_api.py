"""Operations that change the course of image-server jobs (extensions)."""

from __future__ import annotations

from goldsmith import errors
from goldsmith.http.operations import Access, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Empty, PathId
from goldsmith.jobs.control import JobControl
from goldsmith.store import Store

TAG = "image server jobs"


class JobControlApi:
    """HTTP side of cancelling and retrying."""

    def __init__(self, store: Store, control: JobControl) -> None:
        self._store, self._control = store, control

    @operation(
        "CancelImageJob", "POST", "/v1/{project_id}/image-server-jobs/{job_id}/actions/cancel",
        action="workspace:images:cancelImageJob", access=Access.WRITE, is_extension=True,
        errors=(errors.NOT_FOUND, errors.CONFLICT), tag=TAG,
    )  # fmt: skip
    async def cancel(self, call: CurrentCall, job_id: PathId) -> Empty:
        """Cancel a job: whatever it has done is undone, and it ends FAILED with the reason."""
        who = call.caller.user_name
        await self._store.write(lambda tx: self._control.cancel(tx, call.project_id, job_id, who))
        return Empty()

    @operation(
        "RetryImageJob", "POST", "/v1/{project_id}/image-server-jobs/{job_id}/actions/retry",
        action="workspace:images:retryImageJob", access=Access.WRITE, is_extension=True,
        errors=(errors.NOT_FOUND, errors.CONFLICT), tag=TAG,
    )  # fmt: skip
    async def retry(self, call: CurrentCall, job_id: PathId) -> Empty:
        """Go on with a failed job from its failed step, where it was kept (`keep_on_failure`)."""
        await self._store.write(lambda tx: self._control.retry(tx, call.project_id, job_id))
        return Empty()
