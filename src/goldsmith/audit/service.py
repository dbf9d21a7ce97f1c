"""The trail that requests leave, and whom a request claims to come from when its credentials prove nothing.

A claimed name or key is kept only when there is such a user or key: people type passwords into name fields, and
secret keys where the access key belongs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goldsmith import errors
from goldsmith.audit.chain import append
from goldsmith.errors import ServiceError
from goldsmith.iam.directory import Person
from goldsmith.iam.service import CredentialKind, Iam
from goldsmith.iam.signature import is_signature, parse_authorization
from goldsmith.store import Again, Store, Tx

if TYPE_CHECKING:
    from goldsmith.http.auditing import Entry

log = logging.getLogger(__name__)
LONGEST = 255


class AuditTrail:
    """Writes entries; see `http.auditing.Trail`."""

    def __init__(self, store: Store, iam: Iam) -> None:
        self._store, self._iam = store, iam

    def append(self, tx: Tx, entry: Entry) -> None:
        """Add the entry within a transaction; raises `errors.UNAVAILABLE` when that is impossible."""
        try:
            append(tx, entry)
        except Again:
            raise
        except Exception as error:  # whatever the reason: what cannot be audited is not done
            log.exception("request %s: the audit trail cannot be written", entry.request_id)
            raise errors.UNAVAILABLE.error(
                "The audit trail cannot be written, so nothing is done.", headers={"Retry-After": "5"}
            ) from error

    async def record(self, entry: Entry) -> None:
        """Add the entry in a transaction of its own; durable when this returns."""
        await self._store.write(lambda tx: self.append(tx, entry))

    async def name_suspect(
        self, entry: Entry, headers: Sequence[tuple[bytes, bytes]], login: Mapping[str, Any] | None
    ) -> None:
        """Note whom unproven credentials, or the body of a login, claim to be; only if they exist."""
        if login is not None:
            person = await self._person_in(login)
            if person is not None:
                _name(entry, person)
            return
        token_text = _sent_token(headers)
        if token_text:
            await self._name_late_holder(entry, token_text)
            return
        access_key = _claimed_key(headers)
        holder = await self._iam.directory.key(access_key) if access_key else ""
        if not isinstance(holder, str):
            _name(entry, holder.person)
            entry.credential_kind, entry.credential_id = CredentialKind.ACCESS_KEY.value, holder.access_key

    async def _name_late_holder(self, entry: Entry, token_text: str) -> None:
        """Note whose a token is that was ours and is over: it proves who got it."""
        try:
            token = self._iam.tokens.open(token_text)
        except ServiceError:
            return
        entry.credential_kind, entry.credential_id = CredentialKind.TOKEN.value, token.id
        entry.user_id, entry.domain_id = token.user_id, token.domain_id
        person = await self._iam.directory.person(token.user_id)
        if person is not None:
            _name(entry, person)

    async def name_holder(self, entry: Entry, token_text: str) -> None:
        """Note who got this new token, and the token's id."""
        person, token = await self._iam.holder_of(token_text)
        _name(entry, person)
        entry.credential_kind, entry.credential_id = CredentialKind.TOKEN.value, token.id

    async def _person_in(self, login: Mapping[str, Any]) -> Person | None:
        """The user that `auth.identity.password.user` names."""
        user = _inner(login, "auth", "identity", "password", "user")
        user_id, name = _text(user, "id"), _text(user, "name")
        if user_id is not None:
            return await self._iam.directory.person(user_id)
        domain = _inner(user, "domain")
        if name is None:
            return None
        return await self._iam.directory.person_named(name, _text(domain, "id"), _text(domain, "name"))


def _name(entry: Entry, person: Person) -> None:
    entry.user_id, entry.user_name = person.user_id, person.user_name
    entry.domain_id, entry.domain_name = person.domain_id, person.domain_name


def _claimed_key(headers: Sequence[tuple[bytes, bytes]]) -> str:
    values = [value.decode("latin-1").strip() for name, value in headers if name.lower() == b"authorization"]
    if len(values) != 1 or not is_signature(values[0]):
        return ""
    try:
        return parse_authorization(values[0]).access_key
    except ServiceError:
        return ""


def _sent_token(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The token that would decide: none where a signature is sent as well."""
    sent = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    return "" if is_signature(sent.get(b"authorization", "")) else sent.get(b"x-auth-token", "")


def _inner(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = value.get(name)
        value = found if isinstance(found, dict) else {}
    return value


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and len(found) <= LONGEST and found.isprintable() else None
