"""What QEMU is told."""

from __future__ import annotations

import pytest

from goldsmith.clouds.port import Refused
from goldsmith.clouds.qemu.accelerator import Accelerator
from goldsmith.clouds.qemu.machine import addresses, command_line
from goldsmith.settings import QemuSettings

from .conftest import new_port, new_spec


def values(command: list[str], option: str) -> list[str]:
    return [command[place + 1] for place, word in enumerate(command) if word == option]


def test_a_machine_is_confined_and_known_by_its_uuid() -> None:
    spec = new_spec(vcpus=3, memory_mib=777)
    command = list(command_line(spec, QemuSettings(), Accelerator.TCG))
    assert {"-nodefaults", "-no-user-config"} <= set(command)
    assert "spawn=deny" in values(command, "-sandbox")[0]
    assert values(command, "-uuid") == [spec.id]
    assert values(command, "-smp") == ["3"]
    assert values(command, "-m") == ["777M"]
    assert values(command, "-vnc") == ["unix:vnc.sock"]
    assert not any("/" in word for word in command if "/dev/urandom" not in word and "net=" not in word)


def test_the_guest_is_given_the_reserved_address_alone() -> None:
    command = list(command_line(new_spec(), QemuSettings(), Accelerator.TCG))
    network = values(command, "-netdev")[0]
    assert "restrict=on" in network
    assert network.endswith("net=192.168.7.0/24,host=192.168.7.1,dns=192.168.7.2,dhcpstart=192.168.7.77")
    assert any("mac=52:54:00:aa:bb:01" in device for device in values(command, "-device"))
    opened = command_line(new_spec(), QemuSettings(isolate_network=False), Accelerator.TCG)
    assert "restrict=off" in values(list(opened), "-netdev")[0]


def test_the_accelerator_brings_its_processor() -> None:
    assert values(list(command_line(new_spec(), QemuSettings(), Accelerator.KVM)), "-cpu") == ["host"]
    assert values(list(command_line(new_spec(), QemuSettings(), Accelerator.TCG)), "-cpu") == ["max"]


def test_root_ports_are_offered_only_where_there_is_pci_express() -> None:
    for machine_type, expected in (
        ("q35", True),
        ("pc-q35-7.2", True),
        ("pc", False),
        ("pc-i440fx-7.2", False),
    ):
        command = command_line(new_spec(), QemuSettings(machine_type=machine_type), Accelerator.TCG)
        assert any("pcie-root-port" in word for word in command) is expected


@pytest.mark.parametrize("dns", ["", "8.8.8.8", "192.168.7.1", "192.168.7.77"])
def test_a_name_server_qemu_cannot_offer_is_replaced_by_a_free_address(dns: str) -> None:
    network, gateway, own, chosen = addresses(new_port(dns_ip=dns))
    assert chosen in network
    assert chosen not in (gateway, own)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cidr": "192.168.7.5/24"},
        {"cidr": "fd00::/64"},
        {"cidr": "192.168.7.0/24,restrict=off"},
        {"ip_address": "10.0.0.1"},
        {"ip_address": "192.168.7.1"},
        {"gateway_ip": "10.0.0.1"},
        {"gateway_ip": "192.168.7.1,hostfwd=tcp::22-:22"},
        {"mac_address": "52:54:00:aa:bb:01,bus=evil"},
        {"mac_address": ""},
        {"cidr": "192.168.7.0/31", "gateway_ip": "192.168.7.0", "ip_address": "192.168.7.1"},
    ],
)
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Refused):
        command_line(new_spec(port=new_port(**wrong)), QemuSettings(), Accelerator.TCG)
