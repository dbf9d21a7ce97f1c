"""Webhooks of a project: events are posted to a URL as they happen (extension)."""

from __future__ import annotations

import uuid
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from goldsmith import errors
from goldsmith.events import schemas
from goldsmith.events.schemas import Filter
from goldsmith.events.sending import Sender
from goldsmith.events.targets import Targets, Unsafe
from goldsmith.events.webhooks import Webhooks, new_secret
from goldsmith.http.operations import Access, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Limit, Offset, PathId, wire_time
from goldsmith.iam.secrets import SecretBox
from goldsmith.store import Store, Tx

TAG = "webhooks"
PATH = "/v1/{project_id}/webhooks"
ONE = f"{PATH}/{{webhook_id}}"
SEES_ALL = ("workspace:events:list",)
"""Whoever has events sent somewhere must be allowed to see all of them."""
TEST_TYPE = "goldsmith.webhook.test"
EXAMPLE: dict[str, Any] = {
    "url": "https://hooks.example.com/goldsmith", "description": "tells the build system",
    "filter": {"types": ["goldsmith.image_server.status_changed"]}, "enabled": True,
}  # fmt: skip
EXAMPLE_WEBHOOK = {
    "id": "697612196825268224", **EXAMPLE, "create_time": "2024-05-07T07:54:21.009Z",
    "update_time": "2024-05-07T07:54:21.009Z",
}  # fmt: skip
EXAMPLE_DELIVERY = {
    "event_id": "4711", "event_type": "goldsmith.image_server.status_changed", "status": "delivered", "attempts": 1,
    "response_status": 204, "error": "", "first_attempt_time": "2024-05-07T07:54:21.109Z",
    "last_attempt_time": "2024-05-07T07:54:21.109Z",
}  # fmt: skip


class WebhooksApi:
    """HTTP side of webhooks."""

    def __init__(
        self, store: Store, webhooks: Webhooks, targets: Targets, sender: Sender, box: SecretBox, *, region: str
    ) -> None:
        self._store, self._webhooks, self._targets = store, webhooks, targets
        self._sender, self._box, self._region = sender, box, region

    @operation(
        "CreateWebhook", "POST", PATH, action="workspace:webhooks:create", access=Access.WRITE, success=201,
        dependencies=SEES_ALL, errors=(errors.CONFLICT,), example=EXAMPLE, is_extension=True, tag=TAG,
        answer={**EXAMPLE_WEBHOOK, "secret": "whsec-…"},
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: schemas.CreateWebhook) -> schemas.Webhook:
        """Have the events of a project sent to a URL; the secret that signs them is shown once."""
        await self._require_safe(body.url)
        secret = body.secret or new_secret()
        row = await self._store.write(
            lambda tx: self._webhooks.create(
                tx, call.project_id, url=body.url, sealed=self._box.seal(secret), description=body.description or "",
                wanted=_kept(body.filter), enabled=body.enabled is not False,
            )
        )  # fmt: skip
        return schemas.webhook_of(row, secret)

    @operation(
        "ListWebhooks", "GET", PATH, action="workspace:webhooks:list", access=Access.LIST, is_extension=True, tag=TAG,
        answer={"count": 1, "items": [EXAMPLE_WEBHOOK]},
    )  # fmt: skip
    async def list(self, call: CurrentCall, offset: Offset = 0, limit: Limit = 10) -> schemas.Webhooks:
        """List webhooks, newest first."""
        count, rows = await self._store.read(lambda tx: self._webhooks.page(tx, call.project_id, offset, limit))
        return schemas.Webhooks(count=count, items=[schemas.webhook_of(row) for row in rows])

    @operation(
        "ShowWebhook", "GET", ONE, action="workspace:webhooks:get", errors=(errors.NOT_FOUND,), is_extension=True,
        tag=TAG, answer=EXAMPLE_WEBHOOK,
    )  # fmt: skip
    async def show(self, call: CurrentCall, webhook_id: PathId) -> schemas.Webhook:
        """Show a webhook."""
        return schemas.webhook_of(
            await self._store.read(lambda tx: self._webhooks.require(tx, call.project_id, webhook_id))
        )

    @operation(
        "UpdateWebhook", "PATCH", ONE, action="workspace:webhooks:update", access=Access.WRITE, dependencies=SEES_ALL,
        errors=(errors.NOT_FOUND,), example={"enabled": False}, is_extension=True, tag=TAG, answer=EXAMPLE_WEBHOOK,
    )  # fmt: skip
    async def update(self, call: CurrentCall, webhook_id: PathId, body: schemas.UpdateWebhook) -> schemas.Webhook:
        """Change a webhook. What happens while it is disabled is sent once it is enabled again."""
        if body.url is not None:
            await self._require_safe(body.url)
        secret = body.secret or (new_secret() if body.rotate_secret else None)
        changes: dict[str, Any] = body.model_dump(include={"url", "description"}, exclude_none=True)
        if body.enabled is not None:
            changes["enabled"] = int(body.enabled)
        if body.filter is not None:
            changes["filter"] = to_json(_kept(body.filter)).decode()
        if secret is not None:
            changes["secret"] = self._box.seal(secret)
        row = await self._store.write(lambda tx: self._webhooks.update(tx, call.project_id, webhook_id, changes))
        return schemas.webhook_of(row, secret)

    @operation(
        "DeleteWebhook", "DELETE", ONE, action="workspace:webhooks:delete", access=Access.WRITE, success=204,
        errors=(errors.NOT_FOUND,), is_extension=True, tag=TAG,
    )  # fmt: skip
    async def delete(self, call: CurrentCall, webhook_id: PathId) -> Response:
        """Delete a webhook with its delivery log."""
        await self._store.write(lambda tx: self._webhooks.remove(tx, call.project_id, webhook_id))
        return Response(status_code=204)

    @operation(
        "ListWebhookDeliveries", "GET", f"{ONE}/deliveries", action="workspace:webhooks:listDeliveries",
        access=Access.LIST, errors=(errors.NOT_FOUND,), is_extension=True, tag=TAG,
        answer={"count": 1, "items": [EXAMPLE_DELIVERY]},
    )  # fmt: skip
    async def deliveries(
        self, call: CurrentCall, webhook_id: PathId, offset: Offset = 0, limit: Limit = 10
    ) -> schemas.Deliveries:
        """List what was sent to a webhook, newest first, one entry for each event."""

        def work(tx: Tx) -> schemas.Deliveries:
            self._webhooks.require(tx, call.project_id, webhook_id)
            count, rows = self._webhooks.deliveries(tx, webhook_id, offset, limit)
            return schemas.Deliveries(count=count, items=[schemas.delivery_of(row) for row in rows])

        return await self._store.read(work)

    @operation(
        "TestWebhook", "POST", f"{ONE}/actions/test", action="workspace:webhooks:test", access=Access.WRITE,
        errors=(errors.NOT_FOUND,), is_extension=True, tag=TAG,
        answer={"delivered": True, "event_id": "test-7c0f2e61", "response_status": 204, "error": "", "seconds": 0.041},
    )  # fmt: skip
    async def test(self, call: CurrentCall, webhook_id: PathId) -> schemas.TestAnswer:
        """Send a test event now, once, and tell how it went; the webhook need not be enabled."""
        row = await self._store.read(lambda tx: self._webhooks.require(tx, call.project_id, webhook_id))
        now = await self._store.read(lambda tx: tx.now)
        event = schemas.Event(
            id=f"test-{uuid.uuid4()}", source=schemas.source_of(self._region, call.project_id), type=TEST_TYPE,
            subject=f"webhook/{webhook_id}", time=wire_time(now) or "", data={"id": webhook_id},
        )  # fmt: skip
        outcome = await self._sender.send(webhook_id, row["url"], self._box.open(row["secret"]), to_json(event))

        def note(tx: Tx) -> None:
            self._webhooks.require(tx, call.project_id, webhook_id)
            status = "failed" if outcome.error else "delivered"
            self._webhooks.log(
                tx, webhook_id, event.id, TEST_TYPE, status, response=outcome.status, error=outcome.error
            )

        await self._store.write(note)
        return schemas.TestAnswer(
            delivered=not outcome.error, event_id=event.id, response_status=outcome.status, error=outcome.error,
            seconds=outcome.seconds,
        )  # fmt: skip

    async def _require_safe(self, url: str) -> None:
        try:
            await self._targets.checked(url)
        except Unsafe as unsafe:
            raise unsafe.refusal(url) from unsafe


def _kept(wanted: Filter | None) -> dict[str, Any]:
    return {} if wanted is None else wanted.model_dump(mode="json", exclude_none=True)
