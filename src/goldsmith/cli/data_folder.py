"""What can be told of a data folder without opening it."""

from __future__ import annotations

from pathlib import Path

from goldsmith.cli.problems import Unusable

CREDENTIALS = "credentials.json"


def is_initialised(data_dir: Path) -> bool:
    """Whether `goldsmith init` has been at work here; its last act is the credentials file."""
    return (data_dir / CREDENTIALS).exists()


def require_initialised(data_dir: Path) -> None:
    """Raise `Unusable` for a folder that nobody initialised."""
    if not is_initialised(data_dir):
        raise Unusable(f"{data_dir} is not a data folder yet; `goldsmith init --data-dir {data_dir}` makes it one")
