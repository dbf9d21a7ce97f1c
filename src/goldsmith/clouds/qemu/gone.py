"""The ids of what was deleted, so that nothing is made under one of them again.

A process that was frozen in the middle of a call may wake up long after its work was taken over, undone and ended; what
it made then would belong to nobody. An empty file per id, in a folder per day, is kept for a week: longer than anything
stays frozen that anybody will wake up.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from goldsmith.clouds.port import Refused, TryAgainLater
from goldsmith.clouds.qemu.refusals import FULL

KEPT = timedelta(days=7)


class Gone:
    """The deleted ids of one data folder. Functions block for the time of a few file operations."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def note(self, thing: str) -> None:
        """From now on nothing is made with the id `thing`, which is a plain name.

        `TryAgainLater` when the disk is full: a deletion must not fail for want of room.
        """
        try:
            self._note(thing)
        except OSError as problem:
            if problem.errno in FULL:
                raise TryAgainLater(f"no space left to note that {thing} was deleted") from problem
            raise

    def _note(self, thing: str) -> None:
        today = datetime.now(UTC).date()
        folder = self._root / today.isoformat()
        if not folder.is_dir():
            self._root.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            self._forget(today - KEPT)
        (folder / thing).touch(mode=0o600)

    def refuse(self, thing: str) -> None:
        """`Refused` when `thing` was deleted."""
        with suppress(FileNotFoundError):
            if any((folder / thing).exists() for folder in self._root.iterdir()):
                raise Refused(f"{thing} was deleted, so nothing is made under this id again")

    def _forget(self, before: date) -> None:
        for folder in self._root.iterdir():
            if folder.name < before.isoformat():
                shutil.rmtree(folder, ignore_errors=True)
