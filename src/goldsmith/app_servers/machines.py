"""What the cloud says of the machines of app servers, in the words of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import StrEnum

from goldsmith.app_servers.models import Task
from goldsmith.clouds import port
from goldsmith.clouds.port import Cloud, CloudError, DoesNotExist, ServerInfo
from goldsmith.store import Row


class VmStatus(StrEnum):
    """Those values of AppServerStatus that occur here; UNKNOWN, while the cloud does not answer, is `null`."""

    ACTIVE = "ACTIVE"
    SHUTOFF = "SHUTOFF"
    ERROR = "ERROR"
    DELETING = "DELETING"
    REBOOT = "REBOOT"
    HARD_REBOOT = "HARD_REBOOT"
    UNKNOWN = "null"


class ServerStatus(StrEnum):
    """Those values of the contract's ServerStatus that occur here."""

    REGISTERED = "REGISTERED"
    MAINTAINING = "MAINTAINING"
    STOPPED = "STOPPED"


IN_TASK = {
    Task.DELETING: VmStatus.DELETING,
    Task.REBOOTING: VmStatus.REBOOT,
    Task.REBOOTING_HARD: VmStatus.HARD_REBOOT,
}


class Machines:
    """Asks the cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def states(self, rows: Iterable[Row]) -> dict[str, VmStatus]:
        """The state of each server's machine, by the id of the server."""
        servers = list(rows)
        found = await asyncio.gather(*(self._state(row) for row in servers))
        return {row["id"]: state for row, state in zip(servers, found, strict=True)}

    async def _state(self, row: Row) -> VmStatus:
        if row["task"] in IN_TASK:
            return IN_TASK[Task(row["task"])]
        try:
            return _seen(await self._cloud.describe_server(row["instance_id"]))
        except DoesNotExist:
            return VmStatus.ERROR
        except CloudError:
            return VmStatus.UNKNOWN


def _seen(info: ServerInfo) -> VmStatus:
    if info.power is port.Power.RUNNING:
        return VmStatus.ACTIVE
    return VmStatus.ERROR if info.fault else VmStatus.SHUTOFF


def server_status(row: Row, vm_status: VmStatus) -> ServerStatus:
    """How the server stands with the service."""
    if row["maintain_status"]:
        return ServerStatus.MAINTAINING
    if vm_status in (VmStatus.SHUTOFF, VmStatus.ERROR):
        return ServerStatus.STOPPED
    return ServerStatus.REGISTERED
