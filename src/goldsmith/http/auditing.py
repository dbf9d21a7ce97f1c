"""What a request leaves in the audit trail: gathered here, written by the `Trail` that is handed in.

Every write leaves one entry, in the transaction of its change; so does every refusal for reasons of identity or
permission, and every write that fails or changes nothing, in a transaction of its own. Of refusals
because of the rate, one a minute and client does. A request whose entry cannot be written fails with 503. Bodies,
queries, messages, passwords and tokens are never part of an entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.operations import Access, Call, Operation
from goldsmith.http.rendering import code_of
from goldsmith.store import Tx
from goldsmith.store.interface import companion

if TYPE_CHECKING:
    from goldsmith.http.binding import Received
    from goldsmith.iam.service import Caller

ALLOWED, REFUSED, FAILED = "allowed", "refused", "failed"
REFUSALS = frozenset({401, 403, 429})
OF_THE_ACCOUNT = frozenset({"iam", "eps"})
"""Services whose writes concern the account, whatever project the path or the caller's token names."""
PRINCIPALS = ("user_id", "group_id")
LONGEST_ID, LONGEST_AGENT, LONGEST_PATH, LONGEST_DECISION, MOST_IDS = 128, 200, 256, 2000, 100
_ID = re.compile(r"[0-9]{15,20}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_STRANGE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Entry:
    """One entry, as far as the request knows it; the trail adds its number, the time and the chain.

    A request has one entry, `part` 1. A second one follows only when a change was kept and the request failed all
    the same. `project_id` is the project whose trail it is, empty for the account's. For a 401 the user and the
    credential are those that were claimed, if they exist. `dry` marks a write that changed nothing.
    """

    request_id: str
    operation: str
    action: str
    service: str
    method: str
    path: str
    source_ip: str
    user_agent: str
    outcome: str
    status: int
    resource_type: str = ""
    resource_ids: str = "[]"
    resource_name: str = ""
    job_id: str = ""
    enterprise_project_id: str = ""
    user_id: str = ""
    user_name: str = ""
    domain_id: str = ""
    domain_name: str = ""
    project_id: str = ""
    credential_kind: str = ""
    credential_id: str = ""
    error_code: str = ""
    decision: str = ""
    dry: int = 0
    part: int = 1


class Trail(Protocol):
    """Where entries go: implemented by `audit`."""

    def append(self, tx: Tx, entry: Entry) -> None:
        """Add the entry within a transaction; raises `errors.UNAVAILABLE` when that is impossible."""

    async def record(self, entry: Entry) -> None:
        """Add the entry in a transaction of its own; durable when this returns."""

    async def name_suspect(
        self, entry: Entry, headers: Sequence[tuple[bytes, bytes]], login: Mapping[str, Any] | None
    ) -> None:
        """Note whom unproven credentials, or the body of a login, claim to be; only if they exist."""

    async def name_holder(self, entry: Entry, token_text: str) -> None:
        """Note who got this new token, and the token's id."""


class Witness:
    """Follows one request and sees to it that it leaves its entry; without a trail it sees nothing."""

    __slots__ = ("_answers_job", "_is_admitted", "_is_over", "_is_written", "_operation", "_request", "_trail")

    def __init__(self, trail: Trail | None, operation: Operation, request: Received, *, answers_job: bool) -> None:
        self._trail, self._operation, self._request, self._answers_job = trail, operation, request, answers_job
        self._is_admitted = self._is_over = self._is_written = False

    @property
    def _is_of_interest(self) -> bool:
        return self._operation.access is Access.WRITE or self._operation.method not in {"GET", "HEAD"}

    @property
    def _service(self) -> str:
        return (self._operation.action or self._operation.surface.value).partition(":")[0]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this lasts the request is admitted, and the first write it makes carries its entry."""
        self._is_admitted = True
        if self._trail is None or not self._is_of_interest:
            yield
            return
        before = companion.set(self._accompany)
        try:
            yield
        finally:
            companion.reset(before)
            self._is_over = True

    def _accompany(self, tx: Tx, result: Any) -> None:
        if self._is_written or self._is_over or self._trail is None:
            return
        self._trail.append(tx, self._entry(ALLOWED, self._operation.success, made=created_id(result)))
        tx.after_commit(self._note_written)

    def _note_written(self) -> None:
        self._is_written = True

    async def saw(self, response: Response) -> None:
        """The request succeeded; leave the entry of one that changed nothing."""
        if self._trail is None or self._is_written or not self._is_of_interest:
            return
        entry = self._entry(ALLOWED, response.status_code)
        entry.dry = int(self._operation.access is Access.WRITE)
        token_text = response.headers.get("x-subject-token")
        if self._operation.is_public and token_text:
            await self._trail.name_holder(entry, token_text)
        await self._trail.record(entry)

    async def failed(self, failure: ServiceError) -> ServiceError:
        """The request failed; returns what to answer, which is another failure when no entry can be left."""
        status = failure.kind.status
        is_refusal = status in REFUSALS
        if self._trail is None or failure.is_repeated or not (is_refusal or self._is_of_interest):
            return failure
        try:
            entry = self._entry(REFUSED if is_refusal else FAILED, status, failure)
            entry.part += int(self._is_written)
            if not entry.user_id and is_refusal:
                login = json_object(self._request.raw) if self._operation.is_public else None
                await self._trail.name_suspect(entry, self._request.scope["headers"], login)
            await self._trail.record(entry)
        except ServiceError as unrecorded:
            return unrecorded
        return failure

    def _entry(self, outcome: str, status: int, failure: ServiceError | None = None, made: str = "") -> Entry:
        operation, request = self._operation, self._request
        call = request.call
        caller: Caller | None = call.caller if call is not None else None
        client = request.scope["client"]
        entry = Entry(
            request_id=request.scope["goldsmith.request_id"], operation=operation.name,
            action=operation.action or "", service=self._service, method=operation.method,
            path=clean(request.scope["path"], LONGEST_PATH), source_ip=client[0] if client else "",
            user_agent=clean(request.headers.get("user-agent", ""), LONGEST_AGENT), outcome=outcome, status=status,
            resource_type=operation.resource_type or "", decision=_decision(call, failure),
            error_code="" if failure is None else code_of(failure, operation),
        )  # fmt: skip
        if caller is not None:
            entry.user_id, entry.user_name = caller.user_id, caller.user_name
            entry.domain_id, entry.domain_name = caller.domain_id, caller.domain_name
            entry.credential_kind, entry.credential_id = caller.credential_kind.value, caller.credential_id
            entry.project_id = self._project(caller, failure)
        self._describe(entry, made, is_known=caller is not None)
        return entry

    def _project(self, caller: Caller, failure: ServiceError | None) -> str:
        """Whose trail it is: never that of a project into which the caller was not let."""
        if self._service in OF_THE_ACCOUNT:
            return ""
        kind = None if failure is None else failure.kind
        is_inside = kind is not errors.FOREIGN_PROJECT and (self._is_admitted or kind is errors.FORBIDDEN)
        if is_inside and self._operation.is_in_project:
            return str(self._request.path_params["project_id"])
        return caller.project_id or ""

    def _describe(self, entry: Entry, made: str, *, is_known: bool) -> None:
        """Ids and names of what the request is about, from the path and, for known callers, the body."""
        is_scope = self._service not in OF_THE_ACCOUNT
        path = self._request.path_params
        found = [str(value) for name, value in path.items() if not (is_scope and name == "project_id")]
        if is_known and self._is_of_interest:
            body = self._body()
            inner = next((value for value in body.values() if isinstance(value, dict)), {}) if len(body) == 1 else {}
            found += [*named_ids(body), *named_ids(inner)]
            entry.resource_name = _text_of("name", body, inner)
            entry.enterprise_project_id = _text_of("enterprise_project_id", body, inner)
        if made and self._answers_job:
            entry.job_id = made
        elif made:
            found.append(made)
        if found:
            entry.resource_ids = json.dumps([clean(each, LONGEST_ID) for each in dict.fromkeys(found)][:MOST_IDS])

    def _body(self) -> dict[str, Any]:
        """The body as a JSON object, from what was read of the request before."""
        parsed = self._request.parsed
        return parsed if isinstance(parsed, dict) else json_object(self._request.raw)


def clean(text: str, longest: int) -> str:
    """Text that is safe to keep and to show: no control characters, no halves of characters, not too long."""
    text = text[:longest]
    return text if text.isascii() and text.isprintable() else _STRANGE.sub("\ufffd", text)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, or an empty one when there is none."""
    try:
        found = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def named_ids(body: Mapping[str, Any]) -> list[str]:
    """What a body says it is about: whose, and for a batch the strings in `items`, `ids` and the like."""
    found = [body[name] for name in PRINCIPALS if isinstance(body.get(name), str)]
    for name, value in body.items():
        if isinstance(value, list) and (name == "items" or name == "ids" or name.endswith("_ids")):
            found += [each for each in value[:MOST_IDS] if isinstance(each, str)]
    return found


def created_id(result: Any) -> str:
    """The id in what a write returned: an id itself, or a row or object that has one; else nothing."""
    if isinstance(result, str):
        return result if _ID.fullmatch(result) else ""
    for name in ("id", "access_key", "user_id"):
        found = result[name] if hasattr(result, "keys") and name in result.keys() else getattr(result, name, None)  # noqa: SIM118
        if isinstance(found, str):
            return found
    return ""


def _text_of(name: str, *places: Mapping[str, Any]) -> str:
    value = next((place[name] for place in places if isinstance(place.get(name), str)), "")
    return clean(value, LONGEST_ID)


def _decision(call: Call | None, failure: ServiceError | None) -> str:
    """What decided, in whatever form the gate left it on the call or on its refusal."""
    decided: object = getattr(call, "decision", None) or getattr(failure, "decision", None)
    if decided is None:
        return ""
    if not isinstance(decided, str):
        plain = asdict(decided) if is_dataclass(decided) and not isinstance(decided, type) else decided
        decided = json.dumps(plain, default=str, separators=(",", ":"))
    return clean(decided, LONGEST_DECISION)
