"""Key files: one Fernet key a line, readable by the owner alone.

The first line encrypts, every line decrypts. So keys are rotated by putting a new one on top, and an old one
is retired by deleting its line once nothing encrypted with it is left.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet


class KeyFileProblem(Exception):
    """A key file is missing, readable by others, or holds no keys; the text says what to do."""


def create_key_file(path: Path) -> None:
    """Write a file with one new key (mode 0600); raises `FileExistsError` rather than lose keys."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def rotate_key_file(path: Path, keep: int = 3) -> None:
    """Put a new key on top and keep at most `keep` old ones; readers see the old file or the new one."""
    old = path.read_bytes().split()[:keep]
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"\n".join([Fernet.generate_key(), *old]) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_key_file(path: Path) -> MultiFernet:
    """The keys of the file, ready to use; raises `KeyFileProblem`."""
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii")
    except FileNotFoundError:
        raise KeyFileProblem(f"{path} does not exist; run `goldsmith init` first.") from None
    except UnicodeDecodeError:
        raise KeyFileProblem(f"{path} does not hold keys.") from None
    if mode & 0o077:
        raise KeyFileProblem(f"{path} is open to other users (mode {mode & 0o777:o}); run `chmod 600 {path}`.")
    return fernet_of(text, str(path))


def fernet_of(text: str, origin: str) -> MultiFernet:
    """The keys in `text`, white space between them; `origin` names their source in the `KeyFileProblem`."""
    try:
        return MultiFernet([Fernet(key) for key in text.split()])
    except ValueError as error:
        raise KeyFileProblem(f"{origin} does not hold Fernet keys, one a line: {error}") from None
