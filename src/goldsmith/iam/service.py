"""Who calls and what they may do: the `Gate` that the routes ask before anything else happens.

Order of the answers: 401 when we do not know the caller, 403 when the project is not theirs, 403 when the
action is not allowed. Nothing an unknown caller is told depends on what exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import delete, insert

from goldsmith import errors
from goldsmith.iam.directory import Directory, KeyHolder, Person, Project
from goldsmith.iam.models import revocations
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.iam.signature import is_signature, parse_authorization, refused, verify
from goldsmith.iam.tokens import LIFE_MS, Token, Tokens
from goldsmith.store import Store, Tx


class CredentialKind(StrEnum):
    """How a caller proved who it is."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    ACCESS_KEY = "access_key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    `project_id` is the scope of the token; for an access key, which is good for every project of its account,
    the project named in `X-Project-Id` (checked to be one of them), or None. `credential_id` is the id of the
    token or the access key itself. `token` are the claims when there is one.
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


class Action(Protocol):
    """What the decision needs to know of an operation; `http.Operation` fits."""

    @property
    def action(self) -> str | None: ...
    @property
    def is_in_project(self) -> bool: ...


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
        self.directory = Directory(store, box)
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
        if _header(headers, b"x-security-token") is not None:
            raise refused("temporary access keys (X-Security-Token) are not supported; use a permanent one.")
        claimed = parse_authorization(authorization)
        holder = await self.directory.key(claimed.access_key)
        verify(
            claimed, holder if isinstance(holder, str) else holder.secret, method=method, raw_path=raw_path,
            query_string=query_string, headers=headers, body=body, now=self._clock(),
        )  # fmt: skip
        if isinstance(holder, str):
            raise refused("verify aksk signature fail")
        return await self._caller_of_key(holder, _header(headers, b"x-project-id"))

    async def holder_of(self, text: str) -> tuple[Person, Token]:
        """Claims and user of a token text that is good now; raises `errors.UNAUTHENTICATED`."""
        token = self.tokens.read(text, self.now_ms())
        person = await self.directory.person(token.user_id)
        if person is None or not person.enabled or await self.directory.is_revoked(token):
            raise refused("the token is no longer valid; get a new one.")
        return person, token

    async def _caller_of_key(self, holder: KeyHolder, project_id: str | None) -> Caller:
        person = holder.person
        if not holder.enabled or not person.enabled:
            raise refused("the access key or its user is disabled.")
        caller = Caller(
            person.user_id, person.user_name, person.domain_id, person.domain_name, None, person.is_root,
            CredentialKind.ACCESS_KEY, holder.access_key,
        )  # fmt: skip
        if not project_id:
            return caller
        await self.require_project(caller, project_id)
        return replace(caller, project_id=project_id)

    async def authorise(self, caller: Caller, operation: Action, project_id: str | None) -> None:
        """Let the call pass, or raise `errors.FOREIGN_PROJECT` or `errors.FORBIDDEN`."""
        if operation.is_in_project:
            await self.require_project(caller, project_id or "")
        self.decide(caller, operation)

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

    async def home_project(self, caller: Caller) -> Project:
        """The project of a call whose path names none (IMS v2 and the like).

        That of the token, that named in `X-Project-Id`, else the default project of the account. Raises
        `errors.FOREIGN_PROJECT`.
        """
        if caller.token is not None or caller.project_id is not None:
            return await self.require_project(caller, caller.project_id or "")
        project = await self.directory.project_named(self.region, caller.domain_id)
        if project is None or not project.enabled:
            raise errors.FOREIGN_PROJECT.error("Name the project in the header X-Project-Id.")
        return project

    def decide(self, caller: Caller, operation: Action) -> None:
        """Raise `errors.FORBIDDEN` unless the caller may perform the operation's action.

        The root user may do everything in its account; others nothing that needs a permission, until there
        are policies.
        """
        if operation.action is None or caller.is_root:
            return
        raise errors.FORBIDDEN.error(
            f"User {caller.user_name} is not allowed to perform {operation.action}; ask an administrator."
        )

    async def revoke_token(self, token: Token) -> None:
        """End one token; durable and in force here when this returns, elsewhere within a second."""
        await self._revoke("token", token.id, token.issued_at, token.expires_at)

    async def revoke_tokens_of(self, user_id: str) -> None:
        """End every token the user got until now, as after a change of password or keys."""
        now = self.now_ms()
        await self._revoke("user", user_id, now, now + LIFE_MS)

    async def _revoke(self, kind: str, subject: str, not_before: int, expires_at: int) -> None:
        values = {"kind": kind, "subject": subject, "not_before": not_before, "expires_at": expires_at}
        now = self.now_ms()

        def work(tx: Tx) -> None:
            tx.run(delete(revocations).where(revocations.c.expires_at <= now))
            same = (revocations.c.kind == kind) & (revocations.c.subject == subject)
            tx.run(delete(revocations).where(same))
            tx.run(insert(revocations).values(values))
            tx.after_commit(self.directory.forget)

        await self.store.write(work)


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
