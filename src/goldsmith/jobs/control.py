"""Cancelling and retrying jobs (extensions of the contract)."""

from __future__ import annotations

from goldsmith import errors
from goldsmith.jobs.service import ACCEPTING, ENDED, Jobs
from goldsmith.store import Row, Tx
from goldsmith.workflows import Queue


class JobControl:
    """Changes the course of jobs; every function runs inside the caller's transaction."""

    def __init__(self, jobs: Jobs, queue: Queue) -> None:
        self._jobs, self._queue = jobs, queue

    def cancel(self, tx: Tx, project_id: str, job_id: str, who: str) -> None:
        """Undo whatever the job has not finished; its sub jobs are ABORTING until they are FAILED.

        Repeating it is fine while the job is being undone. Raises NotFound, or Conflict when the job has ended or
        is of a kind that cannot be undone.
        """
        open_ones = [row for row in self._sub_jobs(tx, project_id, job_id) if row["status"] not in ENDED]
        if not open_ones:
            raise errors.CONFLICT.error(f"The job '{job_id}' has ended; there is nothing to cancel.")
        reason = f"The job was cancelled by {who}."
        has_begun = False
        for row in open_ones:
            if row["status"] in {"ABORTING", "ROLLBACK"}:
                has_begun = True
                continue
            if not self._queue.can_cancel(tx, row["workflow_id"]):
                text = f"A job of type {row['job_type']} cannot be undone; wait until it has ended."
                raise errors.CONFLICT.error(text)
            if self._queue.cancel(tx, row["workflow_id"], reason):
                self._jobs.rolling_back(tx, row["workflow_id"], reason, aborted=True)
                has_begun = True
        if not has_begun:  # it ended at this very moment
            raise errors.CONFLICT.error(f"The job '{job_id}' has ended; there is nothing to cancel.")

    def retry(self, tx: Tx, project_id: str, job_id: str) -> None:
        """Go on with a failed job from its failed step. Raises NotFound, or Conflict when nothing of it was kept."""
        tx.lock(ACCEPTING)
        failed = [row for row in self._sub_jobs(tx, project_id, job_id) if row["status"] == "FAILED"]
        resumed = [self._queue.resume(tx, row["workflow_id"]) for row in failed]
        if not any(resumed):
            text = (
                f"There is nothing to retry in the job '{job_id}': only a failed creation that was asked for with "
                "keep_on_failure=true, and whose image server was not deleted, can go on from its failed step."
            )
            raise errors.CONFLICT.error(text)

    def _sub_jobs(self, tx: Tx, project_id: str, job_id: str) -> list[Row]:
        if self._jobs.find(tx, project_id, job_id) is None:
            raise errors.NOT_FOUND.error(f"The job '{job_id}' does not exist.")
        return self._jobs.sub_jobs_of(tx, job_id)
