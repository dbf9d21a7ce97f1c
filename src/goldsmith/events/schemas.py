"""Wire shapes of events (CloudEvents 1.0, JSON format) and of webhooks."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import to_json

from goldsmith.events.types import EventType, Kind
from goldsmith.http.wire import Answer, Body, wire_time
from goldsmith.store import Row

MEDIA_TYPE = "application/cloudevents+json"
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Secret = Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Description = Annotated[str, Field(max_length=255)]


class Event(Answer):
    """One event. `id` grows with time; `data` holds id, name, status and the like of the `subject`."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str = "application/json"
    data: dict[str, Any]


class Gap(Answer):
    """Events after `after`, up to `until`, are not kept any more: list the resources to see how they stand."""

    after: str
    until: str


class EventPage(Answer):
    """Some events, oldest first. Send `last_event_id` to go on from there."""

    items: list[Event]
    last_event_id: str
    has_more: bool
    gap: Gap | None = None


class Filter(Body):
    """What a webhook wants to hear of; what is left out lets everything pass."""

    types: Annotated[list[Annotated[EventType, Field(strict=False)]], Field(max_length=50)] | None = None
    resource_type: Annotated[Kind, Field(strict=False)] | None = None
    resource_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class CreateWebhook(Body):
    """A new webhook; a secret is made when none is given."""

    url: Url
    description: Description | None = None
    secret: Secret | None = None
    filter: Filter | None = None
    enabled: bool | None = None


class UpdateWebhook(Body):
    """Changes of a webhook; `rotate_secret` makes a new secret."""

    url: Url | None = None
    description: Description | None = None
    secret: Secret | None = None
    rotate_secret: bool | None = None
    filter: Filter | None = None
    enabled: bool | None = None


class ShownFilter(Answer):
    """What a webhook wants to hear of."""

    types: list[str] | None = None
    resource_type: str | None = None
    resource_id: str | None = None


class Webhook(Answer):
    """A webhook. `secret` is shown only in the answer of the request that set it.

    `failing_since`, `next_attempt_time` and `last_error` are there while deliveries fail.
    """

    id: str
    url: str
    description: str
    filter: ShownFilter
    enabled: bool
    secret: str | None = None
    failing_since: str | None = None
    next_attempt_time: str | None = None
    last_error: str | None = None
    create_time: str
    update_time: str


class Webhooks(Answer):
    """A page of webhooks."""

    count: int
    items: list[Webhook]


class Delivery(Answer):
    """How the delivery of one event went: `delivered`, `retrying`, `failed` (given up) or `gap` (no longer kept)."""

    event_id: str
    event_type: str
    status: str
    attempts: int
    response_status: int | None = None
    error: str
    first_attempt_time: str
    last_attempt_time: str


class Deliveries(Answer):
    """A page of deliveries."""

    count: int
    items: list[Delivery]


class TestAnswer(Answer):
    """How a test delivery went."""

    delivered: bool
    event_id: str
    response_status: int | None = None
    error: str
    seconds: float


def source_of(region: str, project_id: str) -> str:
    """Where events of a project come from."""
    return f"urn:goldsmith:{region}:{project_id}"


def event_of(row: Row, region: str) -> Event:
    """A row as it is shown."""
    return Event(
        id=str(row["sequence"]), source=source_of(region, row["project_id"]), type=row["type"],
        subject=f"{row['subject_kind']}/{row['subject_id']}", time=wire_time(row["time"]) or "",
        data=json.loads(row["data"]),
    )  # fmt: skip


def event_text(row: Row, region: str) -> bytes:
    """The same as JSON, on one line."""
    return to_json(event_of(row, region))


def webhook_of(row: Row, secret: str | None = None) -> Webhook:
    """A webhook as it is shown."""
    return Webhook(
        id=row["id"], url=row["url"], description=row["description"], filter=ShownFilter(**json.loads(row["filter"])),
        enabled=bool(row["enabled"]), secret=secret, failing_since=wire_time(row["failing_since"] or None),
        next_attempt_time=wire_time(row["next_at"] or None), last_error=row["last_error"] or None,
        create_time=wire_time(row["create_time"]) or "", update_time=wire_time(row["update_time"]) or "",
    )  # fmt: skip


def delivery_of(row: Row) -> Delivery:
    """An entry of the delivery log as it is shown."""
    return Delivery(
        event_id=row["event_id"], event_type=row["event_type"], status=row["status"], attempts=row["attempts"],
        response_status=row["response_status"], error=row["error"],
        first_attempt_time=wire_time(row["first_time"]) or "", last_attempt_time=wire_time(row["last_time"]) or "",
    )  # fmt: skip
