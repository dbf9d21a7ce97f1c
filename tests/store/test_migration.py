"""A database with data in it goes forward to a later schema, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from tests.postgres import Postgres

from goldsmith.image_servers.models import image_servers
from goldsmith.jobs.models import jobs, sub_jobs
from goldsmith.store import Store, Tx, metadata
from goldsmith.store.opening import DatabaseProblem, Place, open_store
from goldsmith.store.schema_version import (
    MIGRATIONS,
    SchemaTooNew,
    config_of,
    connected,
    current_revision,
    newest,
    upgrade,
)

SECOND = """
import sqlalchemy as sa
from alembic import op
from goldsmith.store.schema import Integer, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("priority", Integer, nullable=False, server_default="5"))
        table.alter_column("linked_id", new_column_name="link")
        table.create_index("ix_jobs_priority", ["priority"])
    op.create_table("notes", sa.Column("job_id", Text, primary_key=True), sa.Column("size", Integer, nullable=False))
    op.execute("INSERT INTO notes (job_id, size) SELECT id, begin_time FROM jobs")
"""
NOW = 1_900_000_000_000


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a later version."""
    folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "later", ignore=shutil.ignore_patterns("__pycache__")))
    (folder / "versions" / "0002_later.py").write_text(SECOND)
    return folder


def fill(store: Store) -> None:
    job = {column.name: "x" for column in jobs.c} | {"begin_time": NOW, "end_time": None, "sub_jobs_total": 2}
    sub_job = {column.name: "y" for column in sub_jobs.c} | {"job_id": "job 1", "begin_time": NOW, "end_time": NOW}
    server = {column.name: "zähler" for column in image_servers.c} | {"create_time": NOW, "update_time": NOW}

    def work(tx: Tx) -> None:
        for number in range(3):
            tx.run(jobs.insert().values(job | {"id": f"job {number}"}))
        tx.run(sub_jobs.insert().values(sub_job))
        tx.run(image_servers.insert().values(server))

    store.write_now(work)
    store.close()


def test_data_is_kept_and_the_program_of_before_refuses_what_came_after(place: Place, later: Path) -> None:
    fill(open_store(place))
    assert current_revision(place) == "0001"
    upgrade(place, later)
    upgrade(place, later)
    assert current_revision(place) == "0002"
    with connected(place) as connection:
        found = connection.execute(text("SELECT id, priority, link, begin_time FROM jobs ORDER BY id")).all()
        assert [tuple(row) for row in found] == [(f"job {number}", 5, "x", NOW) for number in range(3)]
        assert connection.execute(text("SELECT count(*), min(size) FROM notes")).one() == (3, NOW)
        assert connection.execute(text("SELECT job_id FROM sub_jobs")).scalar() == "job 1"
        assert connection.execute(text("SELECT name FROM image_servers")).scalar() == "zähler"
    with pytest.raises(SchemaTooNew, match="0002"):
        upgrade(place)


def test_a_migration_that_fails_half_way_changes_nothing(place: Place, later: Path) -> None:
    fill(open_store(place))
    script = later / "versions" / "0002_later.py"
    script.write_text(SECOND + '    op.execute("INSERT INTO nowhere VALUES (1)")\n')
    with connected(place) as connection:
        before = inspect(connection).get_table_names(), inspect(connection).get_columns("jobs")
    with pytest.raises(DatabaseProblem, match="nowhere"):
        upgrade(place, later)
    assert current_revision(place) == "0001"
    with connected(place) as connection:
        assert repr((inspect(connection).get_table_names(), inspect(connection).get_columns("jobs"))) == repr(before)
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 3
    script.write_text(SECOND)
    upgrade(place, later)
    assert current_revision(place) == "0002"


def test_the_migrations_make_what_the_rooms_declare(place: Place) -> None:
    with connected(place) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_processes_that_start_together_on_an_empty_database_do_not_disturb_each_other(postgres: Postgres) -> None:
    postgres._create("together", "template1")
    meeting = threading.Barrier(4)

    def start(_: int) -> None:
        meeting.wait()
        upgrade(postgres.url("together"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert current_revision(postgres.url("together")) == "0001"
    postgres.drop(postgres.url("together"))


def test_the_newest_revision_is_found_without_alembic(later: Path) -> None:
    for folder in (MIGRATIONS, later):
        assert newest(folder) == ScriptDirectory.from_config(config_of(folder)).get_current_head()


def test_a_database_that_is_current_is_recognised_without_alembic(place: Place) -> None:
    program = (
        "import sys, pathlib; from goldsmith.store.schema_version import upgrade; "
        "upgrade(pathlib.Path(sys.argv[1]) if sys.argv[1][0] == '/' else sys.argv[1]); print('alembic' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program, str(place)], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"
