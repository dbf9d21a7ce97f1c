"""Permanent access keys: at most two a user; the secret is shown once, when the key is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.iam import existing
from goldsmith.iam.ending import end_tokens_of
from goldsmith.iam.models import access_keys, users
from goldsmith.iam.service import Caller, Iam
from goldsmith.iam.setup import new_access_key, new_secret_key
from goldsmith.iam.users import require_right
from goldsmith.store import Row, Tx, prepare

MOST = 2
_COUNT = prepare(select(func.count()).select_from(access_keys).where(access_keys.c.user_id == bindparam("of")))
_OWNER = prepare(
    select(users.c.id)
    .join(access_keys, access_keys.c.user_id == users.c.id)
    .where(access_keys.c.access_key == bindparam("of"), users.c.domain_id == bindparam("domain"))
)
_ADD = prepare(insert(access_keys))
_REMOVE = prepare(delete(access_keys).where(access_keys.c.access_key == bindparam("of")))


class PermanentKeys:
    """The access keys of the users of the caller's account."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def add(self, caller: Caller, user_id: str, description: str) -> tuple[Row, str]:
        """A new key and its secret. Raises `errors.NOT_FOUND`, and `errors.CONFLICT` when the user has two."""
        key, secret = new_access_key(), new_secret_key()
        sealed = self._iam.box.seal(secret)

        def work(tx: Tx) -> Row:
            require_right(caller, existing.user(tx, caller.domain_id, user_id, field="credential.user_id"))
            if tx.scalar(_COUNT, {"of": user_id}) >= MOST:
                message = f"The user has {MOST} access keys already; delete one first."
                raise errors.refusal([Problem("credential.user_id", user_id, "max_items", message, conflict=True)])
            values = {
                "access_key": key, "user_id": user_id, "sealed_secret": sealed, "description": description,
                "enabled": 1, "created_at": tx.now,
            }  # fmt: skip
            tx.run(_ADD, values)
            return existing.access_key(tx, caller.domain_id, key)

        return await self._iam.change(work), secret

    async def list(self, caller: Caller, user_id: str | None) -> Sequence[Row]:
        """The keys of one user (`errors.NOT_FOUND`), or of the whole account, oldest first."""
        query = select(access_keys).join(users, users.c.id == access_keys.c.user_id)
        query = query.where(users.c.domain_id == caller.domain_id)
        if user_id is not None:
            query = query.where(users.c.id == user_id)

        def work(tx: Tx) -> Sequence[Row]:
            if user_id is not None:
                existing.user(tx, caller.domain_id, user_id)
            return tx.rows(query.order_by(access_keys.c.created_at, access_keys.c.access_key))

        return await self._iam.store.read(work)

    async def find(self, caller: Caller, key: str) -> Row:
        """One key; raises `errors.NOT_FOUND`."""
        return await self._iam.store.read(lambda tx: existing.access_key(tx, caller.domain_id, key))

    async def owner_of(self, caller: Caller, key: str) -> str | None:
        """Id of the user whose key it is; None when the account has no such key."""
        where = {"of": key, "domain": caller.domain_id}
        owner: str | None = await self._iam.store.read(lambda tx: tx.scalar(_OWNER, where))
        return owner

    async def change(self, caller: Caller, key: str, changes: Mapping[str, Any]) -> Row:
        """Set `enabled` or `description`; a key that is disabled ends its user's tokens."""
        now = self._iam.now_ms()
        values = {name: int(value) if isinstance(value, bool) else value for name, value in changes.items()}

        def work(tx: Tx) -> Row:
            row = self._of_right(tx, caller, key)
            if values:
                tx.run(update(access_keys).where(access_keys.c.access_key == key).values(values))
            if values.get("enabled") == 0:
                end_tokens_of(tx, [row["user_id"]], now)
            return existing.access_key(tx, caller.domain_id, key)

        return await self._iam.change(work)

    async def remove(self, caller: Caller, key: str) -> None:
        """Delete a key, which ends its user's tokens; raises `errors.NOT_FOUND`."""
        now = self._iam.now_ms()

        def work(tx: Tx) -> None:
            row = self._of_right(tx, caller, key)
            tx.run(_REMOVE, {"of": key})
            end_tokens_of(tx, [row["user_id"]], now)

        await self._iam.change(work)

    def _of_right(self, tx: Tx, caller: Caller, key: str) -> Row:
        row = existing.access_key(tx, caller.domain_id, key)
        require_right(caller, existing.user(tx, caller.domain_id, row["user_id"]))
        return row
