"""Once: a request that is repeated with the same key gets the job of the first.

The key is looked up and written in the transaction that accepts the request, so two that arrive at the same
instant, or one that is repeated after a crash, still make one job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import bindparam, delete, insert, select

from goldsmith import errors
from goldsmith.jobs.models import request_keys
from goldsmith.store import Tx, prepare

KEPT_MS = 7 * 24 * 3600 * 1000
"""How long a key is remembered: a week."""

_k = request_keys.c
_FIND = prepare(
    select(_k.fingerprint, _k.job_id).where(
        _k.project_id == bindparam("project"), _k.operation == bindparam("what"), _k.key == bindparam("by")
    )
)
_ADD = prepare(insert(request_keys))
_FORGET = prepare(delete(request_keys).where(_k.created_at < bindparam("before")))


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes two requests the same: project, operation, the client's key, and a fingerprint of what was sent."""

    project_id: str
    operation: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, project_id: str, operation: str, key: str, content: str) -> RequestKey | None:
        """The key of a request, None when the client sent none."""
        return cls(project_id, operation, key, sha256(content.encode()).hexdigest()) if key else None


def once(tx: Tx, key: RequestKey | None, accept: Callable[[], str]) -> str:
    """The job of `accept`, which runs only for the first request with this key.

    Raises Conflict when the key was used for another request.
    """
    if key is None:
        return accept()
    tx.lock(f"request {key.project_id} {key.operation} {key.key}")
    known = tx.row(_FIND, {"project": key.project_id, "what": key.operation, "by": key.key})
    if known is not None:
        if known["fingerprint"] != key.fingerprint:
            text = (
                f"The key '{key.key}' was used for another request, which made job {known['job_id']}; "
                "repeat that request unchanged, or send a new Idempotency-Key (or Service-Transaction-Id)."
            )
            raise errors.CONFLICT.error(text)
        job_id: str = known["job_id"]
        return job_id
    job_id = accept()
    tx.run(_FORGET, {"before": tx.now - KEPT_MS})
    tx.run(
        _ADD,
        {"project_id": key.project_id, "operation": key.operation, "key": key.key, "fingerprint": key.fingerprint,
         "job_id": job_id, "created_at": tx.now},
    )  # fmt: skip
    return job_id
