"""Addresses: handed out once, found again after a full round, never outside the usable range."""

from ipaddress import IPv4Address
from types import SimpleNamespace

import pytest

from goldsmith.clouds.port import PortSpec
from goldsmith.networks.addresses import BadSubnet, usable
from goldsmith.networks.declaration import InUse
from goldsmith.networks.service import Networks, SubnetFull
from goldsmith.store import Tx
from goldsmith.store.sqlite import SqliteStore

PROJECT = "a4da8115c9d8464ead3a38309130523f"
VPC = "59785ba5-e5d5-4836-b9de-19f22ac15175"
TINY = "0f6a1c2d-3b4e-4f50-8a61-7c8d9e0f1a2b"


def reserve(networks: Networks, tx: Tx, port_id: str, subnet_id: str = TINY) -> PortSpec:
    subnet = networks.find_subnet(tx, PROJECT, subnet_id)
    assert subnet is not None
    return networks.reserve(
        tx, project_id=PROJECT, subnet=subnet, port_id=port_id, name=port_id, device_id="d", device_owner="compute:z"
    )


def has_room(networks: Networks, tx: Tx) -> bool:
    subnet = networks.find_subnet(tx, PROJECT, TINY)
    assert subnet is not None
    return subnet.has_free_address


def test_a_29_holds_exactly_three_machines(store: SqliteStore, networks: Networks) -> None:
    def fill(tx: Tx) -> list[str]:
        taken = []
        for i in range(3):
            assert has_room(networks, tx)
            taken.append(reserve(networks, tx, f"p{i}").ip_address)
        assert not has_room(networks, tx)
        return taken

    assert store.write_now(fill) == ["192.168.240.2", "192.168.240.3", "192.168.240.4"]
    with pytest.raises(SubnetFull) as refused:
        store.write_now(lambda tx: reserve(networks, tx, "p3"))
    assert refused.value.subnet.id == TINY
    assert "192.168.240.0/29" in str(refused.value)


def test_a_released_address_is_found_again_after_a_full_round(store: SqliteStore, networks: Networks) -> None:
    def work(tx: Tx) -> list[str]:
        for i in range(3):
            reserve(networks, tx, f"p{i}")
        networks.release(tx, "p1")
        networks.release(tx, "p1")
        return [reserve(networks, tx, "p3").ip_address, str(has_room(networks, tx))]

    assert store.write_now(work) == ["192.168.240.3", "False"]


def test_reserving_again_for_the_same_port_returns_its_address(store: SqliteStore, networks: Networks) -> None:
    def work(tx: Tx) -> None:
        first = reserve(networks, tx, "p0")
        assert reserve(networks, tx, "p0") == first == networks.port_spec(tx, "p0")
        reserve(networks, tx, "p1")
        reserve(networks, tx, "p2")
        assert reserve(networks, tx, "p0") == first

    store.write_now(work)


def test_the_port_knows_gateway_resolver_and_a_mac_of_its_own(store: SqliteStore, networks: Networks) -> None:
    spec = store.write_now(lambda tx: reserve(networks, tx, "p0"))
    assert (spec.gateway_ip, spec.dns_ip, spec.cidr) == ("192.168.240.1", "192.168.240.5", "192.168.240.0/29")
    assert spec.mac_address.startswith("fa:16:3e:")
    assert store.read_now(lambda tx: networks.port_spec(tx, "none")) is None


def test_a_mac_that_is_taken_is_not_given_twice(store: SqliteStore, networks: Networks) -> None:
    numbers = iter([0x010203, 0x010203, 0x010203, 0x0A0B0C])
    fixed = Networks(random_bits=lambda _: next(numbers))
    first = store.write_now(lambda tx: reserve(fixed, tx, "p0"))
    second = store.write_now(lambda tx: reserve(fixed, tx, "p1"))
    assert (first.mac_address, second.mac_address) == ("fa:16:3e:01:02:03", "fa:16:3e:0a:0b:0c")


def test_networks_of_other_projects_are_not_found(store: SqliteStore, networks: Networks) -> None:
    def look(tx: Tx) -> None:
        assert networks.find_vpc(tx, PROJECT, VPC) is not None
        assert networks.find_vpc(tx, "other", VPC) is None
        assert networks.find_subnet(tx, "other", TINY) is None

    store.read_now(look)


def declared(cidr: str, gateway_ip: str, **more: object) -> SimpleNamespace:
    fields = {"id": TINY, "name": "t", "cidr": cidr, "gateway_ip": gateway_ip, "dns": (), "availability_zone": ""}
    subnets = (SimpleNamespace(**fields | more),)
    return SimpleNamespace(id=VPC, name="v", cidr="192.168.0.0/16", description="", subnets=subnets)


def test_a_declaration_changes_what_it_may_and_removes_what_nothing_uses(
    store: SqliteStore, networks: Networks
) -> None:
    def work(tx: Tx) -> None:
        networks.declare(tx, PROJECT, [declared("192.168.240.0/28", "192.168.240.1", name="renamed")])
        subnet = networks.find_subnet(tx, PROJECT, TINY)
        assert subnet is not None
        assert (subnet.name, subnet.capacity) == ("renamed", 11)
        assert networks.find_vpc(tx, PROJECT, "c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e5f") is None

    store.write_now(work)


def test_a_declaration_keeps_what_has_ports(store: SqliteStore, networks: Networks) -> None:
    def work(tx: Tx) -> None:
        reserve(networks, tx, "p0")
        networks.declare(tx, PROJECT, [])
        assert networks.find_subnet(tx, PROJECT, TINY) is not None
        assert networks.find_vpc(tx, PROJECT, VPC) is not None
        networks.declare(tx, PROJECT, [declared("192.168.240.0/29", "192.168.240.1", name="renamed")])
        with pytest.raises(InUse, match="1 ports"):
            networks.declare(tx, PROJECT, [declared("192.168.241.0/29", "192.168.241.1")])

    store.write_now(work)


@pytest.mark.parametrize(
    ("cidr", "gateway"),
    [("10.0.0.0/30", "10.0.0.1"), ("10.0.0.0/24", "10.0.0.2"), ("10.0.0.1/24", "10.0.0.1"), ("x", "10.0.0.1")],
)
def test_a_subnet_that_cannot_work_is_refused(cidr: str, gateway: str) -> None:
    with pytest.raises(BadSubnet):
        usable(cidr, gateway)


def test_the_usable_range_leaves_five_addresses_out() -> None:
    found = usable("192.168.0.0/20", "192.168.0.1")
    assert found.capacity == 4096 - 5
    assert str(IPv4Address(found.first)) == "192.168.0.2"
    assert found.dns_ip == "192.168.15.253"
