"""Reading the audit trail: `ListTraces` as CTS publishes it, and records with paging and export (extension)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from starlette.responses import Response, StreamingResponse

from goldsmith.audit import schemas, search
from goldsmith.audit.search import Scope, Wanted
from goldsmith.errors import Problem, refusal
from goldsmith.http.operations import Access, Call, Surface, operation
from goldsmith.http.parameters import Query, Taken
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Limit, Offset
from goldsmith.iam.setup import first_account
from goldsmith.store import Row, Store, Tx

T = TypeVar("T")
ACTION = "cts:trace:list"
TAG = "audit trail"
HOUR_MS = 3600 * 1000
Text = Annotated[str | None, Query(max_length=128)]
LATEST = 9_999_999_999_999
Since = Annotated[int | None, Query(alias="from", ge=0, le=LATEST, description="Milliseconds since 1970, UTC.")]
Until = Annotated[int | None, Query(alias="to", ge=0, le=LATEST, description="Not included.")]
Next = Annotated[str | None, Query(alias="next", max_length=128, description="The marker of the page before.")]
EXAMPLE_RECORD: dict[str, Any] = {
    "id": "3c2f0f5a8a5c4f6f9a3f5b1d2c7e8f90", "time": "2024-05-07T07:54:21.009Z",
    "request_id": "3c2f0f5a8a5c4f6f9a3f5b1d2c7e8f90", "operation": "CreateImageServer",
    "action": "workspace:imageServer:create", "service": "workspace", "method": "POST",
    "path": "/v1/a4da8115c9d8464ead3a38309130523f/image-servers", "user_id": "f7b3d6f0a1c24c0e8a51a8d1f4b0e2aa",
    "user_name": "admin", "domain_id": "5d2b1c8e0f4a4b7d9c3e6a7f8b9c0d1e", "domain_name": "goldsmith",
    "project_id": "a4da8115c9d8464ead3a38309130523f", "credential_kind": "access_key",
    "credential_id": "GSKEXAMPLEKEYOFGOLDS", "source_ip": "192.0.2.7", "user_agent": "huaweicloud-usdk-python/3.0",
    "resource_type": "imageServer", "resource_ids": [], "resource_name": "Image task 0508",
    "job_id": "697612196825268224", "enterprise_project_id": "0", "outcome": "allowed", "dry": False, "status": 200,
    "error_code": "", "decision": None,
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}  # fmt: skip
EXAMPLE_TRACE: dict[str, Any] = {
    "trace_id": EXAMPLE_RECORD["id"], "trace_name": "CreateImageServer", "trace_rating": "normal",
    "trace_type": "ApiCall", "code": "200", "time": 1715068461009, "record_time": 1715068461009,
    "user": {
        "id": EXAMPLE_RECORD["user_id"], "name": "admin", "user_name": "admin",
        "domain": {"id": EXAMPLE_RECORD["domain_id"], "name": "goldsmith"},
        "account_id": EXAMPLE_RECORD["domain_id"], "access_key_id": EXAMPLE_RECORD["credential_id"],
    },
    "service_type": "WORKSPACE", "resource_type": "imageServer", "resource_id": "",
    "resource_name": "Image task 0508", "source_ip": "192.0.2.7", "request_id": EXAMPLE_RECORD["id"],
    "endpoint": "http://goldsmith.example:8080", "resource_url": EXAMPLE_RECORD["path"],
    "enterprise_project_id": "0", "read_only": False,
}  # fmt: skip


def filters(
    since: Since = None,
    until: Until = None,
    user: Text = None,
    action: Text = None,
    operation: Text = None,
    resource_type: Text = None,
    resource_id: Text = None,
    outcome: Literal["allowed", "refused", "failed"] | None = None,
    request_id: Text = None,
) -> Wanted:
    """The filters of the record operations; `user` is an id or a name, `to` is not included."""
    _require_order(since, until)
    return Wanted(
        since=since, until=until, user=user, action=action, operation=operation, resource_type=resource_type,
        resource_id=resource_id, outcome=outcome, request_id=request_id,
    )  # fmt: skip


Filters = Annotated[Wanted, Taken(filters)]


MayInAccount = Callable[[Call], Awaitable[bool]]
"""Whether a caller may do the same outside projects as well."""


class AuditApi:
    """HTTP side of the audit trail. Large answers are looked up beside the event loop."""

    def __init__(self, store: Store, may_in_account: MayInAccount) -> None:
        self._store = store
        self._may_in_account = may_in_account

    @operation(
        "ListTraces", "GET", "/v3/{project_id}/traces", surface=Surface.GATEWAY, action=ACTION, access=Access.LIST,
        tag=TAG, exclude_none=False, answer={"traces": [EXAMPLE_TRACE], "meta_data": {"count": 1, "marker": None}},
    )  # fmt: skip
    async def list_traces(
        self,
        call: CurrentCall,
        trace_type: Literal["system", "data"] = "system",
        limit: Annotated[int, Query(ge=1, le=200)] = 10,
        since: Since = None,
        until: Until = None,
        following: Next = None,
        tracker_name: Text = None,
        service_type: Text = None,
        user: Text = None,
        resource_type: Text = None,
        resource_id: Text = None,
        resource_name: Text = None,
        trace_id: Text = None,
        trace_name: Text = None,
        trace_rating: Literal["normal", "warning", "incident"] | None = None,
        access_key_id: Text = None,
        enterprise_project_id: Text = None,
    ) -> schemas.Traces:
        """List traces, newest first; by default those of the last hour."""
        if trace_type == "data" or tracker_name not in {None, "system"} or trace_rating == "incident":
            return schemas.Traces(traces=[], meta_data=schemas.MetaData(count=0))
        _require_order(since, until)
        wanted = Wanted(
            since=since, until=until, user=user, service=service_type.lower() if service_type else None,
            resource_type=resource_type, resource_id=resource_id, resource_name=resource_name, record_id=trace_id,
            operation=trace_name, credential_id=access_key_id, enterprise_project_id=enterprise_project_id,
            is_problem=None if trace_rating is None else trace_rating == "warning",
        )  # fmt: skip

        scope = await self._scope(call)

        def work(tx: Tx) -> list[Row]:
            lacks_start = since is None and trace_id is None
            chosen = replace(wanted, since=(until or tx.now) - HOUR_MS) if lacks_start else wanted
            after = _required(search.one(tx, scope, following), following) if following else None
            return search.older(tx, scope, chosen, after=after, limit=limit + 1)

        rows = await self._read(work)
        marker = search.record_id(rows[limit - 1]) if len(rows) > limit else None
        traces = [schemas.trace_of(row, call.base_url) for row in rows[:limit]]
        return schemas.Traces(traces=traces, meta_data=schemas.MetaData(count=len(traces), marker=marker))

    @operation(
        "ListAuditRecords", "GET", "/v1/{project_id}/audit-records", action=ACTION, access=Access.LIST,
        is_extension=True, tag=TAG, exclude_none=False, answer={"count": 1, "items": [EXAMPLE_RECORD]},
    )  # fmt: skip
    async def list_records(
        self, call: CurrentCall, wanted: Filters, offset: Offset = 0, limit: Limit = 10
    ) -> schemas.AuditRecords:
        """List audit records, newest first."""
        scope = await self._scope(call)
        count, rows = await self._read(lambda tx: search.page(tx, scope, wanted, offset=offset, limit=limit))
        return schemas.AuditRecords(count=count, items=[schemas.record_of(row) for row in rows])

    @operation(
        "ExportAuditRecords", "GET", "/v1/{project_id}/audit-records/export", action=ACTION, access=Access.LIST,
        is_extension=True, tag=TAG, content_type="application/x-ndjson",
    )  # fmt: skip
    async def export(self, call: CurrentCall, wanted: Filters) -> Response:
        """All audit records that match, newest first, one JSON object a line."""
        scope = await self._scope(call)
        first = await self._older(scope, wanted, None)  # before the answer begins, so that a fault is still a status
        return StreamingResponse(self._lines(scope, wanted, first), media_type="application/x-ndjson")

    async def _lines(self, scope: Scope, wanted: Wanted, rows: list[Row]) -> AsyncIterator[str]:
        while rows:
            yield "".join(f"{schemas.record_of(row).model_dump_json()}\n" for row in rows)
            if len(rows) < search.PAGE:
                return
            rows = await self._older(scope, wanted, rows[-1])

    async def _older(self, scope: Scope, wanted: Wanted, after: Row | None) -> list[Row]:
        return await self._read(lambda tx: search.older(tx, scope, wanted, after=after, limit=search.PAGE))

    async def _scope(self, call: Call) -> Scope:
        """The project's records; for those who may list them outside projects too, also the account's."""
        if not await self._may_in_account(call):
            return Scope(call.project_id)
        domain_id = call.caller.domain_id
        first = await self._read(first_account)
        return Scope(call.project_id, domain_id, first is not None and first["id"] == domain_id)

    async def _read(self, work: Callable[[Tx], T]) -> T:
        return await asyncio.to_thread(self._store.read_now, work)


def _required(row: Row | None, marker: str) -> Row:
    if row is None:
        raise refusal([Problem("next", marker, "exists", "No such trace; send the marker of the page before.")])
    return row


def _require_order(since: int | None, until: int | None) -> None:
    if since is not None and until is not None and since > until:
        raise refusal([Problem("from", since, "order", "The time range ends before it begins.")])
