"""Delete an app server that no image server owns any more.

| Step | Effect | Undo | Why repeating is safe | Limit |
|---|---|---|---|---|
| stop_machine | the guest shuts down, or is cut off after 30 s | - | a stopped machine is left alone | 120 s |
| remove_machine | machine, disk and sockets are gone | - | absent is fine | 120 s |
| give_address_back | the cloud forgets the address | - | absent is fine | 60 s |
| unregister | record removed; room, quota and address given back | - | one transaction | 60 s |

Server group and app group stay: they have operations of their own, which work once the group is empty. As long as the
image server's record exists the request is refused, so this workflow and the recursive deletion of an image server
never meet, and nobody's links are re-arranged (contract: operations, section 2.5).

A deletion cannot be undone. When it fails, the server is shown without a task again and may be deleted again.
"""

from __future__ import annotations

from dataclasses import dataclass

from goldsmith.app_servers.owners import Owners
from goldsmith.app_servers.service import AppServers
from goldsmith.app_servers.tasks import DELETE
from goldsmith.clouds.port import Cloud, DoesNotExist, StopMode
from goldsmith.jobs.service import Jobs
from goldsmith.store import Tx
from goldsmith.workflows import Ending, Run, Step, Workflow

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DeleteAppServer:
    """Makes the workflow from the services it needs."""

    cloud: Cloud
    app_servers: AppServers
    owners: Owners
    jobs: Jobs

    def workflow(self) -> Workflow:
        """The steps, in order."""
        steps = (
            Step(
                "stop_machine", "Stop the machine", "-", "a stopped or absent machine is left alone",
                self._stop_machine, timeout=120, weight=4,
            ),
            Step(
                "remove_machine", "Remove the machine", "-", "absent is fine",
                self._remove_machine, timeout=120, weight=2,
            ),
            Step(
                "give_address_back", "Give the address back", "-", "absent is fine",
                self._give_address_back, timeout=60,
            ),
            Step("unregister", "Remove the record", "-", "one transaction", self._nothing, timeout=60,
                 record=self._unregister),
        )  # fmt: skip
        return Workflow(DELETE, steps, on_start=self._on_start, on_undo=self._on_undo, on_end=self._on_end)

    async def _stop_machine(self, run: Run) -> None:
        try:
            await self.cloud.stop_server(run.parameters["instance_id"], StopMode.SOFT, patience=PATIENCE_SECONDS)
        except DoesNotExist:
            return

    async def _remove_machine(self, run: Run) -> None:
        await self.cloud.delete_server(run.parameters["instance_id"])

    async def _give_address_back(self, run: Run) -> None:
        await self.cloud.delete_port(run.parameters["port_id"])

    async def _nothing(self, run: Run) -> None:
        """All of it happens in the checkpoint."""

    def _unregister(self, tx: Tx, run: Run) -> None:
        self.owners.release_machine(tx, run.parameters["instance_id"], run.parameters["port_id"])
        self.app_servers.remove(tx, run.subject)

    def _on_start(self, tx: Tx, run: Run) -> None:
        self.jobs.started(tx, run.id)

    def _on_undo(self, tx: Tx, run: Run, error: str) -> None:
        self.jobs.rolling_back(tx, run.id, error)

    def _on_end(self, tx: Tx, run: Run, ending: Ending) -> None:
        self.app_servers.note_end(tx, run.subject, run.id)
        self.jobs.ended(tx, run.id, ending.error)
