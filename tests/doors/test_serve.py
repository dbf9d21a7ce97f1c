"""`goldsmith init` and `goldsmith serve` as a user meets them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from goldsmith.cli.problems import Unusable
from goldsmith.settings import Settings
from goldsmith.setup import initialise

from .conftest import Run

LINE = "goldsmith serves http://127.0.0.1:"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A `goldsmith serve` on a data folder `data` that did not exist before, once it is ready."""
    program = Path(sys.executable).with_name("goldsmith")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
    command = [program, "serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout
            child.first_line = child.stdout.readline()  # type: ignore[attr-defined]
            yield child
        finally:
            child.terminate()


def end(child: subprocess.Popen[str]) -> str:
    child.send_signal(signal.SIGTERM)
    return child.communicate(timeout=30)[1]


def data_folder(report: str) -> dict[str, str]:
    (finding,) = (f for f in json.loads(report)["findings"] if f["subject"] == "data folder")
    return finding


def test_a_new_folder_is_initialised_and_served_and_ends_on_a_signal(
    served: subprocess.Popen[str], tmp_path: Path
) -> None:
    first_line: str = served.first_line  # type: ignore[attr-defined]
    assert first_line.startswith(LINE)

    said = end(served)

    assert served.returncode == 0, said
    assert "data is new" in said
    endpoint = json.loads((tmp_path / "data" / "credentials.json").read_text())["endpoint"]
    assert first_line == f"goldsmith serves {endpoint}\n"


def test_a_folder_that_is_served_is_not_served_twice(served: subprocess.Popen[str], goldsmith: Run) -> None:
    second = goldsmith("serve", "--data-dir", "data", "--listen", "127.0.0.1:0")

    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"goldsmith: data is served by process {served.pid} already; stop it first"
    )


def test_doctor_tells_who_serves_a_folder_and_its_schema(served: subprocess.Popen[str], goldsmith: Run) -> None:
    during = data_folder(goldsmith("doctor", "--json", "--data-dir", "data").stdout)
    end(served)
    after = data_folder(goldsmith("doctor", "--json", "--data-dir", "data").stdout)

    assert f"served by process {served.pid}" in during["detail"]
    assert "not served now" in after["detail"]
    assert "schema" in after["detail"]
    assert during["verdict"] == after["verdict"] == "ok"


def test_init_twice_changes_nothing(goldsmith: Run, tmp_path: Path) -> None:
    first = goldsmith("init", "--data-dir", "data")
    secrets = (tmp_path / "data" / "credentials.json").read_text()

    second = goldsmith("init", "--data-dir", "data")

    assert first.stdout == second.stdout == "data/credentials.json\n"
    assert (tmp_path / "data" / "credentials.json").read_text() == secrets


def test_inits_at_the_same_instant_make_one_folder(tmp_path: Path) -> None:
    """One that comes while another is at work would remove its database."""
    settings, meeting = Settings.load(tmp_path / "data"), threading.Barrier(4)

    def make(_: int) -> str:
        meeting.wait()
        return initialise(settings).read_text()

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(make, range(4)))
    assert len(seen) == 1
    known = json.loads(seen.pop())
    with closing(sqlite3.connect(tmp_path / "data" / "goldsmith.db")) as database:
        assert database.execute("SELECT access_key FROM iam_access_keys").fetchall() == [(known["access_key"],)]


def test_of_folders_made_at_the_same_instant_one_gets_the_database(tmp_path: Path, postgres_url: str) -> None:
    meeting = threading.Barrier(3)

    def make(name: str) -> str:
        meeting.wait()
        try:
            return initialise(Settings.load(tmp_path / name, database=postgres_url)).parent.name
        except Unusable as problem:
            return str(problem)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(make, ("a", "b", "c")))
    made = [path.parent.name for path in tmp_path.glob("*/credentials.json")]
    assert len(made) == 1
    assert made[0] in answers
    assert sum("belongs to another data folder" in answer for answer in answers) == 2


def test_a_folder_of_a_later_goldsmith_is_refused_and_left_alone(goldsmith: Run, tmp_path: Path) -> None:
    goldsmith("init", "--data-dir", "data")
    with closing(sqlite3.connect(tmp_path / "data" / "goldsmith.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'later'")

    served = goldsmith("serve", "--data-dir", "data", "--listen", "127.0.0.1:0")
    looked_at = goldsmith("doctor", "--json", "--data-dir", "data")

    assert served.returncode == 1
    assert served.stderr.startswith("goldsmith: ")
    assert "schema later" in served.stderr
    assert looked_at.returncode == 1
    assert data_folder(looked_at.stdout)["verdict"] == "failed"
