"""Ending tokens and temporary keys before their time, inside the transaction that gives the reason."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, insert, select

from goldsmith.iam.models import members, revocations
from goldsmith.iam.tokens import LIFE_MS
from goldsmith.store import Tx, prepare

_OVER = prepare(delete(revocations).where(revocations.c.expires_at <= bindparam("now")))
_SAME = prepare(
    delete(revocations).where(revocations.c.kind == bindparam("of_kind"), revocations.c.subject == bindparam("of"))
)
_ADD = prepare(insert(revocations))
_MEMBERS = prepare(select(members.c.user_id).where(members.c.group_id == bindparam("group")))


def end(tx: Tx, kind: str, subject: str, *, not_before: int, expires_at: int, now: int) -> None:
    """End what was issued to the subject until `not_before`; see `models.revocations`."""
    tx.run(_OVER, {"now": now})
    tx.run(_SAME, {"of_kind": kind, "of": subject})
    tx.run(_ADD, {"kind": kind, "subject": subject, "not_before": not_before, "expires_at": expires_at})


def end_tokens_of(tx: Tx, user_ids: Iterable[str], now: int) -> None:
    """End every token and temporary key these users got until now."""
    for user_id in user_ids:
        end(tx, "user", user_id, not_before=now, expires_at=now + LIFE_MS, now=now)


def end_tokens_of_subject(tx: Tx, subject_kind: str, subject_id: str, now: int) -> None:
    """The same for a user, or for all members of a group: what they may do has changed."""
    end_tokens_of(tx, users_behind(tx, subject_kind, subject_id), now)


def users_behind(tx: Tx, subject_kind: str, subject_id: str) -> list[str]:
    """The user itself, or the members of the group."""
    if subject_kind == "user":
        return [subject_id]
    return [row["user_id"] for row in tx.rows(_MEMBERS, {"group": subject_id})]
