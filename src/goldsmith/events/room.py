"""The room of events, put together for `app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldsmith.events.api import EventsApi
from goldsmith.events.delivery import Deliverer, take_over
from goldsmith.events.feed import Feed
from goldsmith.events.sending import Sender
from goldsmith.events.service import Events
from goldsmith.events.targets import Targets
from goldsmith.events.webhooks import Webhooks
from goldsmith.events.webhooks_api import WebhooksApi
from goldsmith.iam.service import Iam
from goldsmith.ids import Snowflakes
from goldsmith.settings import Settings
from goldsmith.store import Store, Tx

if TYPE_CHECKING:
    from goldsmith.http.routes import Gate


class EventsRoom:
    """Its APIs, the feed that streams wait on, and what delivers to webhooks."""

    def __init__(
        self, settings: Settings, store: Store, events: Events, iam: Iam, gate: Gate, ids: Snowflakes, role: str
    ) -> None:
        self._role = role
        region, limits = settings.region, settings.webhooks
        self.feed = Feed(store, events)
        webhooks = Webhooks(events, ids)
        targets = Targets(allow_private=limits.allow_private)
        sender = Sender(targets, limits.timeout_seconds)
        self.deliverer = Deliverer(
            store, events, webhooks, self.feed, sender, iam.box, kept=settings.events, settings=limits, region=region,
            role=role,
        )  # fmt: skip
        self.apis = (
            EventsApi(store, events, self.feed, iam, gate, region=region, streams=settings.events.streams),
            WebhooksApi(store, webhooks, targets, sender, iam.box, region=region),
        )

    def take_over(self, tx: Tx) -> None:
        """End the lease of this process's predecessor, which is known to be dead."""
        take_over(tx, self._role)

    def stop(self) -> None:
        """End the streams and the deliveries; call it in the event loop."""
        self.feed.close()
        self.deliverer.stop()
