"""Start, stop or reboot the machine of an app server.

| Workflow | Steps | Undo | Why repeating is safe | Limit |
|---|---|---|---|---|
| start_app_server | start_machine | - | a running or absent machine is left alone | 120 s |
| stop_app_server | stop_machine | - | a stopped or absent machine is left alone | 120 s |
| reboot_app_server | stop_machine, start_machine | - | as above | 120 s each |

`SOFT` asks the guest to shut down and cuts the power after 30 s, `HARD` cuts it at once. No job follows these
workflows: the operations answer with nothing (contract: operations, section 8). A failure is logged, and the state of
the machine tells the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from goldsmith.app_servers.service import AppServers
from goldsmith.app_servers.tasks import Power
from goldsmith.clouds.port import Cloud, DoesNotExist, StopMode
from goldsmith.store import Tx
from goldsmith.workflows import Ending, Run, Step, Workflow

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SwitchAppServer:
    """Makes the workflows from the services they need."""

    cloud: Cloud
    app_servers: AppServers

    def workflows(self) -> Iterator[Workflow]:
        """One for each power operation."""
        start = Step(
            "start_machine", "Start the machine", "-", "a running or absent machine is left alone",
            self._start_machine, timeout=120,
        )  # fmt: skip
        stop = Step(
            "stop_machine", "Stop the machine", "-", "a stopped or absent machine is left alone",
            self._stop_machine, timeout=120,
        )  # fmt: skip
        for power, steps in ((Power.START, (start,)), (Power.STOP, (stop,)), (Power.REBOOT, (stop, start))):
            yield Workflow(power, steps, on_start=self._nothing, on_undo=self._on_undo, on_end=self._on_end)

    async def _start_machine(self, run: Run) -> None:
        try:
            await self.cloud.start_server(run.parameters["instance_id"])
        except DoesNotExist:
            return

    async def _stop_machine(self, run: Run) -> None:
        mode = StopMode(run.parameters["mode"])
        try:
            await self.cloud.stop_server(run.parameters["instance_id"], mode, patience=PATIENCE_SECONDS)
        except DoesNotExist:
            return

    def _nothing(self, tx: Tx, run: Run) -> None:
        """The task was noted when the request was accepted."""

    def _on_undo(self, tx: Tx, run: Run, error: str) -> None:
        """There is nothing to undo."""

    def _on_end(self, tx: Tx, run: Run, ending: Ending) -> None:
        self.app_servers.note_end(tx, run.subject, run.id)
