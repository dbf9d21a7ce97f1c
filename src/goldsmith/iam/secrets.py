"""Secrets at rest: encrypted where they must be read again, hashed where they are only recognised."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import InvalidToken, MultiFernet

from goldsmith import errors
from goldsmith.iam.keys import KeyFileProblem, fernet_of, read_key_file

FILE_NAME = "secrets.key"
VARIABLE = "GOLDSMITH_SECRETS_KEY"
WAITING = 64
"""Password checks that may wait; each takes 64 MiB and a CPU for a tenth of a second."""


class SecretBox:
    """Encrypts secret keys and account passwords before they reach the database."""

    def __init__(self, fernet: MultiFernet) -> None:
        self._fernet = fernet

    @classmethod
    def load(cls, path: Path) -> SecretBox:
        """With the keys of the environment variable GOLDSMITH_SECRETS_KEY, else of the file.

        Raises `KeyFileProblem`.
        """
        given = os.environ.get(VARIABLE)
        return cls(fernet_of(given, VARIABLE) if given else read_key_file(path))

    def seal(self, secret: str) -> str:
        """The encrypted text for the database."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again; raises `KeyFileProblem` when the key is not the one it was sealed with."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise KeyFileProblem(
                f"A stored secret cannot be decrypted: {FILE_NAME} (or {VARIABLE}) is not its key."
            ) from None


class Passwords:
    """argon2 hashes, computed off the event loop, a few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None, at_once: int | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(at_once or min(4, os.cpu_count() or 1))
        self._waiting = 0
        self._dummy = _nobodys_hash(self._hasher)

    def hash(self, password: str) -> str:
        """The hash for the database; blocks for a tenth of a second."""
        return self._hasher.hash(password)

    async def verify(self, hashed: str | None, password: str, allowed: Callable[[], None] = lambda: None) -> bool:
        """Whether the password is right; without a hash (no such user) the same work is done, to answer no.

        `allowed` is called when it is this check's turn and may raise: what was fine when many checks were asked
        for at once need not be any more. Raises `errors.TOO_MANY_REQUESTS` when too many checks wait already.
        """
        async with self._turn():
            allowed()
            return await asyncio.to_thread(self._verify, hashed, password)

    async def make(self, password: str) -> str:
        """The hash for the database, off the event loop. Raises `errors.TOO_MANY_REQUESTS` like `verify`."""
        async with self._turn():
            return await asyncio.to_thread(self.hash, password)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise errors.TOO_MANY_REQUESTS.error(headers={"Retry-After": "1"})
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._dummy, password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False


def _nobodys_hash(hasher: PasswordHasher) -> str:
    """A hash no password fits, which costs as much to check as a real one."""
    salt, digest = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
