"""A disk that is made full refuses writes, whichever way that is done here, and takes them again afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.disks import Disk, FileLimit, disk_on

WRITER = """
import os, sys
for number, _ in enumerate(sys.stdin):
    try:
        handle = os.open(sys.argv[1] + str(number), os.O_WRONLY | os.O_CREAT)
        for _ in range(2):
            os.write(handle, bytes(256 * 1024))
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


class Writer:
    """A process that writes a new file whenever it is told to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, folder / "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def write(self) -> int:
        """0, or why it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        """No more."""
        self._process.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "limited")
    yield writer
    writer.end()


def assert_refuses_while_full(disk: Disk, writer: Writer, reason: int) -> None:
    assert writer.write() == 0
    disk.fill()
    assert writer.write() == reason
    assert disk.sign == os.strerror(reason)
    disk.empty()
    assert writer.write() == 0


def test_a_limit_on_files_refuses_writes_until_it_is_lifted(writer: Writer) -> None:
    assert_refuses_while_full(FileLimit(lambda: [writer.pid], {}), writer, errno.EFBIG)


def test_the_disk_that_can_be_had_here_refuses_writes_until_there_is_room_again(tmp_path: Path) -> None:
    writers: list[Writer] = []
    with disk_on(tmp_path / "disk", lambda: [each.pid for each in writers], {}) as disk:
        writers.append(Writer(tmp_path / "disk"))
        try:
            reason = errno.EFBIG if isinstance(disk, FileLimit) else errno.ENOSPC
            assert_refuses_while_full(disk, writers[0], reason)
        finally:
            writers[0].end()
