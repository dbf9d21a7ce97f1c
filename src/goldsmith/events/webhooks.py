"""Webhooks as they are kept: what to send where, how far each has come, and the log of deliveries."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.events.models import webhook_deliveries, webhooks
from goldsmith.events.service import BATCH, Events, Wanted
from goldsmith.ids import Snowflakes
from goldsmith.store import Row, Tx, document, prepare

MOST = 50
"""Webhooks of a project."""
MOST_EXPIRED = 500

_w, _d = webhooks.c, webhook_deliveries.c
_INSERT = prepare(insert(webhooks))
_FIND = prepare(select(webhooks).where(_w.id == bindparam("id")))
_ENABLED = prepare(select(_w.id).where(_w.enabled == 1))
_COUNT = prepare(select(func.count()).select_from(webhooks).where(_w.project_id == bindparam("project")))
_REMOVE = prepare(delete(webhooks).where(_w.id == bindparam("of"), _w.project_id == bindparam("project")))
_MOVE = prepare(
    update(webhooks)
    .where(_w.id == bindparam("of"), _w.cursor == bindparam("old"))
    .values(cursor=bindparam("new"), attempts=0, next_at=0, failing_since=0, last_error="")
)
_SKIP = prepare(
    update(webhooks).where(_w.id == bindparam("of"), _w.cursor == bindparam("old")).values(cursor=bindparam("new"))
)
_FAIL = prepare(
    update(webhooks)
    .where(_w.id == bindparam("of"), _w.cursor == bindparam("old"))
    .values(
        cursor=bindparam("new"), attempts=_w.attempts + 1, next_at=bindparam("again"), failing_since=bindparam("since"),
        last_error=bindparam("because"),
    )
)  # fmt: skip
_LOG_AGAIN = prepare(
    update(webhook_deliveries)
    .where(_d.webhook_id == bindparam("webhook"), _d.event_id == bindparam("event"))
    .values(
        status=bindparam("to"), attempts=_d.attempts + bindparam("tries"), response_status=bindparam("answer"),
        error=bindparam("because"), last_time=bindparam("at"),
    )
)  # fmt: skip
_LOG = prepare(
    insert(webhook_deliveries).values({each.name: bindparam(each.name) for each in _d if each.name != "number"})
)
_LAST_LOGGED = prepare(select(func.max(_d.number)))
_OLD_LOG = prepare(
    select(_d.number).where((_d.number <= bindparam("until")) | (_d.last_time < bindparam("before"))).limit(BATCH)
)


class Webhooks:
    """The webhooks of all projects; every function runs inside the caller's transaction."""

    def __init__(self, events: Events, ids: Snowflakes) -> None:
        self._events, self._ids = events, ids
        self._changed: Callable[[], None] = lambda: None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` (from any thread) whenever webhooks have been changed in this process."""
        self._changed = changed

    def create(self, tx: Tx, project_id: str, *, url: str, sealed: str, description: str, wanted: dict[str, Any],
               enabled: bool) -> Row:  # fmt: skip
        """A new webhook, for everything that happens from now on. Raises Conflict when there are too many."""
        tx.lock(f"webhooks {project_id}")
        if tx.scalar(_COUNT, {"project": project_id}) >= MOST:
            raise errors.CONFLICT.error(f"A project may have at most {MOST} webhooks; delete one first.")
        webhook_id = self._ids.next()
        tx.run(
            _INSERT,
            {
                "id": webhook_id, "project_id": project_id, "url": url, "description": description, "secret": sealed,
                "filter": document(wanted), "enabled": int(enabled), "cursor": self._events.newest(tx), "attempts": 0,
                "next_at": 0, "failing_since": 0, "last_error": "", "create_time": tx.now, "update_time": tx.now,
            },
        )  # fmt: skip
        tx.after_commit(self._changed)
        return self.require(tx, project_id, webhook_id)

    def find(self, tx: Tx, webhook_id: str) -> Row | None:
        """The webhook, whatever its project."""
        return tx.row(_FIND, {"id": webhook_id})

    def require(self, tx: Tx, project_id: str, webhook_id: str) -> Row:
        """The webhook; raises NotFound."""
        row = self.find(tx, webhook_id)
        if row is None or row["project_id"] != project_id:
            raise errors.NOT_FOUND.error(f"The webhook '{webhook_id}' does not exist.")
        return row

    def page(self, tx: Tx, project_id: str, offset: int, limit: int) -> tuple[int, list[Row]]:
        """How many there are, and some of them, newest first."""
        query = select(webhooks).where(_w.project_id == project_id).order_by(_w.id.desc()).offset(offset).limit(limit)
        return tx.scalar(_COUNT, {"project": project_id}), list(tx.rows(query))

    def update(self, tx: Tx, project_id: str, webhook_id: str, changes: dict[str, Any]) -> Row:
        """Change columns; what waits for its next attempt is tried at once. Raises NotFound."""
        self.require(tx, project_id, webhook_id)
        tx.run(update(webhooks).where(_w.id == webhook_id).values(**changes, next_at=0, update_time=tx.now))
        tx.after_commit(self._changed)
        return self.require(tx, project_id, webhook_id)

    def remove(self, tx: Tx, project_id: str, webhook_id: str) -> None:
        """Remove it with its log; raises NotFound."""
        self.require(tx, project_id, webhook_id)
        tx.run(_REMOVE, {"of": webhook_id, "project": project_id})
        tx.after_commit(self._changed)

    def enabled(self, tx: Tx) -> list[str]:
        """The ids of all that are enabled."""
        return [row["id"] for row in tx.rows(_ENABLED)]

    # ---- deliveries

    def delivered(self, tx: Tx, webhook: Row, event: Row, status: int) -> None:
        """The receiver has taken the event."""
        if tx.run(_MOVE, {"of": webhook["id"], "old": webhook["cursor"], "new": event["sequence"]}):
            self.log(tx, webhook["id"], str(event["sequence"]), event["type"], "delivered", response=status)

    def failed(
        self, tx: Tx, webhook: Row, event: Row, *, status: int | None, error: str, pause_ms: int, give_up_ms: int
    ) -> None:
        """The event could not be delivered: try again after a pause.

        Once nothing has been taken for `give_up_ms`, events that are older than that are given up, this one first.
        """
        since, cutoff = webhook["failing_since"] or tx.now, tx.now - give_up_ms
        lost = list[Row]()
        if since <= cutoff and event["time"] <= cutoff:
            rows = self._events.after(tx, webhook["project_id"], webhook["cursor"], wanted_by(webhook), MOST_EXPIRED)
            lost = [row for row in rows if row["time"] <= cutoff]
        cursor = lost[-1]["sequence"] if lost else webhook["cursor"]
        if not tx.run(
            _FAIL,
            {"of": webhook["id"], "old": webhook["cursor"], "new": cursor, "again": tx.now + pause_ms, "since": since,
             "because": error},
        ):  # fmt: skip
            return
        outcome = "failed" if lost else "retrying"
        self.log(tx, webhook["id"], str(event["sequence"]), event["type"], outcome, response=status, error=error)
        for row in lost[1:]:
            self.log(tx, webhook["id"], str(row["sequence"]), row["type"], "failed", tries=0, error=error)

    def skip(self, tx: Tx, webhook: Row, sequence: int, *, is_gap: bool = False) -> None:
        """Nothing up to here is for this webhook; or, after a gap, it is not kept any more."""
        if tx.run(_SKIP, {"of": webhook["id"], "old": webhook["cursor"], "new": sequence}) and is_gap:
            text = f"Events after {webhook['cursor']}, up to {sequence}, are not kept any more."
            self.log(tx, webhook["id"], f"gap-{sequence}", "gap", "gap", tries=0, error=text)

    def log(
        self, tx: Tx, webhook_id: str, event_id: str, event_type: str, status: str, *, tries: int = 1,
        response: int | None = None, error: str = "",
    ) -> None:  # fmt: skip
        """Note an attempt in the log: one entry for each event."""
        again = {"webhook": webhook_id, "event": event_id, "to": status, "tries": tries, "answer": response,
                 "because": error, "at": tx.now}  # fmt: skip
        if not tx.run(_LOG_AGAIN, again):
            tx.run(
                _LOG,
                {"webhook_id": webhook_id, "event_id": event_id, "event_type": event_type, "status": status,
                 "attempts": tries, "response_status": response, "error": error, "first_time": tx.now,
                 "last_time": tx.now},
            )  # fmt: skip

    def deliveries(self, tx: Tx, webhook_id: str, offset: int, limit: int) -> tuple[int, list[Row]]:
        """How many entries the log has, and some of them, newest first."""
        mine = _d.webhook_id == webhook_id
        count = tx.scalar(select(func.count()).select_from(webhook_deliveries).where(mine))
        query = select(webhook_deliveries).where(mine).order_by(_d.number.desc()).offset(offset).limit(limit)
        return count, list(tx.rows(query))

    def prune_log(self, tx: Tx, *, keep_ms: int, keep_count: int) -> int:
        """Remove entries that are too old or too many, some at a time; how many were removed."""
        newest = tx.scalar(_LAST_LOGGED) or 0
        old = [row["number"] for row in tx.rows(_OLD_LOG, {"until": newest - keep_count, "before": tx.now - keep_ms})]
        return tx.run(delete(webhook_deliveries).where(_d.number.in_(old))) if old else 0


def wanted_by(webhook: Row) -> Wanted:
    """What the webhook wants to hear of."""
    found = json.loads(webhook["filter"])
    return Wanted(found.get("types") or (), found.get("resource_type") or "", found.get("resource_id") or "")


def new_secret() -> str:
    """A secret that nobody can guess."""
    return f"whsec-{secrets.token_urlsafe(32)}"
