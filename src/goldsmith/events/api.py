"""Events of a project: as a stream (Server-Sent Events) or a page at a time (extension).

A stream is read from the database as fast as the client takes it: nothing is kept for a slow one, who is cut off in
the end (`limits.body_seconds`) and goes on from its `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.events import schemas
from goldsmith.events.feed import Feed
from goldsmith.events.service import PAGE, Events, Gap, Wanted
from goldsmith.events.types import EventType, Kind
from goldsmith.http.operations import Access, Call, Resource, operation
from goldsmith.http.parameters import Header, Query
from goldsmith.http.routes import CurrentCall, Gate
from goldsmith.iam.service import CredentialKind, Iam
from goldsmith.store import Row, Store, Tx

log = logging.getLogger(__name__)
KEEP_ALIVE_SECONDS = 15.0
RETRY_MS = 1000
STREAMS_OF_ONE = 20
SCANNED = 5000
"""Events looked at for one page of a list, when most of them are hidden from the caller."""
TAG = "events"
HEADERS = {"X-Accel-Buffering": "no"}
EXAMPLE = {
    "specversion": "1.0", "id": "4711", "source": "urn:goldsmith:local-1:a4da8115c9d8464ead3a38309130523f",
    "type": "goldsmith.image_server.status_changed", "subject": "image_server/627989489700044800",
    "time": "2024-05-07T07:54:21.009Z", "datacontenttype": "application/json",
    "data": {"id": "627989489700044800", "name": "test_instance_2", "status": "ACTIVE", "enterprise_project_id": "0"},
}  # fmt: skip
Id = Annotated[str, Query(pattern=r"^[0-9]{0,18}$", description="The last event that was seen.")]
IdHeader = Annotated[
    str, Header(alias="Last-Event-ID", pattern=r"^[0-9]{0,18}$", description="The same, as EventSource sends it.")
]


class EventsApi:
    """HTTP side of events; `streams` is how many may be open at once in this process."""

    def __init__(
        self, store: Store, events: Events, feed: Feed, iam: Iam, gate: Gate, *, region: str, streams: int
    ) -> None:
        self._store, self._events, self._feed, self._iam, self._gate = store, events, feed, iam, gate
        self._region, self._streams = region, streams
        self._open: Counter[str] = Counter()

    @operation(
        "ListEvents", "GET", "/v1/{project_id}/events", action="workspace:events:list", access=Access.LIST,
        resource_type="imageServer", condition_keys=("g:EnterpriseProjectId",), is_extension=True, tag=TAG,
        content_type="text/event-stream", answer={"items": [EXAMPLE], "last_event_id": "4711", "has_more": False},
    )  # fmt: skip
    async def follow(
        self,
        request: Request,
        call: CurrentCall,
        stream: Annotated[bool, Query(description="Whether to go on as a stream, or answer a page as JSON.")] = True,
        limit: Annotated[int, Query(ge=1, le=1000, description="Events in a page (not of a stream).")] = 100,
        last_event_id: Id = "",
        last_event_id_header: IdHeader = "",
        type_: Annotated[list[EventType] | None, Query(alias="type", description="May be repeated.")] = None,
        resource_type: Kind | None = None,
        resource_id: Annotated[str, Query(max_length=128, description="An image server, job or sub job.")] = "",
    ) -> Response:
        """Follow the events of a project.

        A stream without an id begins now, a page with the oldest event that is kept.
        """
        seen = last_event_id_header or last_event_id
        wanted = Wanted(tuple(type_ or ()), resource_type or "", resource_id)
        if not stream:
            page = await self._page(call, int(seen or 0), wanted, limit)
            return Response(page.model_dump_json(exclude_none=True), media_type="application/json")
        if self._feed.is_closed:
            raise errors.UNAVAILABLE.error("The service is shutting down.", headers={"Retry-After": "1"})
        self._require_room(call)
        start = int(seen) if seen else await self._store.read(self._events.newest)
        blocks = self._stream(call, request.headers.get("x-security-token", ""), start, wanted)
        return StreamingResponse(blocks, media_type="text/event-stream", headers=HEADERS)

    def _require_room(self, call: Call) -> None:
        if self._open.total() >= self._streams or self._open[call.caller.user_id] >= STREAMS_OF_ONE:
            raise errors.TOO_MANY_REQUESTS.error(
                f"Too many event streams are open; a user may have {STREAMS_OF_ONE}.", headers={"Retry-After": "5"}
            )

    async def _page(self, call: Call, seen: int, wanted: Wanted, limit: int) -> schemas.EventPage:
        def work(tx: Tx) -> tuple[Gap | None, list[Row], int, bool]:
            gap = self._events.gap(tx, call.project_id, seen) if seen else None
            newest, last, found = self._events.newest(tx), gap.until if gap else seen, list[Row]()
            for _ in range(SCANNED // PAGE):
                rows = self._events.after(tx, call.project_id, last, wanted)
                for row, is_visible in zip(rows, _visible(call, rows), strict=True):
                    if is_visible and len(found) == limit:
                        return gap, found, last, True
                    last = row["sequence"]
                    if is_visible:
                        found.append(row)
                if len(rows) < PAGE:
                    return gap, found, max(last, newest), False
            return gap, found, last, True

        gap, rows, last, has_more = await asyncio.to_thread(self._store.read_now, work)
        items = [schemas.event_of(row, self._region) for row in rows]
        return schemas.EventPage(items=items, last_event_id=str(last), has_more=has_more, gap=_shown(gap))

    async def _stream(self, call: Call, security_token: str, seen: int, wanted: Wanted) -> AsyncIterator[bytes]:
        user, loop = call.caller.user_id, asyncio.get_running_loop()
        self._open[user] += 1
        try:
            with self._feed.subscribe(call.project_id) as subscription:
                gap = await self._store.read(lambda tx: self._events.gap(tx, call.project_id, seen))
                seen = gap.until if gap else seen
                yield _opening(seen, gap)
                due = loop.time() + KEEP_ALIVE_SECONDS
                while not self._feed.is_closed:
                    subscription.news.clear()
                    cursor = seen
                    rows = await self._store.read(lambda tx: self._events.after(tx, call.project_id, cursor, wanted))  # noqa: B023
                    for row, is_visible in zip(rows, _visible(call, rows), strict=True):
                        seen = row["sequence"]
                        if is_visible:
                            yield _block(row["type"], seen, schemas.event_text(row, self._region))
                    if loop.time() >= due:
                        due = loop.time() + KEEP_ALIVE_SECONDS
                        yield b": keep-alive\n\n"
                        await self._require_standing(call, security_token)
                    if len(rows) < PAGE:
                        await subscription.wait(due - loop.time())
        except ServiceError as error:
            log.info("request %s: the stream ends: %s", call.request_id, error.message)
            yield _block("end", seen, json.dumps({"reason": error.message}).encode())
        finally:
            self._open[user] -= 1
            self._open += Counter()  # forgets those who have none

    async def _require_standing(self, call: Call, security_token: str) -> None:
        """Raise when the credential or the right that opened a stream has ended meanwhile."""
        caller, directory = call.caller, self._iam.directory
        person = await directory.person(caller.user_id)
        is_good = person is not None and person.enabled
        if caller.token is not None:
            token = caller.token
            is_good = is_good and token.expires_at > self._iam.now_ms()
            is_good = is_good and not await directory.is_ended(token.id, token.user_id, token.issued_at)
        elif caller.credential_kind is CredentialKind.ACCESS_KEY:
            key = await directory.key(caller.credential_id)
            is_good = is_good and not isinstance(key, str) and key.enabled
        else:
            temporary = self._iam.temporary_keys.read(security_token)
            is_good = is_good and not await directory.is_ended(
                temporary.parent_id, temporary.user_id, temporary.issued_at
            )
        if not is_good:
            raise errors.UNAUTHENTICATED.error("The credential has ended; come again with another one.")
        call.sees = None
        await self._gate.admit(call, None)


def _visible(call: Call, rows: list[Row]) -> list[bool]:
    """Which of the events the caller may see."""
    if call.sees is None:
        return [True] * len(rows)
    return call.sees(Resource(row["resource_type"], row["resource_id"], row["enterprise_project_id"]) for row in rows)


def _block(name: str, sequence: int, text: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (sequence, name.encode(), text)


def _opening(seen: int, gap: Gap | None) -> bytes:
    """How long to wait before coming again, what is lost if anything, and where the stream begins."""
    lost = _shown(gap)
    told = _block("gap", seen, lost.model_dump_json().encode()) if lost else b""
    ready = _block("ready", seen, json.dumps({"last_event_id": str(seen)}).encode())
    return b"retry: %d\n\n" % RETRY_MS + told + ready


def _shown(gap: Gap | None) -> schemas.Gap | None:
    return None if gap is None else schemas.Gap(after=str(gap.after), until=str(gap.until))
