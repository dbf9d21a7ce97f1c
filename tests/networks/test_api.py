"""The VPC surface on the wire: shapes the official SDK understands, filters, pages."""

from types import SimpleNamespace
from typing import Any

import pytest
from huaweicloudsdkvpc.v2 import VpcClient as VpcClientV2
from huaweicloudsdkvpc.v3 import VpcClient as VpcClientV3

from goldsmith.networks.schemas import cidr_id
from goldsmith.networks.service import Networks
from goldsmith.store import Tx
from goldsmith.store.sqlite import SqliteStore

PROJECT = "a4da8115c9d8464ead3a38309130523f"
VPC = "59785ba5-e5d5-4836-b9de-19f22ac15175"
SUBNET = "a5842cb4-5718-4b0a-8b27-3a3e9c74f977"
TINY = "0f6a1c2d-3b4e-4f50-8a61-7c8d9e0f1a2b"

# The SDK parses times only when python-dateutil is installed, which it does not ask for; without, it hands on text.
pytestmark = pytest.mark.filterwarnings("ignore:Unable to convert string to datetime:ImportWarning")


def as_sdk(client: Any, answer: Any, kind: str) -> Any:
    """The answer as the official SDK reads it."""
    assert answer.status == 200, answer.text
    return client().deserialize(SimpleNamespace(text=answer.text, headers={}), kind, None)


@pytest.fixture
def macs(store: SqliteStore, networks: Networks) -> dict[str, str]:
    """Three ports: two in the large subnet, one of them of a running machine, and one in the small subnet."""

    def work(tx: Tx) -> dict[str, str]:
        found = {}
        for port_id, subnet_id in (("p1", SUBNET), ("p2", SUBNET), ("p3", TINY)):
            subnet = networks.find_subnet(tx, PROJECT, subnet_id)
            assert subnet is not None
            found[port_id] = networks.reserve(
                tx, project_id=PROJECT, subnet=subnet, port_id=port_id, name=f"eth-{port_id}",
                device_id=f"machine-{port_id}", device_owner=f"compute:az{port_id[1]}",
            ).mac_address  # fmt: skip
        networks.activate(tx, "p1")
        return found

    return store.write_now(work)


async def test_vpcs_are_read_by_both_sdks(client: Any) -> None:
    old = as_sdk(VpcClientV2, await client.get(f"/v1/{PROJECT}/vpcs"), "ListVpcsResponse")
    assert {vpc.id: vpc.status for vpc in old.vpcs}[VPC] == "OK"
    new = as_sdk(VpcClientV3, await client.get(f"/v3/{PROJECT}/vpc/vpcs"), "ListVpcsResponse")
    vpc = next(vpc for vpc in new.vpcs if vpc.id == VPC)
    assert (vpc.status, vpc.project_id, vpc.cidr) == ("ACTIVE", PROJECT, "192.168.0.0/16")
    assert [(r.resource_type, r.resource_count) for r in vpc.cloud_resources][1] == ("virsubnet", 2)
    assert (new.page_info.current_count, new.page_info.next_marker) == (2, None)


async def test_one_vpc_and_one_subnet_are_shown(client: Any) -> None:
    old = as_sdk(VpcClientV2, await client.get(f"/v1/{PROJECT}/vpcs/{VPC}"), "ShowVpcResponse")
    new = as_sdk(VpcClientV3, await client.get(f"/v3/{PROJECT}/vpc/vpcs/{VPC}"), "ShowVpcResponse")
    assert old.vpc.name == new.vpc.name == "vpc-default"
    shown = as_sdk(VpcClientV2, await client.get(f"/v1/{PROJECT}/subnets/{SUBNET}"), "ShowSubnetResponse").subnet
    assert (shown.id, shown.neutron_network_id, shown.gateway_ip) == (SUBNET, SUBNET, "192.168.0.1")
    assert (shown.primary_dns, shown.secondary_dns) == ("100.125.1.250", "100.125.129.250")
    assert shown.dns_list == ["100.125.1.250", "100.125.129.250"]
    assert (shown.dhcp_enable, shown.ipv6_enable) == (True, False)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/{PROJECT}/vpcs/none", {"code": "VPC.0003"}),
        (f"/v3/{PROJECT}/vpc/vpcs/none", {"error_code": "VPC.0003"}),
        (f"/v1/{PROJECT}/subnets/none", {"code": "VPC.0202"}),
        (f"/v1/{PROJECT}/ports/none", {"code": "VPC.2500"}),
        (f"/v3/{PROJECT}/ports/none", {"error_code": "VPC.2500"}),
        (f"/v1/other/vpcs/{VPC}", {"code": "VPC.0003"}),
    ],
)
async def test_what_is_not_in_the_project_is_not_found(client: Any, path: str, body: dict[str, str]) -> None:
    answer = await client.get(path)
    assert answer.status == 404
    assert body.items() <= answer.json().items()
    assert "in this project" in answer.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"id={VPC}", 1),
        (f"id={VPC}&id=c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e5f", 2),
        ("name=vpc-default", 1),
        ("cidr=10.0.0.0/16", 1),
        ("description=nothing", 0),
        ("enterprise_project_id=0", 2),
        ("enterprise_project_id=another", 0),
        ("unknown=1", 2),
    ],
)
async def test_vpcs_are_filtered(client: Any, query: str, found: int) -> None:
    assert len((await client.get(f"/v3/{PROJECT}/vpc/vpcs?{query}")).json()["vpcs"]) == found


async def test_subnets_are_filtered_by_vpc_and_paged(client: Any) -> None:
    path = f"/v1/{PROJECT}/subnets"
    in_vpc = as_sdk(VpcClientV2, await client.get(f"{path}?vpc_id={VPC}"), "ListSubnetsResponse").subnets
    assert [subnet.id for subnet in in_vpc] == [TINY, SUBNET]
    first = (await client.get(f"{path}?limit=1")).json()["subnets"]
    rest = (await client.get(f"{path}?marker={first[0]['id']}")).json()["subnets"]
    assert [subnet["id"] for subnet in first + rest] == [TINY, SUBNET, "d4c3"]


async def test_ports_are_read_by_both_sdks(client: Any, macs: dict[str, str]) -> None:
    new = as_sdk(VpcClientV3, await client.get(f"/v3/{PROJECT}/ports"), "ListPortsResponse")
    port = new.ports[0]
    assert (port.id, port.status, port.virsubnet_id, port.vpc_id) == ("p1", "ACTIVE", SUBNET, VPC)
    assert (port.private_ips[0].ip_address, port.private_ips[0].subnet_cidr_id) == ("192.168.0.2", cidr_id(SUBNET))
    assert port.created_at.tzinfo is not None
    old = as_sdk(VpcClientV2, await client.get(f"/v1/{PROJECT}/ports"), "ListPortsResponse")
    assert (old.ports[1].status, old.ports[1].network_id) == ("BUILD", SUBNET)
    assert old.ports[1].fixed_ips[0].ip_address == "192.168.0.3"
    shown = as_sdk(VpcClientV3, await client.get(f"/v3/{PROJECT}/ports/p3"), "ShowPortResponse").port
    assert (shown.mac_address, shown.device_owner) == (macs["p3"], "compute:az3")
    shown = as_sdk(VpcClientV2, await client.get(f"/v1/{PROJECT}/ports/p3"), "ShowPortResponse").port
    assert shown.device_id == "machine-p3"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("id=p1&id=p3", ["p1", "p3"]),
        ("name=eth-p2", ["p2"]),
        ("status=ACTIVE", ["p1"]),
        (f"virsubnet_id={SUBNET}", ["p1", "p2"]),
        (f"vpc_id={VPC}", ["p1", "p2", "p3"]),
        ("device_id=machine-p3", ["p3"]),
        ("device_owner=compute:az1&device_owner=compute:az2", ["p1", "p2"]),
        ("device_owner_prefixlike=compute", ["p1", "p2", "p3"]),
        ("device_owner_prefixlike=%25", []),
        ("private_ips=ip_address=192.168.0.3", ["p2"]),
        (f"private_ips=subnet_cidr_id={cidr_id(TINY)}", ["p3"]),
        ("mac_address=fa:16:3e:xx", []),
        ("security_groups=x", []),
        ("admin_state_up=false", []),
        ("limit=2", ["p1", "p2"]),
        ("limit=2&marker=p1", ["p2", "p3"]),
        ("marker=p3", []),
    ],
)
async def test_ports_are_filtered(client: Any, macs: dict[str, str], query: str, found: list[str]) -> None:
    answer = (await client.get(f"/v3/{PROJECT}/ports?{query}")).json()
    assert [port["id"] for port in answer["ports"]] == found
    assert answer["page_info"]["current_count"] == len(found)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"network_id={TINY}", ["p3"]),
        ("fixed_ips=ip_address=192.168.0.2&fixed_ips=ip_address=192.168.240.2", ["p1", "p3"]),
        (f"fixed_ips=subnet_id={cidr_id(SUBNET)}", ["p1", "p2"]),
        ("device_id=machine-p1&status=ACTIVE", ["p1"]),
        ("enterprise_project_id=another", []),
        ("security_groups=x", []),
    ],
)
async def test_ports_are_filtered_in_the_older_form(
    client: Any, macs: dict[str, str], query: str, found: list[str]
) -> None:
    answer = (await client.get(f"/v1/{PROJECT}/ports?{query}")).json()
    assert [port["id"] for port in answer["ports"]] == found


async def test_a_page_names_the_marker_of_the_next(client: Any, macs: dict[str, str]) -> None:
    info = (await client.get(f"/v3/{PROJECT}/ports?limit=2")).json()["page_info"]
    assert info == {"previous_marker": "p1", "current_count": 2, "next_marker": "p2"}
    info = (await client.get(f"/v3/{PROJECT}/ports?limit=2&marker=p2")).json()["page_info"]
    assert info == {"previous_marker": "p3", "current_count": 1}


async def test_a_limit_out_of_range_is_refused(client: Any) -> None:
    answer = await client.get(f"/v1/{PROJECT}/subnets?limit=2001")
    assert (answer.status, answer.json()["code"]) == (400, "VPC.0201")
