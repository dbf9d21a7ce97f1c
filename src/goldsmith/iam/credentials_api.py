"""Access keys, permanent and temporary, and the end of tokens."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.http.operations import Access, Call, Resource, Surface, Touched, operation
from goldsmith.http.parameters import Header, Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Answer, Body, PathId
from goldsmith.iam import examples
from goldsmith.iam.permanent_keys import PermanentKeys
from goldsmith.iam.policies.document import PolicyProblem
from goldsmith.iam.service import Caller, Iam
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.temporary import LONGEST_POLICY, LONGEST_SECONDS, SHORTEST_SECONDS, narrowing
from goldsmith.iam.tokens import wire_time
from goldsmith.iam.touching import TouchesNamed
from goldsmith.iam.user_schemas import Description, Id
from goldsmith.iam.users_api import require_lasting
from goldsmith.store import Row

TAG = "IAM credentials"
ROOM = "/v3.0/OS-CREDENTIAL/credentials"
SUBJECT = "X-Subject-Token"
POLICY = "auth.identity.policy"
ACTIVE, INACTIVE = "active", "inactive"


class NewKey(Body):
    """Whose key is wanted."""

    user_id: Id
    description: Description = ""


class NewKeyRequest(Body):
    """Body of `POST /v3.0/OS-CREDENTIAL/credentials`."""

    credential: NewKey


class KeyChanges(Body):
    """What is to change."""

    status: Literal["active", "inactive"] | None = None
    description: Description | None = None


class KeyChangesRequest(Body):
    """Body of `PUT /v3.0/OS-CREDENTIAL/credentials/{access_key}`."""

    credential: KeyChanges


class Key(Answer):
    """A permanent access key; `secret` is there only when it has just been made."""

    access: str
    secret: str | None = Field(default=None, repr=False)
    status: str
    user_id: str
    description: str
    create_time: str


class KeyAnswer(Answer):
    """One key."""

    credential: Key


class KeyList(Answer):
    """The keys of a user, or of the account."""

    credentials: list[Key]


class TokenSource(Body):
    """How long the key shall last. `id` may name the token when it is not the caller's own credential."""

    id: Annotated[str | None, Field(min_length=1, max_length=4096, repr=False)] = None
    duration_seconds: Annotated[int, Field(ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)] = SHORTEST_SECONDS


class TokenIdentity(Body):
    """From what the key is made and what narrows it."""

    methods: Annotated[list[Literal["token"]], Field(min_length=1, max_length=1)]
    token: TokenSource = TokenSource()
    policy: dict[str, Any] | None = None


class TemporaryAuth(Body):
    """The identity."""

    identity: TokenIdentity


class TemporaryKeyRequest(Body):
    """Body of `POST /v3.0/OS-CREDENTIAL/securitytokens`."""

    auth: TemporaryAuth


class TemporaryKey(Answer):
    """A temporary key; `securitytoken` goes into the header X-Security-Token."""

    access: str
    secret: str = Field(repr=False)
    securitytoken: str = Field(repr=False)
    expires_at: str


class TemporaryKeyAnswer(Answer):
    """One temporary key."""

    credential: TemporaryKey


class CredentialsApi(TouchesNamed):
    """HTTP side of access keys."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam
        self._keys = PermanentKeys(iam)

    async def touched(self, call: Call, body: bytes) -> Touched:
        """The user whose key it is."""
        key = call.path.get("access_key")
        if key is None:
            return await super().touched(call, body)
        owner = await self._keys.owner_of(call.caller, key)
        return Touched((Resource("user", owner or ""),))

    @operation(
        "CreatePermanentAccessKey", "POST", ROOM, surface=EXTENSION, codes=CODES, tag=TAG, success=201,
        action="iam:credentials:createCredential", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT),
        example={"credential": {"user_id": "07667db96a00f265ee1c0020c7b44bbb", "description": "for the pipeline"}},
        answer=examples.NEW_KEY,
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: NewKeyRequest) -> KeyAnswer:
        """Make a permanent access key; this is the only time its secret is shown."""
        row, secret = await self._keys.add(call.caller, body.credential.user_id, body.credential.description)
        return KeyAnswer(credential=key_of(row, secret))

    @operation(
        "ListPermanentAccessKeys", "GET", ROOM, surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:credentials:listCredentials", access=Access.LIST, errors=(errors.NOT_FOUND,),
        answer=examples.KEYS,
    )  # fmt: skip
    async def list_keys(
        self, call: CurrentCall, user_id: Annotated[str | None, Query(min_length=1, max_length=64)] = None
    ) -> KeyList:
        """List the permanent access keys of a user; without one, those of the caller."""
        rows = await self._keys.list(call.caller, user_id or call.caller.user_id)
        return KeyList(credentials=[key_of(row) for row in rows])

    @operation(
        "ShowPermanentAccessKey", "GET", ROOM + "/{access_key}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:credentials:getCredential", resource_type="user", touches="touched", errors=(errors.NOT_FOUND,),
        answer=examples.KEY,
    )  # fmt: skip
    async def show(self, call: CurrentCall, access_key: PathId) -> KeyAnswer:
        """Show a permanent access key, without its secret."""
        return KeyAnswer(credential=key_of(await self._keys.find(call.caller, access_key)))

    @operation(
        "UpdatePermanentAccessKey", "PUT", ROOM + "/{access_key}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:credentials:updateCredential", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(errors.NOT_FOUND,), example={"credential": {"status": "inactive"}},
        answer=examples.KEY,
    )  # fmt: skip
    async def update(self, call: CurrentCall, access_key: PathId, body: KeyChangesRequest) -> KeyAnswer:
        """Disable or enable a permanent access key, or describe it anew."""
        changes: dict[str, Any] = body.credential.model_dump(exclude_none=True)
        if "status" in changes:
            changes["enabled"] = changes.pop("status") == ACTIVE
        return KeyAnswer(credential=key_of(await self._keys.change(call.caller, access_key, changes)))

    @operation(
        "DeletePermanentAccessKey", "DELETE", ROOM + "/{access_key}", surface=EXTENSION, codes=CODES, tag=TAG,
        success=204, action="iam:credentials:deleteCredential", access=Access.WRITE, resource_type="user",
        touches="touched", errors=(errors.NOT_FOUND,),
    )  # fmt: skip
    async def delete(self, call: CurrentCall, access_key: PathId) -> None:
        """Delete a permanent access key; the tokens of its user end with it."""
        await self._keys.remove(call.caller, access_key)

    @operation(
        "CreateTemporaryAccessKeyByToken", "POST", "/v3.0/OS-CREDENTIAL/securitytokens", surface=EXTENSION,
        codes=CODES, tag=TAG, success=201, access=Access.WRITE,
        example={"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}},
        answer=examples.TEMPORARY_KEY,
    )  # fmt: skip
    async def create_temporary(self, call: CurrentCall, body: TemporaryKeyRequest) -> TemporaryKeyAnswer:
        """Make a temporary access key for oneself, narrowed by a policy if one is given."""
        require_lasting(call.caller)
        identity = body.auth.identity
        user_id, domain_id, parent_id = await self._parent(call.caller, identity.token.id)
        policy = None if identity.policy is None else _checked(identity.policy)
        text, key = self._iam.temporary_keys.issue(
            user_id=user_id, domain_id=domain_id, parent_id=parent_id, seconds=identity.token.duration_seconds,
            policy=policy,
        )  # fmt: skip
        return TemporaryKeyAnswer(
            credential=TemporaryKey(
                access=key.access_key, secret=key.secret, securitytoken=text, expires_at=wire_time(key.expires_at)
            )
        )

    async def _parent(self, caller: Caller, token: str | None) -> tuple[str, str, str]:
        """User, account and token the key is made from; for a caller with a permanent key, no token."""
        if token is None:
            return caller.user_id, caller.domain_id, caller.token.id if caller.token is not None else uuid4().hex
        person, claims = await self._iam.holder_of(token)
        return person.user_id, person.domain_id, claims.id

    @operation(
        "KeystoneRevokeToken", "DELETE", "/v3/auth/tokens", surface=Surface.IAM, tag=TAG, success=204,
        access=Access.WRITE, errors=(errors.NOT_FOUND,),
    )  # fmt: skip
    async def revoke_token(
        self, call: CurrentCall, subject: Annotated[str, Header(alias=SUBJECT, max_length=4096)]
    ) -> None:
        """End a token and the temporary keys made from it: the caller's own, or for the root user any."""
        require_lasting(call.caller)
        try:
            person, token = await self._iam.holder_of(subject)
        except errors.ServiceError as error:
            raise errors.NOT_FOUND.error(f"{SUBJECT} is invalid in the request") from error
        is_own = person.user_id == call.caller.user_id
        if not is_own and not (call.caller.is_root and person.domain_id == call.caller.domain_id):
            raise errors.NOT_FOUND.error(f"{SUBJECT} is invalid in the request")
        await self._iam.revoke_token(token)


def key_of(row: Row, secret: str | None = None) -> Key:
    """A row of `models.access_keys` as it is shown."""
    return Key(
        access=row["access_key"],
        secret=secret,
        status=ACTIVE if row["enabled"] else INACTIVE,
        user_id=row["user_id"],
        description=row["description"],
        create_time=wire_time(row["created_at"]),
    )


def _checked(policy: dict[str, Any]) -> str:
    """The narrowing policy as JSON text; raises `errors.INVALID` with the place of a fault."""
    try:
        text = json.dumps(policy, ensure_ascii=False, separators=(",", ":"))
        if len(text) > LONGEST_POLICY:
            raise PolicyProblem("", f"A policy that narrows a temporary key may have {LONGEST_POLICY} characters.")
        narrowing(text)
    except PolicyProblem as fault:
        place = f"{POLICY}.{fault.place}" if fault.place else POLICY
        raise errors.refusal([Problem(place, None, "policy", fault.message)]) from None
    return text
