"""Delete an image server, with everything that was made for it or alone.

`delete_image_server` (recursive):

| Step | Effect | Undo | Why repeating is safe | Limit |
|---|---|---|---|---|
| stop_machine | the guest shuts down, or is cut off after 30 s | - | a stopped machine is left alone | 120 s |
| remove_machine | machine, disk and sockets are gone | - | absent is fine | 120 s |
| give_address_back | the cloud forgets the address | - | absent is fine | 60 s |
| unregister | every record is removed, every claim given back | - | one transaction | 60 s |

`forget_image_server` (not recursive) has only the last step, and it removes the image server's record alone: server
group, app server, machine and app group stay, as the contract says (operations, section 2.5).

What belongs to an image server cannot be removed or moved by itself while the record exists (`belongings.py`; 409), so
links that "were re-arranged since creation" and fail a recursive deletion (operations, section 2.5) cannot occur.

A deletion cannot be undone. When it fails, the image server is in ERROR and may be deleted again.
"""

from __future__ import annotations

from dataclasses import dataclass

from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.service import AppServers
from goldsmith.clouds.port import Cloud, DoesNotExist, StopMode
from goldsmith.image_servers.service import DELETE, FORGET, ImageServers
from goldsmith.image_servers.states import Event
from goldsmith.jobs.service import Jobs
from goldsmith.store import Tx
from goldsmith.workflows import Ending, Run, Step, Workflow

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DeleteImageServer:
    """Makes both workflows from the services they need."""

    cloud: Cloud
    image_servers: ImageServers
    jobs: Jobs
    app_servers: AppServers
    app_groups: AppGroups

    def workflow(self) -> Workflow:
        """The recursive deletion."""
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
            Step("unregister", "Remove the records", "-", "one transaction", self._nothing, timeout=60,
                 record=self._unregister),
        )  # fmt: skip
        return Workflow(DELETE, steps, on_start=self._on_start, on_undo=self._on_undo, on_end=self._on_end)

    def forget_workflow(self) -> Workflow:
        """The deletion of the record alone."""
        step = Step("unregister", "Remove the record", "-", "one transaction", self._nothing, timeout=60,
                    record=self._forget)  # fmt: skip
        return Workflow(FORGET, (step,), on_start=self._on_start, on_undo=self._on_undo, on_end=self._on_end)

    async def _stop_machine(self, run: Run) -> None:
        try:
            await self.cloud.stop_server(run.parameters["instance_id"], StopMode.SOFT, patience=PATIENCE_SECONDS)
        except DoesNotExist:
            return

    async def _remove_machine(self, run: Run) -> None:
        await self.cloud.delete_server(run.parameters["instance_id"])

    async def _give_address_back(self, run: Run) -> None:
        await self.cloud.delete_port(run.parameters["port"]["id"])

    async def _nothing(self, run: Run) -> None:
        """All of it happens in the checkpoint."""

    def _unregister(self, tx: Tx, run: Run) -> None:
        plan = run.parameters
        self.app_groups.remove(tx, plan["app_group_id"])
        self.app_groups.unbind(tx, plan["server_group_id"])
        self.app_servers.remove(tx, plan["app_server_id"])
        self.image_servers.release_claims(tx, plan)
        self.image_servers.remove(tx, run.subject)

    def _forget(self, tx: Tx, run: Run) -> None:
        self.image_servers.remove(tx, run.subject)

    def _on_start(self, tx: Tx, run: Run) -> None:
        self.jobs.started(tx, run.id)

    def _on_undo(self, tx: Tx, run: Run, error: str) -> None:
        self.jobs.rolling_back(tx, run.id, error)

    def _on_end(self, tx: Tx, run: Run, ending: Ending) -> None:
        if not ending.succeeded:
            self.image_servers.move(tx, run.subject, Event.DELETE_FAILED, run.id)
        self.jobs.ended(tx, run.id, ending.error)
