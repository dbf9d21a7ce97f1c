"""Temporary access keys: a key, its secret, and a security token that carries both, sealed (decision 10).

Nothing is stored. The security token says whose the key is, until when it is good and which policy narrows it. It
ends early like a token: with its user, and with the token it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from goldsmith.iam.policies.evaluate import Grant, PolicySet, compile
from goldsmith.iam.policies.grammar import parse
from goldsmith.iam.setup import new_access_key, new_secret_key
from goldsmith.iam.signature import refused
from goldsmith.iam.tokens import SECURITY, Tokens, wire_time

SHORTEST_SECONDS, LONGEST_SECONDS = 900, 86_400
LONGEST_POLICY = 4096
"""Longest narrowing policy, in characters of compact JSON: it travels in a header of every request."""
LONGEST_TOKEN = 24_576
REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """What a security token says. `parent_id` is the token it was made from, or an id of its own."""

    access_key: str
    secret: str = field(repr=False)
    user_id: str
    domain_id: str
    parent_id: str
    issued_at: int
    expires_at: int
    session_policy: PolicySet | None


def narrowing(document: str) -> PolicySet:
    """The narrowing policy ready to decide; raises `PolicyProblem`."""
    return compile([Grant(parse(document), "session", "the session policy")])


class TemporaryKeys:
    """Makes and reads security tokens with the keys of the tokens."""

    def __init__(self, tokens: Tokens, clock: Callable[[], int]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._read: dict[str, TemporaryKey] = {}

    def issue(
        self, *, user_id: str, domain_id: str, parent_id: str, seconds: int, policy: str | None
    ) -> tuple[str, TemporaryKey]:
        """A new key and its security token. `policy` is a document that `narrowing` accepts."""
        now = self._clock()
        key = TemporaryKey(
            new_access_key(), new_secret_key(), user_id, domain_id, parent_id, now, now + seconds * 1000,
            None if policy is None else narrowing(policy),
        )  # fmt: skip
        claims = [
            key.access_key, key.secret, key.user_id, key.domain_id, key.parent_id, key.issued_at, key.expires_at, policy
        ]  # fmt: skip
        return self._tokens.seal(SECURITY, json.dumps(claims, separators=(",", ":"))), key

    def read(self, text: str) -> TemporaryKey:
        """The key behind a security token; raises `errors.UNAUTHENTICATED` when it is not ours or is over."""
        key = self._read.get(text)
        if key is None:
            key = self._open(text)
            while len(self._read) >= REMEMBERED:
                self._read.pop(next(iter(self._read)))
            self._read[text] = key
        if key.expires_at <= self._clock():
            raise refused(f"token expires, expires_at: {wire_time(key.expires_at)}")
        return key

    def _open(self, text: str) -> TemporaryKey:
        claims = json.loads(self._tokens.unseal(SECURITY, text, LONGEST_TOKEN))
        access_key, secret, user_id, domain_id, parent_id, issued_at, expires_at, policy = claims
        return TemporaryKey(
            access_key, secret, user_id, domain_id, parent_id, issued_at, expires_at,
            None if policy is None else narrowing(policy),
        )  # fmt: skip
