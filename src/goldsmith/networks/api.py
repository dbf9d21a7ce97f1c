"""The VPC surface: reading VPCs, subnets and ports (contract: neighbours, section 2).

Everything belongs to the default enterprise project, ports are up and have no security groups: a filter that asks
for anything else finds nothing.
"""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import false

from goldsmith import errors
from goldsmith.http.operations import Access, Call, Resource, Surface, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.sight import Sight, sight
from goldsmith.networks import examples, schemas
from goldsmith.networks.listing import (
    Conditions,
    among,
    find_port,
    list_ports,
    list_subnets,
    list_vpcs,
    subnets_per_vpc,
    with_address,
)
from goldsmith.networks.models import ports, subnets, vpcs
from goldsmith.networks.service import Networks
from goldsmith.store import Store, Tx

TAG = "Networks"
VPC, SUBNET, PORT = "vpc", "subnet", "port"
KEYS = ("g:EnterpriseProjectId",)
Limit = Annotated[int, Query(ge=0, le=2000)]
Marker = Annotated[str | None, Query(max_length=128)]
Text = Annotated[str | None, Query(max_length=255)]
Texts = Annotated[list[str], Query(max_length=100)]
EMPTY: Conditions = [false()]

VPC_CODES = {400: "VPC.0101", 403: "VPC.2701", 404: "VPC.0003"}
SUBNET_CODES = {400: "VPC.0201", 403: "VPC.2701", 404: "VPC.0202"}
PORT_CODES = {400: "VPC.2500", 403: "VPC.2701", 404: "VPC.2500"}


class TouchesNetworks:
    """For API classes whose operations name what they show in the path: declare `touches="touched"`."""

    async def touched(self, call: Call, _body: bytes) -> Touched:
        """What the path names, whether it exists or not: all of it is in the default enterprise project."""
        kind = call.operation.resource_type or ""
        return Touched([_resource(kind, call.path[f"{kind}_id"])])


class NetworksApi(TouchesNetworks):
    """VPCs, subnets and ports of a project, as the catalogue declares them and image servers use them."""

    def __init__(self, store: Store, networks: Networks) -> None:
        self._store = store
        self._networks = networks

    @operation(
        "ListVpcsV1", "GET", "/v1/{project_id}/vpcs", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:vpcs:list", access=Access.LIST, resource_type=VPC, condition_keys=KEYS, codes=VPC_CODES,
        answer=examples.VPCS_V1,
    )  # fmt: skip
    async def list_vpcs_v1(
        self,
        call: CurrentCall,
        project_id: str,
        id: Text = None,
        enterprise_project_id: Text = None,
        limit: Limit = 2000,
        marker: Marker = None,
    ) -> schemas.VpcListV1:
        """List VPCs."""
        conditions = among(vpcs.c.id, id) + _in_enterprise_project(enterprise_project_id)
        page = await self._store.read(lambda tx: list_vpcs(tx, project_id, conditions, limit, marker, _sees(call)))
        return schemas.VpcListV1(vpcs=[schemas.vpc_v1(vpc) for vpc in page.items])

    @operation(
        "ShowVpcV1", "GET", "/v1/{project_id}/vpcs/{vpc_id}", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:vpcs:get", resource_type=VPC, condition_keys=KEYS, touches="touched", codes=VPC_CODES,
        errors=(errors.NOT_FOUND,),
        answer=examples.VPC_V1,
    )  # fmt: skip
    async def show_vpc_v1(self, call: CurrentCall, project_id: str, vpc_id: str) -> schemas.VpcAnswerV1:
        """Show a VPC."""
        vpc = await self._store.read(lambda tx: self._networks.find_vpc(tx, project_id, vpc_id))
        if vpc is None:
            raise _unknown("VPC", vpc_id)
        return schemas.VpcAnswerV1(vpc=schemas.vpc_v1(vpc))

    @operation(
        "ListVpcs", "GET", "/v3/{project_id}/vpc/vpcs", surface=Surface.VPC, tag=TAG,
        action="vpc:vpcs:list", access=Access.LIST, resource_type=VPC, condition_keys=KEYS, codes=VPC_CODES,
        answer=examples.VPCS_V3,
    )  # fmt: skip
    async def list_vpcs_v3(
        self,
        call: CurrentCall,
        project_id: str,
        id: Texts = [],  # noqa: B006 - FastAPI copies it
        name: Texts = [],  # noqa: B006
        description: Texts = [],  # noqa: B006
        cidr: Texts = [],  # noqa: B006
        enterprise_project_id: Text = None,
        limit: Limit = 2000,
        marker: Marker = None,
    ) -> schemas.VpcListV3:
        """List VPCs, with how many subnets they have."""
        conditions = among(vpcs.c.id, id) + among(vpcs.c.name, name) + among(vpcs.c.cidr, cidr)
        conditions += among(vpcs.c.description, description) + _in_enterprise_project(enterprise_project_id)

        def read(tx: Tx) -> schemas.VpcListV3:
            page = list_vpcs(tx, project_id, conditions, limit, marker, _sees(call))
            counts = subnets_per_vpc(tx, project_id)
            found = [schemas.vpc_v3(vpc, counts.get(vpc.id, 0)) for vpc in page.items]
            return schemas.VpcListV3(request_id=call.request_id, vpcs=found, page_info=page.info)

        return await self._store.read(read)

    @operation(
        "ShowVpc", "GET", "/v3/{project_id}/vpc/vpcs/{vpc_id}", surface=Surface.VPC, tag=TAG,
        action="vpc:vpcs:get", resource_type=VPC, condition_keys=KEYS, touches="touched", codes=VPC_CODES,
        errors=(errors.NOT_FOUND,),
        answer=examples.VPC_V3,
    )  # fmt: skip
    async def show_vpc_v3(self, call: CurrentCall, project_id: str, vpc_id: str) -> schemas.VpcAnswerV3:
        """Show a VPC, with how many subnets it has."""

        def read(tx: Tx) -> schemas.VpcAnswerV3:
            vpc = self._networks.find_vpc(tx, project_id, vpc_id)
            if vpc is None:
                raise _unknown("VPC", vpc_id)
            count = subnets_per_vpc(tx, project_id).get(vpc_id, 0)
            return schemas.VpcAnswerV3(request_id=call.request_id, vpc=schemas.vpc_v3(vpc, count))

        return await self._store.read(read)

    @operation(
        "ListSubnets", "GET", "/v1/{project_id}/subnets", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:subnets:list", access=Access.LIST, resource_type=SUBNET, condition_keys=KEYS, codes=SUBNET_CODES,
        answer=examples.SUBNETS,
    )  # fmt: skip
    async def list_subnets(
        self,
        call: CurrentCall,
        project_id: str,
        vpc_id: Text = None,
        limit: Limit = 2000,
        marker: Marker = None,
    ) -> schemas.SubnetList:
        """List subnets."""
        conditions = among(subnets.c.vpc_id, vpc_id)
        page = await self._store.read(lambda tx: list_subnets(tx, project_id, conditions, limit, marker, _sees(call)))
        return schemas.SubnetList(subnets=[schemas.subnet_v1(subnet) for subnet in page.items])

    @operation(
        "ShowSubnet", "GET", "/v1/{project_id}/subnets/{subnet_id}", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:subnets:get", resource_type=SUBNET, condition_keys=KEYS, touches="touched", codes=SUBNET_CODES,
        errors=(errors.NOT_FOUND,),
        answer=examples.SUBNET,
    )  # fmt: skip
    async def show_subnet(self, call: CurrentCall, project_id: str, subnet_id: str) -> schemas.SubnetAnswer:
        """Show a subnet."""
        subnet = await self._store.read(lambda tx: self._networks.find_subnet(tx, project_id, subnet_id))
        if subnet is None:
            raise _unknown("subnet", subnet_id)
        return schemas.SubnetAnswer(subnet=schemas.subnet_v1(subnet))


class PortsApi(TouchesNetworks):
    """Ports: the addresses in use, and by which machine."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation(
        "ListPortsV1", "GET", "/v1/{project_id}/ports", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:ports:list", access=Access.LIST, resource_type=PORT, condition_keys=KEYS, codes=PORT_CODES,
        answer=examples.PORTS_V1,
    )  # fmt: skip
    async def list_ports_v1(
        self,
        call: CurrentCall,
        project_id: str,
        id: Texts = [],  # noqa: B006 - FastAPI copies it
        name: Text = None,
        admin_state_up: bool = True,
        network_id: Text = None,
        mac_address: Text = None,
        device_id: Text = None,
        device_owner: Text = None,
        status: Text = None,
        security_groups: Texts = [],  # noqa: B006
        fixed_ips: Texts = [],  # noqa: B006
        enterprise_project_id: Text = None,
        limit: Limit = 2000,
        marker: Marker = None,
    ) -> schemas.PortListV1:
        """List ports in the older form, with `fixed_ips`."""
        conditions = _in_enterprise_project(enterprise_project_id)
        conditions += EMPTY if security_groups or not admin_state_up else []
        conditions += among(ports.c.id, id) + among(ports.c.name, name) + among(ports.c.status, status)
        conditions += among(ports.c.subnet_id, network_id) + among(ports.c.mac_address, mac_address)
        conditions += among(ports.c.device_id, device_id) + among(ports.c.device_owner, device_owner)

        def read(tx: Tx) -> schemas.PortListV1:
            every = conditions + with_address(tx, project_id, fixed_ips)
            page = list_ports(tx, project_id, every, limit, marker, _sees(call))
            return schemas.PortListV1(ports=[schemas.port_v1(port) for port in page.items])

        return await self._store.read(read)

    @operation(
        "ShowPortV1", "GET", "/v1/{project_id}/ports/{port_id}", surface=Surface.VPC_V1, tag=TAG,
        action="vpc:ports:get", resource_type=PORT, condition_keys=KEYS, touches="touched", codes=PORT_CODES,
        errors=(errors.NOT_FOUND,),
        answer=examples.PORT_V1,
    )  # fmt: skip
    async def show_port_v1(self, call: CurrentCall, project_id: str, port_id: str) -> schemas.PortAnswerV1:
        """Show a port in the older form."""
        port = await self._store.read(lambda tx: find_port(tx, project_id, port_id))
        if port is None:
            raise _unknown("port", port_id)
        return schemas.PortAnswerV1(port=schemas.port_v1(port))

    @operation(
        "ListPorts", "GET", "/v3/{project_id}/ports", surface=Surface.VPC, tag=TAG,
        action="vpc:ports:list", access=Access.LIST, resource_type=PORT, condition_keys=KEYS, codes=PORT_CODES,
        answer=examples.PORTS_V3,
    )  # fmt: skip
    async def list_ports_v3(
        self,
        call: CurrentCall,
        project_id: str,
        id: Texts = [],  # noqa: B006 - FastAPI copies it
        name: Texts = [],  # noqa: B006
        admin_state_up: bool = True,
        status: Text = None,
        virsubnet_id: Texts = [],  # noqa: B006
        device_id: Texts = [],  # noqa: B006
        mac_address: Texts = [],  # noqa: B006
        device_owner: Texts = [],  # noqa: B006
        device_owner_prefixlike: Text = None,
        vpc_id: Texts = [],  # noqa: B006
        security_groups: Texts = [],  # noqa: B006
        private_ips: Texts = [],  # noqa: B006
        limit: Limit = 2000,
        marker: Marker = None,
    ) -> schemas.PortListV3:
        """List ports."""
        conditions = EMPTY.copy() if security_groups or not admin_state_up else []
        conditions += among(ports.c.id, id) + among(ports.c.name, name) + among(ports.c.status, status)
        conditions += among(ports.c.subnet_id, virsubnet_id) + among(ports.c.vpc_id, vpc_id)
        conditions += among(ports.c.device_id, device_id) + among(ports.c.device_owner, device_owner)
        conditions += among(ports.c.mac_address, mac_address)
        if device_owner_prefixlike:
            conditions.append(ports.c.device_owner.startswith(device_owner_prefixlike, autoescape=True))

        def read(tx: Tx) -> schemas.PortListV3:
            every = conditions + with_address(tx, project_id, private_ips)
            page = list_ports(tx, project_id, every, limit, marker, _sees(call))
            found = [schemas.port_v3(port) for port in page.items]
            return schemas.PortListV3(request_id=call.request_id, ports=found, page_info=page.info)

        return await self._store.read(read)

    @operation(
        "ShowPort", "GET", "/v3/{project_id}/ports/{port_id}", surface=Surface.VPC, tag=TAG,
        action="vpc:ports:get", resource_type=PORT, condition_keys=KEYS, touches="touched", codes=PORT_CODES,
        errors=(errors.NOT_FOUND,),
        answer=examples.PORT_V3,
    )  # fmt: skip
    async def show_port_v3(self, call: CurrentCall, project_id: str, port_id: str) -> schemas.PortAnswerV3:
        """Show a port."""
        port = await self._store.read(lambda tx: find_port(tx, project_id, port_id))
        if port is None:
            raise _unknown("port", port_id)
        return schemas.PortAnswerV3(request_id=call.request_id, port=schemas.port_v3(port))


def _in_enterprise_project(wanted: str | None) -> Conditions:
    return [] if wanted in (None, "", schemas.DEFAULT_PROJECT, "all_granted_eps") else EMPTY.copy()


def _resource(kind: str, id_: str) -> Resource:
    return Resource(kind, id_, schemas.DEFAULT_PROJECT)


def _sees(call: Call) -> Sight | None:
    return sight(call, lambda row: _resource(call.operation.resource_type or "", row["id"]))


def _unknown(kind: str, sent: str) -> errors.ServiceError:
    return errors.NOT_FOUND.error(f"There is no {kind} {sent} in this project; list them to find the right id.")
