"""Tokens: Fernet boxes that carry their own claims (decision 10).

Nothing is stored when a token is made. What ends one early is a row in `iam_revocations`: for that token,
or for every token a user got up to some moment. Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from cryptography.fernet import InvalidToken, MultiFernet

from goldsmith.iam.keys import KeyFileProblem, read_key_file
from goldsmith.iam.signature import refused

log = logging.getLogger(__name__)

FILE_NAME = "token.keys"
LIFE_MS = 24 * 3600 * 1000
LOGIN, SECURITY = b"\x01", b"\x02"
"""First byte inside the box: what it is. A security token of a temporary key is no good as a token."""
REMEMBERED = 4096
"""Good tokens that are not decrypted again; whether they are over or revoked is looked at every time."""
LONGEST = 4096
"""No token of ours is near this length; longer ones are refused before any cryptography."""


@dataclass(frozen=True, slots=True)
class Token:
    """The claims of a token. `project_id` is None when it is good for the account, not for a project."""

    id: str
    user_id: str
    domain_id: str
    project_id: str | None
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int

    @property
    def expires_text(self) -> str:
        """`expires_at` as it stands on the wire."""
        return wire_time(self.expires_at)

    @property
    def issued_text(self) -> str:
        """`issued_at` as it stands on the wire."""
        return wire_time(self.issued_at)


def wire_time(milliseconds: int) -> str:
    """ISO 8601 with six fraction digits and `Z` (contract: authentication, section 2)."""
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}000Z"


@lru_cache(maxsize=1024)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Tokens:
    """Makes and reads token texts with the keys of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fernet: MultiFernet = read_key_file(path)
        self._seen = _mark(path)
        self._opened: OrderedDict[str, Token] = OrderedDict()

    def mint(
        self,
        *,
        user_id: str,
        domain_id: str,
        project_id: str | None,
        methods: Sequence[str],
        now: int,
        expires_at: int | None = None,
    ) -> tuple[str, Token]:
        """A new token and its text, safe in a header. It lives 24 hours unless `expires_at` says less."""
        latest = now + LIFE_MS
        end = latest if expires_at is None else min(latest, expires_at)
        token = Token(uuid4().hex, user_id, domain_id, project_id, tuple(methods), now, end)
        claims = [user_id, domain_id, project_id, token.methods, now, end, token.id]
        return self.seal(LOGIN, json.dumps(claims, separators=(",", ":"))), token

    def seal(self, kind: bytes, claims: str) -> str:
        """A box that only `unseal` with the same kind opens; safe in a header."""
        self._reload_if_changed()
        return self._fernet.encrypt(kind + claims.encode()).decode()

    def unseal(self, kind: bytes, text: str, longest: int) -> str:
        """The claims again; raises `errors.UNAUTHENTICATED` when the box is not one of ours of this kind."""
        if len(text) > longest or not text.isascii():
            raise refused("decrypt token fail")
        payload = self._decrypt(text)
        if payload is None and self._reload_if_changed():
            payload = self._decrypt(text)
        if payload is None or payload[:1] != kind:
            raise refused("decrypt token fail")
        return payload[1:].decode()

    def read(self, text: str, now: int) -> Token:
        """The token behind `text`; raises `errors.UNAUTHENTICATED` when it is not ours or is over."""
        token = self._opened.get(text)
        if token is None:
            token = self._opened[text] = self.open(text)
            if len(self._opened) > REMEMBERED:
                self._opened.popitem(last=False)
        if token.expires_at <= now:
            raise refused(f"token expires, expires_at: {token.expires_text}")
        return token

    def open(self, text: str) -> Token:
        """The same, whether it is over or not."""
        claims = json.loads(self.unseal(LOGIN, text, LONGEST))
        user_id, domain_id, project_id, methods, issued_at, expires_at, token_id = claims
        return Token(token_id, user_id, domain_id, project_id, tuple(methods), issued_at, expires_at)

    def _decrypt(self, text: str) -> bytes | None:
        try:
            return self._fernet.decrypt(text)
        except InvalidToken:
            return None

    def _reload_if_changed(self) -> bool:
        """Take up the keys when another process has rotated them; a file that went bad changes nothing."""
        try:
            mark = _mark(self._path)
            if mark == self._seen:
                return False
            self._fernet, self._seen = read_key_file(self._path), mark
            self._opened.clear()
        except (OSError, KeyFileProblem):
            log.exception("going on with the token keys read before")
            return False
        return True


def _mark(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns
