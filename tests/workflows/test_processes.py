"""Several processes on one PostgreSQL database: killed, frozen, drained, and all at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.service import PROGRAM, Service, example, until

from goldsmith.clouds.simulated import World
from goldsmith.jobs.models import jobs, sub_jobs
from goldsmith.store.postgres import PostgresStore
from goldsmith.workflows.models import workflow_steps, workflows

LEASE = {"GOLDSMITH_WORKER__LEASE_SECONDS": "1"}
SLOW = {"GOLDSMITH_SIMULATED__CREATE_SECONDS": "3", "GOLDSMITH_SIMULATED__BOOT_SECONDS": "0.5"}


class Worker:
    """A `goldsmith worker` of a service's data folder."""

    def __init__(self, service: Service, **settings: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
        self.log = service.data_dir.parent / f"worker-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "worker", "--data-dir", service.data_dir], env=clean | service.settings | settings, stderr=log
            )

    @property
    def pid(self) -> int:
        """What its leases are called by."""
        return self.process.pid

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal that it ends by; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


class Place:
    """A service without slots, its database, and workers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.workers: list[Worker] = []
        self.store = PostgresStore(service.settings["GOLDSMITH_DATABASE"])

    def worker(self, **settings: str) -> Worker:
        """Start another worker."""
        self.workers.append(Worker(self.service, **settings))
        return self.workers[-1]

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """A whole table, in order."""
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in self.store.read_now(lambda tx: tx.rows(query))]

    def owner(self) -> int:
        """The process that has the only workflow; 0 for none."""
        (row,) = self.rows(workflows)
        return int(row["owner"].partition("#")[2].partition("-")[0]) if row["owner"] else 0

    def created(self) -> int:
        """How many machines the cloud has made."""
        with World(self.service.data_dir) as world:
            return int(world.effects("create_server"))


@pytest.fixture
def make_place(new_postgres_service: type[Service]) -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def make(**settings: str) -> Place:
        places.append(Place(new_postgres_service(**LEASE, **settings).start("--workers", "0")))
        return places[-1]

    yield make
    for place in places:
        for worker in place.workers:
            if worker.process.poll() is None:
                worker.send(signal.SIGCONT)
                worker.end()
        place.store.close()


@contextmanager
def frozen(worker: Worker) -> Iterator[None]:
    worker.send(signal.SIGSTOP)
    yield
    worker.send(signal.SIGCONT)


def in_step(place: Place, step: str) -> bool:
    return [(row["step"], row["state"]) for row in place.rows(workflows)] == [(step, "running")]


def test_what_a_killed_worker_did_goes_on_elsewhere_and_is_done_once(make_place: Callable[..., Place]) -> None:
    place = make_place(**SLOW)
    job_id = place.service.create(example("killed"))
    first = place.worker()
    until(lambda: in_step(place, "create_machine"))
    assert place.owner() == first.pid
    second = place.worker()
    first.end(signal.SIGKILL)
    until(lambda: place.owner() == second.pid)
    job = place.service.wait(job_id)
    assert job["status"] == "SUCCESS", job
    assert place.created() == 1
    (row,) = place.rows(workflows)
    assert row["epoch"] > 1


def test_a_frozen_worker_that_wakes_up_late_writes_nothing(make_place: Callable[..., Place]) -> None:
    place = make_place(**SLOW)
    job_id = place.service.create(example("frozen"))
    first = place.worker()
    until(lambda: in_step(place, "create_machine"))
    with frozen(first):
        second = place.worker()
        until(lambda: place.owner() == second.pid)
        assert place.service.wait(job_id)["status"] == "SUCCESS"
        before = [place.rows(table) for table in (workflows, workflow_steps, jobs, sub_jobs)]
    second_job = place.service.create(example("afterwards"))
    assert place.service.wait(second_job)["status"] == "SUCCESS"
    assert first.end() == second.end() == 0
    old = {row["id"] for row in before[0]}
    after = place.rows(workflows), place.rows(workflow_steps), place.rows(jobs), place.rows(sub_jobs)
    assert [row for row in after[0] if row["id"] in old] == before[0]
    assert [row for row in after[1] if row["workflow_id"] in old] == before[1]
    assert [row for row in after[2] if row["id"] == job_id] == before[2]
    assert [row for row in after[3] if row["job_id"] == job_id] == before[3]
    assert place.created() == 2


def test_a_drained_worker_hands_over_in_time_and_begins_nothing_new(make_place: Callable[..., Place]) -> None:
    place = make_place(GOLDSMITH_SIMULATED__CREATE_SECONDS="30", GOLDSMITH_WORKER__DRAIN_SECONDS="1")
    place.service.create(example("drained"))
    first = place.worker()
    until(lambda: in_step(place, "create_machine"))
    place.service.create(example("not begun"))
    assert first.end() == 0
    assert [(row["state"], row["owner"]) for row in place.rows(workflows)] == [("queued", None)] * 2
    assert "Traceback" not in first.log.read_text()
    assert {row["name"] for row in place.rows(workflow_steps)} <= {"reserve_address", "create_machine"}


def test_two_services_on_one_database_are_one(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place(GOLDSMITH_SIMULATED__SPEED="50")
    twin = Service(place.service.data_dir, **place.service.settings).start()
    try:
        assert twin.wait(place.service.create(example("either")))["status"] == "SUCCESS"
        with ThreadPoolExecutor(8) as pool:
            both = [place.service, twin] * 8
            answers = list(pool.map(lambda each: each.call("POST", each.servers(), example("one name")), both))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
        (job_id,) = [answer.json()["job_id"] for answer in answers if answer.status_code == 200]
        assert twin.wait(job_id)["status"] == "SUCCESS"
    finally:
        twin.stop()
    audit = subprocess.run(
        [PROGRAM, "audit", "verify", "--data-dir", place.service.data_dir], capture_output=True, text=True,
        env=os.environ | place.service.settings,
    )  # fmt: skip
    assert audit.returncode == 0, audit.stderr


def test_128_creates_with_three_workers_none_lost_none_twice(make_place: Callable[..., Place]) -> None:
    place = make_place(GOLDSMITH_SIMULATED__SPEED="50", GOLDSMITH_WORKER__BOOTS_PER_HOST="8")
    workers = [place.worker() for _ in range(3)]
    with ThreadPoolExecutor(16) as pool:
        job_ids = list(pool.map(lambda number: place.service.create(example(f"crowd {number}")), range(128)))
    workers[0].end(signal.SIGKILL)
    ended = [place.service.wait(job_id, seconds=200) for job_id in job_ids]
    assert Counter(job["status"] for job in ended) == {"SUCCESS": 128}
    server_ids = {job["sub_jobs"][0]["job_resource_info"]["resource_id"] for job in ended}
    with World(place.service.data_dir) as world:
        machines = [each.metadata["image_server"] for each in world.servers()]
    assert sorted(machines) == sorted(server_ids)
    assert place.created() == len(server_ids) == 128
    found = sorted(server_ids)
    for start in range(0, 128, 20):
        assert place.service.delete(*found[start : start + 20])["status"] == "SUCCESS"
