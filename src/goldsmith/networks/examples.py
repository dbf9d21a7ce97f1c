"""What the VPC surface answers, as `/openapi.json` shows it: the network of the published create request."""

from __future__ import annotations

_PROJECT = "a4da8115c9d8464ead3a38309130523f"
_TIMES = {"created_at": "2024-05-07T07:54:21Z", "updated_at": "2024-05-07T07:54:21Z"}
_VPC = {
    "id": "59785ba5-e5d5-4836-b9de-19f22ac15175", "name": "vpc-default", "cidr": "192.168.0.0/16",
    "description": "The network of the published example", "enterprise_project_id": "0", **_TIMES,
}  # fmt: skip
_VPC_V1 = {**_VPC, "routes": [], "status": "OK", "tenant_id": _PROJECT}
_VPC_V3 = {
    **_VPC, "extend_cidrs": [], "status": "ACTIVE", "project_id": _PROJECT, "tags": [],
    "cloud_resources": [
        {"resource_type": "routetable", "resource_count": 1}, {"resource_type": "virsubnet", "resource_count": 1},
    ],
}  # fmt: skip
_SUBNET = {
    "id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977", "name": "subnet-default", "description": "",
    "cidr": "192.168.0.0/20", "gateway_ip": "192.168.0.1", "ipv6_enable": False, "dhcp_enable": True,
    "primary_dns": "100.125.1.250", "secondary_dns": "", "dnsList": ["100.125.1.250"], "availability_zone": "",
    "vpc_id": _VPC["id"], "status": "ACTIVE", "neutron_network_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
    "neutron_subnet_id": "fd6b340e-506d-5d0d-bf9b-ecade96f3553", "extra_dhcp_opts": [], "scope": "center",
    "tenant_id": _PROJECT, **_TIMES,
}  # fmt: skip
_PORT = {
    "id": "1bedf8a2-9362-45bf-ba75-47495852ade0", "name": "image-server-697612196993040384", "admin_state_up": True,
    "mac_address": "fa:16:3e:a3:af:ab", "device_id": "989e6391-43b5-49a7-a684-6c36e7ad714a",
    "device_owner": "compute:local-1a", "tenant_id": _PROJECT, "status": "ACTIVE", "security_groups": [],
    "allowed_address_pairs": [], "extra_dhcp_opts": [], "binding:vnic_type": "normal", "instance_id": "",
    "instance_type": "", "port_security_enabled": True,
}  # fmt: skip
_PORT_V1 = {
    **_PORT, "network_id": _SUBNET["id"], "dns_assignment": [], "dns_name": "", "binding:vif_details": {},
    "binding:profile": {},
    "fixed_ips": [{"ip_address": "192.168.0.2", "subnet_id": _SUBNET["neutron_subnet_id"]}],
}  # fmt: skip
_PORT_V3 = {
    **_PORT, "description": "", "project_id": _PROJECT, "virsubnet_id": _SUBNET["id"], "vpc_id": _VPC["id"],
    "vpc_tenant_id": _PROJECT, "scope": "center", "tags": [], **_TIMES,
    "private_ips": [{"ip_address": "192.168.0.2", "subnet_cidr_id": _SUBNET["neutron_subnet_id"]}],
}  # fmt: skip
_REQUEST = {"request_id": "48f6a90c8aba47ac91c1562e8ec402ee"}

VPCS_V1, VPC_V1 = {"vpcs": [_VPC_V1]}, {"vpc": _VPC_V1}
VPCS_V3 = {**_REQUEST, "vpcs": [_VPC_V3], "page_info": {"previous_marker": _VPC["id"], "current_count": 1}}
VPC_V3 = {**_REQUEST, "vpc": _VPC_V3}
SUBNETS, SUBNET = {"subnets": [_SUBNET]}, {"subnet": _SUBNET}
PORTS_V1, PORT_V1 = {"ports": [_PORT_V1]}, {"port": _PORT_V1}
PORTS_V3 = {**_REQUEST, "ports": [_PORT_V3], "page_info": {"previous_marker": _PORT["id"], "current_count": 1}}
PORT_V3 = {**_REQUEST, "port": _PORT_V3}
