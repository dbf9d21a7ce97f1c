"""A machine: its names, its folder, and the command line that is made from it.

QEMU runs with the folder as its working directory and knows only the relative names below. So a data folder may have
spaces, commas or a path longer than the 108 bytes of a UNIX socket address, and may move; and the unprivileged user
needs no rights on any folder above.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Sequence
from pathlib import Path

from goldsmith.clouds.port import PortSpec, Refused, ServerSpec
from goldsmith.clouds.qemu.accelerator import SANDBOX, Accelerator
from goldsmith.settings import QemuSettings

BASE = "base.qcow2"
"""Hard link to the image: deleting an image never breaks a machine."""
ROOT = "root.qcow2"
QMP_SOCKET = "qmp.sock"
AGENT_SOCKET = "agent.sock"
VNC_SOCKET = "vnc.sock"
PID_FILE = "qemu.pid"
"""Written by goldsmith: QEMU's own `-pidfile` wants to see every folder above, which the machine's user may not."""
LOG = "qemu.log"
SERIAL_LOG = "serial.log"
DEFINITION = "machine.json"
STARTED = "started"
"""Marker file: the machine is meant to run. Without a process beside it, the machine has died."""

AGENT_CHANNEL = "org.qemu.guest_agent.0"
AGENT_CHARDEV = "agent"
_SPARE_PORTS = 4
"""PCIe root ports kept free: devices are hot-plugged into these later."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAC = re.compile(r"(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def plain_name(kind: str, name: str) -> str:
    """`name`, if it can be a file name and cannot leave its folder; `Refused` otherwise."""
    if not _PLAIN.fullmatch(name):
        raise Refused(f"{kind} {name[:80]!r} is not a plain name of letters, digits, '.', '_' and '-'")
    return name


def machine_id(server_id: str) -> str:
    """`server_id`, if it is a UUID in its usual spelling; `Refused` otherwise."""
    try:
        usual = str(uuid.UUID(server_id))
    except ValueError:
        usual = ""
    if not usual or usual != server_id:
        raise Refused(f"server id {server_id[:80]!r} is not a lower-case UUID")
    return server_id


def partial(folder: Path) -> Path:
    """Where a machine's folder is built up and taken down; what is left of it may always be removed."""
    return folder.with_name(f".{folder.name}.partial")


def command_line(spec: ServerSpec, settings: QemuSettings, accelerator: Accelerator) -> Sequence[str]:
    """The command that runs this machine; `Refused` when its network cannot be."""
    return [
        settings.binary,
        "-nodefaults",
        "-no-user-config",
        "-sandbox", SANDBOX,
        "-name", f"goldsmith-{spec.id}",
        "-uuid", spec.id,
        "-machine", f"{settings.machine_type},dump-guest-core=off",
        "-accel", accelerator.option,
        "-cpu", accelerator.cpu,
        "-smp", str(spec.vcpus),
        "-m", f"{spec.memory_mib}M",
        "-rtc", "base=utc",
        "-boot", "strict=on",
        "-chardev", f"socket,id=monitor,path={QMP_SOCKET},server=on,wait=off",
        "-mon", "chardev=monitor,mode=control",
        "-chardev", f"file,id=serial,path={SERIAL_LOG}",
        "-serial", "chardev:serial",
        "-vnc", f"unix:{VNC_SOCKET}",
        "-device", "VGA,vgamem_mb=16",
        *_pointer(settings),
        "-object", "rng-random,id=entropy,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=entropy",
        *_disk(),
        *_network(spec.port, isolated=settings.isolate_network),
        "-device", "virtio-serial-pci",
        "-chardev", f"socket,id={AGENT_CHARDEV},path={AGENT_SOCKET},server=on,wait=off",
        "-device", f"virtserialport,chardev={AGENT_CHARDEV},name={AGENT_CHANNEL}",
        *_spare_ports(settings.machine_type),
    ]  # fmt: skip


def _disk() -> Sequence[str]:
    return [
        "-blockdev", f"driver=file,node-name=root-file,filename={ROOT},discard=unmap",
        "-blockdev", "driver=qcow2,node-name=root,file=root-file,discard=unmap,detect-zeroes=unmap",
        "-device", "virtio-blk-pci,drive=root,bootindex=1",
    ]  # fmt: skip


def _network(port: PortSpec, *, isolated: bool) -> Sequence[str]:
    """User-mode network whose built-in DHCP server has one address to give: the reserved one."""
    if not _MAC.fullmatch(port.mac_address):
        raise Refused(f"port {port.id}: {port.mac_address!r} is not a MAC address")
    network, gateway, own, dns = addresses(port)
    options = [
        "user",
        "id=net",
        "ipv6=off",
        f"restrict={'on' if isolated else 'off'}",
        f"net={network}",
        f"host={gateway}",
        f"dns={dns}",
        f"dhcpstart={own}",
    ]
    # No boot ROM: booting from the network is not offered, and loading it costs time under emulation.
    return [
        "-netdev", ",".join(options),
        "-device", f"virtio-net-pci,netdev=net,mac={port.mac_address},romfile=",
    ]  # fmt: skip


def addresses(
    port: PortSpec,
) -> tuple[ipaddress.IPv4Network, ipaddress.IPv4Address, ipaddress.IPv4Address, ipaddress.IPv4Address]:
    """Network, gateway, own address and name server, as QEMU's user network can offer them.

    It wants the three different and inside the network. A gateway or own address that is not is `Refused`; a name
    server elsewhere is replaced by a free address, since QEMU answers there itself and asks the host's name server.
    """
    try:
        network = ipaddress.IPv4Network(port.cidr)
        gateway = ipaddress.IPv4Address(port.gateway_ip)
        own = ipaddress.IPv4Address(port.ip_address)
        dns = ipaddress.IPv4Address(port.dns_ip) if port.dns_ip else None
    except ValueError as problem:
        raise Refused(f"port {port.id}: {problem}") from problem
    if own not in network or gateway not in network or own == gateway:
        raise Refused(f"port {port.id}: address {own} and gateway {gateway} must be two addresses of {network}")
    if dns is None or dns not in network or dns in (gateway, own):
        dns = next((other for other in network.hosts() if other not in (gateway, own)), None)
    if dns is None:
        raise Refused(f"port {port.id}: {network} has no room for guest, gateway and name server")
    return network, gateway, own, dns


def _pointer(settings: QemuSettings) -> Sequence[str]:
    """A tablet, so that the pointer seen over VNC is where the user's is."""
    if settings.machine_type.startswith("microvm"):
        return []
    return ["-device", "qemu-xhci,id=usb", "-device", "usb-tablet,bus=usb.0"]


def _spare_ports(machine_type: str) -> Sequence[str]:
    if not machine_type.startswith(("q35", "pc-q35")):
        return []  # no PCI Express, so no root ports; plain PCI slots take hot-plugged devices
    return [
        option
        for number in range(1, _SPARE_PORTS + 1)
        for option in ("-device", f"pcie-root-port,id=spare{number},chassis={number}")
    ]
