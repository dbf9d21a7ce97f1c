"""Tables of the networks. Addresses are numbers, so that ranges and gaps are plain comparisons.

A subnet carries its own book-keeping: `first_ip` to `last_ip` may be handed out, `next_ip` is tried first,
`used` are taken. `capacity` is kept beside them so that "is there room" is one comparison inside one UPDATE.
"""

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from goldsmith.store import Integer, Text, metadata

vpcs = Table(
    "vpcs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("cidr", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
)
Index("ix_vpcs_project", vpcs.c.project_id)

subnets = Table(
    "subnets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("vpc_id", Text, ForeignKey("vpcs.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("cidr", Text, nullable=False),
    Column("gateway_ip", Text, nullable=False),
    Column("dns_ip", Text, nullable=False),
    Column("dns", Text, nullable=False),
    Column("availability_zone", Text, nullable=False),
    Column("first_ip", Integer, nullable=False),
    Column("last_ip", Integer, nullable=False),
    Column("next_ip", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
)
Index("ix_subnets_vpc", subnets.c.vpc_id)

ports = Table(
    "ports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("subnet_id", Text, ForeignKey("subnets.id"), nullable=False),
    Column("vpc_id", Text, nullable=False),
    Column("ip_number", Integer, nullable=False),
    Column("ip_address", Text, nullable=False),
    Column("mac_address", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("device_owner", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("subnet_id", "ip_number", name="uq_ports_address"),
)
Index("ix_ports_project", ports.c.project_id, ports.c.id)
Index("ix_ports_device", ports.c.device_id)
