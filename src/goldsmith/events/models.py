"""Tables of events and webhooks.

`events.sequence` grows in the order of the commits. `events_pruned` keeps, of each project, the last event that is
not kept any more. A webhook's `cursor` is the last event it is done with; `failing_since` and `next_at` are 0 while
all is well.
"""

from sqlalchemy import Column, ForeignKey, Index, Table

from goldsmith.store import Integer, Text, metadata

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("time", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("enterprise_project_id", Text),
    Column("data", Text, nullable=False),
)
Index("ix_events_project", events.c.project_id, events.c.sequence)

events_pruned = Table(
    "events_pruned",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("sequence", Integer, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("cursor", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Integer, nullable=False),
    Column("failing_since", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
    Column("update_time", Integer, nullable=False),
)
Index("ix_webhooks_project", webhooks.c.project_id, webhooks.c.id)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_status", Integer),
    Column("error", Text, nullable=False),
    Column("first_time", Integer, nullable=False),
    Column("last_time", Integer, nullable=False),
)
Index("ix_webhook_deliveries_event", webhook_deliveries.c.webhook_id, webhook_deliveries.c.event_id, unique=True)
Index("ix_webhook_deliveries_list", webhook_deliveries.c.webhook_id, webhook_deliveries.c.number)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Integer, nullable=False),
)
