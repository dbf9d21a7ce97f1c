"""Wire shapes of the audit trail: the published traces of CTS, and our own records, which say more."""

from __future__ import annotations

import json
from typing import Any

from goldsmith.audit.search import record_id
from goldsmith.http.wire import Answer, wire_time
from goldsmith.store import Row

RATINGS = {"allowed": "normal", "refused": "warning", "failed": "warning"}
SHOWN = (
    "operation", "action", "service", "method", "path", "user_id", "user_name", "domain_id", "domain_name",
    "project_id", "credential_kind", "credential_id", "source_ip", "user_agent", "resource_type", "resource_name",
    "job_id", "enterprise_project_id", "outcome", "status", "error_code", "hash",
)  # fmt: skip


class Domain(Answer):
    """An account."""

    id: str
    name: str


class UserInfo(Answer):
    """Who caused a trace."""

    id: str
    name: str
    user_name: str
    domain: Domain
    account_id: str
    access_key_id: str | None = None


class Trace(Answer):
    """A record as CTS publishes it."""

    trace_id: str
    trace_name: str
    trace_rating: str
    trace_type: str
    code: str
    time: int
    record_time: int
    user: UserInfo
    service_type: str
    resource_type: str
    resource_id: str
    resource_name: str
    source_ip: str
    request_id: str
    endpoint: str
    resource_url: str
    enterprise_project_id: str
    read_only: bool
    message: str | None = None


class MetaData(Answer):
    """How many traces an answer holds; `marker` is the `next` of the following page, None on the last."""

    count: int
    marker: str | None = None


class Traces(Answer):
    """The answer of `ListTraces`."""

    traces: list[Trace]
    meta_data: MetaData


class AuditRecord(Answer):
    """One record. `decision` is the statement that decided, `dry` marks a write that changed nothing.

    `hash` is the record's own in the chain that `goldsmith audit verify` checks.
    """

    id: str
    time: str
    request_id: str
    operation: str
    action: str
    service: str
    method: str
    path: str
    user_id: str
    user_name: str
    domain_id: str
    domain_name: str
    project_id: str
    credential_kind: str
    credential_id: str
    source_ip: str
    user_agent: str
    resource_type: str
    resource_ids: list[str]
    resource_name: str
    job_id: str
    enterprise_project_id: str
    outcome: str
    dry: bool
    status: int
    error_code: str
    decision: Any
    hash: str


class AuditRecords(Answer):
    """A page of records."""

    count: int
    items: list[AuditRecord]


def record_of(row: Row) -> AuditRecord:
    """A row as it is shown."""
    return AuditRecord(
        id=record_id(row), time=wire_time(row["time"]) or "", request_id=row["request_id"],
        resource_ids=json.loads(row["resource_ids"]), dry=bool(row["dry"]), decision=_decision(row["decision"]),
        **{name: row[name] for name in SHOWN},
    )  # fmt: skip


def trace_of(row: Row, endpoint: str) -> Trace:
    """The same as a trace."""
    ids = json.loads(row["resource_ids"])
    is_key = row["credential_kind"] != "token"
    user = UserInfo(
        id=row["user_id"], name=row["user_name"], user_name=row["user_name"], account_id=row["domain_id"],
        domain=Domain(id=row["domain_id"], name=row["domain_name"]),
        access_key_id=row["credential_id"] if is_key and row["credential_id"] else None,
    )  # fmt: skip
    return Trace(
        trace_id=record_id(row), trace_name=row["operation"], trace_rating=RATINGS[row["outcome"]],
        trace_type="ApiCall", code=str(row["status"]), time=row["time"], record_time=row["time"], user=user,
        service_type=row["service"].upper(), resource_type=row["resource_type"], resource_id=ids[0] if ids else "",
        resource_name=row["resource_name"], source_ip=row["source_ip"], request_id=row["request_id"],
        endpoint=endpoint, resource_url=row["path"], enterprise_project_id=row["enterprise_project_id"],
        read_only=row["method"] == "GET", message=row["error_code"] or None,
    )  # fmt: skip


def _decision(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
