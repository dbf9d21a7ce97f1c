"""Accepting what takes time: deleting app servers, and switching their machines on and off.

A deletion is followed by a job. The power operations answer with nothing (contract: operations, section 8), so what
they start is seen in `task_status` and `vm_status` only. All of it survives a crash, because it is a workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from goldsmith.app_servers.models import Task
from goldsmith.app_servers.owners import Owners
from goldsmith.app_servers.service import AppServers
from goldsmith.clouds.port import StopMode
from goldsmith.errors import Problems
from goldsmith.ids import Snowflakes
from goldsmith.jobs.notices import common_enterprise_project
from goldsmith.jobs.service import ACCEPTING, Jobs, JobType, Origin
from goldsmith.store import Row, Tx
from goldsmith.workflows import Queue

DELETE = "delete_app_server"


class Power(StrEnum):
    """The power operations; the values are the kinds of their workflows."""

    START = "start_app_server"
    STOP = "stop_app_server"
    REBOOT = "reboot_app_server"

    def task(self, mode: StopMode) -> Task:
        """What is shown while it is under way."""
        if self is Power.START:
            return Task.POWERING_ON
        if self is Power.STOP:
            return Task.POWERING_OFF
        return Task.REBOOTING_HARD if mode is StopMode.HARD else Task.REBOOTING


class AppServerTasks:
    """Starts the workflows of app servers; every function runs inside the caller's transaction."""

    def __init__(self, app_servers: AppServers, owners: Owners, jobs: Jobs, queue: Queue, ids: Snowflakes) -> None:
        self._app_servers, self._owners = app_servers, owners
        self._jobs, self._queue, self._ids = jobs, queue, ids

    def delete(self, tx: Tx, origin: Origin, server_ids: Sequence[str], *, field: str = "items") -> str:
        """Start the deletion of servers; returns the job's id. Unknown ids are ignored.

        Raises Conflict, with nothing started, when one of them belongs to an image server.
        """
        problems, project_id = Problems(), origin.project_id
        _require_unique(server_ids, problems)
        tx.lock(ACCEPTING)
        found = [self._settled(tx, project_id, each) for each in server_ids]
        rows = [row for row in found if row is not None]
        for row in rows:
            owner = self._owners.of_server(tx, project_id, row["id"])
            if owner is not None:
                problems.add(field, row["id"], "not_owned", owner.advice, conflict=True)
        problems.raise_if_any()
        job_id = self._jobs.open(
            tx, origin, JobType.DELETE_APP_SERVER, sub_jobs_total=len(rows),
            enterprise_project_id=common_enterprise_project(rows),
        )  # fmt: skip
        for row in rows:
            self._jobs.add_sub_job(
                tx, job_id, project_id, JobType.DELETE_APP_SERVER, workflow_id=self._deletion_of(tx, row),
                resource_id=row["id"], resource_name=row["name"], enterprise_project_id=row["enterprise_project_id"],
            )  # fmt: skip
        return job_id

    def _settled(self, tx: Tx, project_id: str, server_id: str) -> Row | None:
        """The server; while it is being deleted, its deletion cannot end before this transaction."""
        row = self._app_servers.find(tx, project_id, server_id)
        if row is not None and row["task"] == Task.DELETING and not self._queue.keep_alive(tx, row["task_workflow_id"]):
            return self._app_servers.find(tx, project_id, server_id)
        return row

    def _deletion_of(self, tx: Tx, row: Row) -> str:
        """The workflow that deletes the server: the one under way, or a new one."""
        if row["task"] == Task.DELETING:
            joined: str = row["task_workflow_id"]
            return joined
        workflow_id = self._ids.next()
        self._app_servers.note_task(tx, row, Task.DELETING, workflow_id)
        parameters = {"instance_id": row["instance_id"], "port_id": row["port_id"]}
        self._queue.put(tx, workflow_id, DELETE, row["id"], parameters, project_id=row["project_id"])
        return workflow_id

    def switch(
        self, tx: Tx, project_id: str, server_ids: Sequence[str], power: Power, mode: StopMode = StopMode.SOFT
    ) -> None:
        """Start a power operation on servers; raises a refusal, with nothing started, when one of them cannot."""
        tx.lock(ACCEPTING)
        problems = Problems()
        _require_unique(server_ids, problems)
        rows = []
        for number, server_id in enumerate(server_ids):
            row = self._app_servers.find(tx, project_id, server_id)
            if row is None:
                text = "There is no such app server; GET /v1/{project_id}/app-servers lists them."
                problems.add(f"items[{number}]", server_id, "exists", text)
                continue
            self._check_idle(tx, row, problems)
            rows.append(row)
        problems.raise_if_any()
        for row in rows:
            workflow_id = self._ids.next()
            self._app_servers.note_task(tx, row, power.task(mode), workflow_id)
            parameters = {"instance_id": row["instance_id"], "mode": mode.value}
            self._queue.put(tx, workflow_id, power.value, row["id"], parameters, project_id=project_id)

    def _check_idle(self, tx: Tx, row: Row, problems: Problems) -> None:
        if row["task"]:
            text = f"Another task is under way ({row['task']}); wait until it has ended."
            problems.add("items", row["id"], "idle", text, conflict=True)
        owner = self._owners.of_server(tx, row["project_id"], row["id"])
        if owner is not None and owner.is_busy:
            text = f"Image server {owner.id} is {owner.status}; wait until its job has ended."
            problems.add("items", row["id"], "idle", text, conflict=True)


def _require_unique(server_ids: Sequence[str], problems: Problems) -> None:
    for number, server_id in enumerate(server_ids):
        if server_id in server_ids[:number]:
            problems.add(f"items[{number}]", server_id, "unique", "Each id may be named once.")
