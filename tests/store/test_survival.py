"""What a crash and a full disk leave: everything acknowledged, and nothing half."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.store.conftest import found_database, things

from goldsmith.errors import UNAVAILABLE, ServiceError
from goldsmith.store import Tx
from goldsmith.store.sqlite import SqliteStore

WRITER = """
import asyncio, os, sys
from pathlib import Path
from sqlalchemy import insert
from goldsmith.store.sqlite import SqliteStore
from tests.store.conftest import things

async def client(store, first):
    for number in range(first, first + 10**6):
        await store.write(lambda tx: tx.run(insert(things).values(id=number, text="x" * 200)))
        os.write(1, b"%d\\n" % number)

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await asyncio.gather(*(client(store, each * 10**6) for each in range(32)))

asyncio.run(main())
"""


def test_every_acknowledged_row_survives_sigkill_under_load(tmp_path: Path) -> None:
    path = found_database(tmp_path / "test.db")
    for _ in range(3):
        clear(path)
        acknowledged = run_and_kill(path)
        assert len(acknowledged) >= 300
        assert acknowledged <= present(path)


def run_and_kill(path: Path, lines: int = 300) -> set[int]:
    """Start the writer, kill it in full run, and return what it had acknowledged."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert process.stdout is not None
    with process.stdout as answers:
        seen = [next(answers) for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        seen += list(answers)
    process.wait()
    return {int(line) for line in seen if line.endswith(b"\n")}


def present(path: Path) -> set[int]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in database.execute("SELECT id FROM things")}


def clear(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM things")


@pytest.fixture(params=["limit", "tmpfs"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in which 1 MiB is all that can be written."""
    folder = tmp_path / "small"
    folder.mkdir()
    if request.param == "limit":
        with file_size_limit(1024**2):
            yield folder
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small filesystem needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` fail with EFBIG, which SQLite reports as it does a full disk."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_full_disk_refuses_writes_leaves_nothing_half_and_recovers(
    full_disk: Path, open_store: Callable[..., SqliteStore]
) -> None:
    store = open_store(full_disk)

    def pair(number: int, size: int) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            tx.run(insert(things).values(id=2 * number, text="x" * size))
            tx.run(insert(things).values(id=2 * number + 1, text="x" * size))

        return work

    answers = await asyncio.gather(*(store.write(pair(each, 40_000)) for each in range(30)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ServiceError)]
    assert refused
    assert {answer.kind for answer in refused} == {UNAVAILABLE}
    assert refused[0].headers["Retry-After"]
    assert all(answer is None or answer in refused for answer in answers)
    present = {row["id"] for row in store.read_now(lambda tx: tx.rows(select(things.c.id)))}
    assert present == {2 * number + half for number, answer in enumerate(answers) if answer is None for half in (0, 1)}


async def test_writing_goes_on_when_there_is_room_again(open_store: Callable[..., SqliteStore]) -> None:
    store = open_store()
    large = insert(things).values(id=1, text="x" * 3_000_000)
    with file_size_limit(1024**2), pytest.raises(ServiceError):
        await store.write(lambda tx: tx.run(large))
    await store.write(lambda tx: tx.run(large))
    assert store.read_now(lambda tx: tx.scalar(select(things.c.id))) == 1
