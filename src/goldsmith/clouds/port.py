"""The Cloud port: everything goldsmith ever asks of a hypervisor.

A driver implements `Cloud` and passes the same contract tests as every other driver (`tests/clouds`).
Four rules hold for all of them:

* **Ids are the caller's.** The caller chooses the id of every thing before it asks for it, and hands over a
  `key` (workflow, step, phase) that the driver keeps beside the thing. A call that is repeated with the same id
  finds what the first call made and returns it: nothing is ever made twice, and a lost answer is found again.
* **Deleting what is not there succeeds.** An undo may run after a do that never happened.
* **What was deleted stays deleted.** Making a thing with an id that was deleted before, even if there was none, is
  `Refused`: a do that comes late, from a process that was frozen meanwhile, finds itself undone and leaves nothing.
* **Three errors.** `TryAgainLater` (busy, a host is away), `Refused` (will not work however often it is tried;
  says why in words a user understands) and `DoesNotExist`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from goldsmith.errors import Transient


class CloudError(Exception):
    """What a driver raises; the text is shown to users as the cause of a failed job."""


class TryAgainLater(CloudError, Transient):
    """It may work the next time: the engine repeats the step after a pause."""


class Refused(CloudError):
    """It will not work however often it is tried; the text gives the reason."""


class DoesNotExist(CloudError):
    """The thing that was named is not known to the cloud."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that runs image servers: `id`, the availability zone it stands in, and what it can hold."""

    id: str
    zone: str
    vcpus: int
    memory_mib: int
    disk_gib: int


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A disk image as the cloud holds it: `virtual_bytes` the guest sees, `stored_bytes` on the host."""

    id: str
    virtual_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class PortSpec:
    """One reserved address: `cidr`, `gateway_ip` and `dns_ip` of its subnet, and the address and MAC of its own."""

    id: str
    subnet_id: str
    cidr: str
    gateway_ip: str
    dns_ip: str
    ip_address: str
    mac_address: str


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """The machine that is wanted.

    `id` is a UUID chosen by the caller (`instance_id` on the wire), `image` the cloud's id of the source image,
    `volume_type` a VolumeType of the contract, `host` the id of the host chosen by placement.
    """

    id: str
    name: str
    image: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    volume_type: str
    host: str
    zone: str
    port: PortSpec
    metadata: dict[str, str] = field(default_factory=dict)


class Power(StrEnum):
    """Whether the machine of a server runs."""

    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server as the cloud sees it now. `fault` says why it stopped by itself, "" when it did not."""

    id: str
    power: Power
    host: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command in the guest left: exit code and both outputs, decoded with replacement characters."""

    exit_code: int
    stdout: str
    stderr: str


class StopMode(StrEnum):
    """`SOFT` asks the guest to shut down; `HARD` takes the power away."""

    SOFT = "SOFT"
    HARD = "HARD"


class Cloud(Protocol):
    """A hypervisor, or many. Every method may raise `TryAgainLater` and `Refused`."""

    async def open(self) -> None:
        """Take up the cloud: check programs and folders, adopt machines that outlived the last process."""

    async def close(self) -> None:
        """Let go of connections; machines run on."""

    async def hosts(self) -> Sequence[Host]:
        """All hosts, in a stable order."""

    async def find_image(self, image: str) -> ImageInfo:
        """The image with this id; `DoesNotExist` when its file is missing."""

    async def create_port(self, key: str, port: PortSpec) -> None:
        """Reserve the address of `port` in the cloud's network; `Refused` when the port was deleted."""

    async def delete_port(self, port_id: str) -> None:
        """Give the address back."""

    async def create_server(self, key: str, spec: ServerSpec) -> None:
        """Make disk and definition; the machine does not run yet. `DoesNotExist` when the image is missing,
        `Refused` when the server was deleted.
        """

    async def start_server(self, server_id: str) -> None:
        """Power on; returns once the machine executes, long before its guest answers. No-op when it runs."""

    async def stop_server(self, server_id: str, mode: StopMode, *, patience: float = 30.0) -> None:
        """Power off. `SOFT` falls back to `HARD` after `patience` seconds. No-op when stopped."""

    async def delete_server(self, server_id: str) -> None:
        """Remove machine (stopped hard if it runs), disk, sockets and every other trace."""

    async def describe_server(self, server_id: str) -> ServerInfo:
        """The server now; `DoesNotExist` when there is none."""

    async def list_servers(self) -> Sequence[ServerInfo]:
        """Every server this cloud holds, whoever owns it: what the leak detector compares with."""

    async def list_ports(self) -> Sequence[str]:
        """The ids of every reserved port."""

    async def guest_ready(self, server_id: str) -> bool:
        """Whether the guest agent answers now; never waits. `Refused` when the machine has died, with the reason."""

    async def run_in_guest(
        self, server_id: str, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0
    ) -> CommandResult:
        """Run a program (argv, no shell) in the guest as its administrator and wait for its end.

        `TryAgainLater` when the agent does not answer or the command outlives `timeout` seconds.
        """

    async def screenshot(self, server_id: str) -> bytes:
        """The guest's screen as PNG bytes."""
