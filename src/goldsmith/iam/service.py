"""Who calls and what they may do: the `Gate` that the routes ask before anything else happens.

Order of the answers: 401 when we do not know the caller, 403 when the project is not theirs, 403 when the
action is not allowed. Nothing an unknown caller is told depends on what exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from goldsmith import errors
from goldsmith.iam.directory import Directory, Person, Project
from goldsmith.iam.ending import end, end_tokens_of
from goldsmith.iam.grants import Grants
from goldsmith.iam.lockout import Lockout
from goldsmith.iam.policies.evaluate import Grant, PolicySet
from goldsmith.iam.revision import Revision, bump
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.iam.signature import is_genuine, is_signature, parse_authorization, refused
from goldsmith.iam.temporary import TemporaryKey, TemporaryKeys
from goldsmith.iam.tokens import LIFE_MS, Token, Tokens
from goldsmith.store import Store, Tx

T = TypeVar("T")


class CredentialKind(StrEnum):
    """How a caller proved who it is."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    ACCESS_KEY = "access_key"
    TEMPORARY_KEY = "temporary_key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    `project_id` is the scope of the token; for an access key, which is good for every project of its account,
    the project named in `X-Project-Id` (checked to be one of them), or None. `credential_id` is the id of the
    token or the access key itself. `token` are the claims when there is one. `session_policy` narrows what a
    temporary key may do, even one of the root user.
    """

    user_id: str
    user_name: str
    domain_id: str
    domain_name: str
    project_id: str | None
    is_root: bool
    credential_kind: CredentialKind
    credential_id: str
    token: Token | None = None
    session_policy: PolicySet | None = None


def now_utc() -> datetime:
    """The clock used unless another is handed in."""
    return datetime.now(UTC)


class Iam:
    """Authenticates callers, decides what they may do, ends tokens.

    `region` is the name of the default project.
    """

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        box: SecretBox,
        passwords: Passwords | None = None,
        *,
        region: str = "local-1",
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.store = store
        self.tokens = tokens
        self.passwords = passwords or Passwords()
        self.region = region
        self.box = box
        self.directory = Directory(store, box)
        self.revision = Revision(store)
        self.grants = Grants(store, self.revision)
        self.temporary_keys = TemporaryKeys(tokens, self.now_ms)
        self.key_failures = Lockout(self.now_ms)
        self.password_failures = Lockout(self.now_ms)
        self._clock = clock

    def now_ms(self) -> int:
        """Milliseconds since 1970 by our own clock."""
        return int(self._clock().timestamp() * 1000)

    async def authenticate(
        self,
        *,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source_ip: str = "",
    ) -> Caller:
        """The caller behind the credentials; raises `errors.UNAUTHENTICATED`.

        A signature decides, even when a token is sent as well (contract: authentication, section 1). An
        access key may name its project in `X-Project-Id`, which some clients do not sign; another account's
        project raises `errors.FOREIGN_PROJECT`.
        """
        authorization = _header(headers, b"authorization")
        if authorization is None or not is_signature(authorization):
            text = _header(headers, b"x-auth-token")
            if not text:
                raise refused("x-auth-token not found")
            return _caller_of_token(*await self.holder_of(text))
        claimed = parse_authorization(authorization)
        access_key = claimed.access_key
        if self.key_failures.is_locked(access_key, source_ip):
            raise refused("AK access failed to reach the limit,forbidden")
        holder = await self._holder(access_key, _header(headers, b"x-security-token"))
        if not is_genuine(
            claimed, holder if isinstance(holder, str) else holder.secret, method=method, raw_path=raw_path,
            query_string=query_string, headers=headers, body=body, now=self._clock(),
        ) or isinstance(holder, str):  # fmt: skip
            self.key_failures.failed(access_key, source_ip, exists=not isinstance(holder, str))
            raise refused("verify aksk signature fail")
        self.key_failures.succeeded(access_key, source_ip)
        return await self._caller_of_key(holder, _header(headers, b"x-project-id"))

    async def _holder(self, access_key: str, security_token: str | None) -> _Holder | str:
        """Who holds the key; for a key that is unknown or not the security token's, a secret that fits nothing."""
        if security_token is None:
            found = await self.directory.key(access_key)
            if isinstance(found, str):
                return found
            return _Holder(access_key, found.secret, found.person, found.enabled, CredentialKind.ACCESS_KEY)
        key = self.temporary_keys.read(security_token)
        person = await self.directory.person(key.user_id)
        if key.access_key != access_key or person is None:
            return self.directory.decoy()
        kind, enabled = CredentialKind.TEMPORARY_KEY, not await self._is_ended(key)
        return _Holder(access_key, key.secret, person, enabled, kind, key.session_policy)

    async def _is_ended(self, key: TemporaryKey) -> bool:
        return await self.directory.is_ended(key.parent_id, key.user_id, key.issued_at)

    async def holder_of(self, text: str) -> tuple[Person, Token]:
        """Claims and user of a token text that is good now; raises `errors.UNAUTHENTICATED`."""
        token = self.tokens.read(text, self.now_ms())
        person = await self.directory.person(token.user_id)
        is_ended = await self.directory.is_ended(token.id, token.user_id, token.issued_at)
        if is_ended or person is None or not person.enabled:
            raise refused("the token is no longer valid; get a new one.")
        return person, token

    async def _caller_of_key(self, holder: _Holder, project_id: str | None) -> Caller:
        person = holder.person
        if not holder.enabled and holder.kind is CredentialKind.TEMPORARY_KEY:
            raise refused("the temporary access key is no longer valid; get a new one.")
        if not holder.enabled or not person.enabled:
            raise refused("the access key or its user is disabled.")
        caller = Caller(
            person.user_id, person.user_name, person.domain_id, person.domain_name, None, person.is_root,
            holder.kind, holder.access_key, session_policy=holder.session_policy,
        )  # fmt: skip
        if not project_id:
            return caller
        await self.require_project(caller, project_id)
        return replace(caller, project_id=project_id)

    async def grants_of(self, user_id: str) -> tuple[Grant, ...]:
        """Everything the user is granted, groups included; the same tuple while nothing changes."""
        return await self.grants.of(user_id)

    async def policies_of(self, user_id: str) -> PolicySet:
        """The user's grants, ready to decide; the same object while nothing changes."""
        return await self.grants.policies_of(user_id)

    async def change(self, work: Callable[[Tx], T]) -> T:
        """Run a write that changes accounts, users, groups, policies or grants.

        Durable and in force here when this returns, in every other process within a second.
        """

        def whole(tx: Tx) -> T:
            tx.lock("iam")
            result = work(tx)
            bump(tx)
            tx.after_commit(self.forget)
            return result

        return await self.store.write(whole)

    def forget(self) -> None:
        """Look everything up again."""
        self.directory.forget()
        self.revision.forget()

    async def require_project(self, caller: Caller, project_id: str) -> Project:
        """The project, when this credential is good for it; raises `errors.FOREIGN_PROJECT`.

        An unknown project and another account's look the same. A token is good for its own project only.
        """
        token = caller.token
        if token is not None and token.project_id is None:
            raise errors.FOREIGN_PROJECT.error(
                "The token is scoped to the account; get one scoped to the project of the path."
            )
        if token is not None and token.project_id != project_id:
            raise errors.FOREIGN_PROJECT.error("The token is scoped to another project than that of the path.")
        project = await self.directory.project(project_id)
        if project is None or project.domain_id != caller.domain_id or not project.enabled:
            raise errors.FOREIGN_PROJECT.error()
        return project

    async def revoke_token(self, token: Token) -> None:
        """End one token and the temporary keys made from it; in force here now, elsewhere within a second."""
        now = self.now_ms()
        latest = max(now, token.issued_at)
        await self.change(
            lambda tx: end(tx, "token", token.id, not_before=latest, expires_at=latest + LIFE_MS, now=now)
        )

    async def revoke_tokens_of(self, user_id: str) -> None:
        """End every token and temporary key the user got until now."""
        now = self.now_ms()
        await self.change(lambda tx: end_tokens_of(tx, [user_id], now))


@dataclass(frozen=True, slots=True)
class _Holder:
    """An access key of either kind and who holds it."""

    access_key: str
    secret: str
    person: Person
    enabled: bool
    kind: CredentialKind
    session_policy: PolicySet | None = None


def _caller_of_token(person: Person, token: Token) -> Caller:
    return Caller(
        person.user_id, person.user_name, person.domain_id, person.domain_name, token.project_id,
        person.is_root, CredentialKind.TOKEN, token.id, token,
    )  # fmt: skip


def _header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str | None:
    values = [value for key, value in headers if key.lower() == name]
    if len(values) > 1:
        raise refused(f"the header {name.decode()} must be sent once only.")
    return values[0].decode("latin-1").strip() if values else None
