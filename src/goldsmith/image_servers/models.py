"""Image servers, and what each claims of a host.

`spec` is what was asked and planned, as JSON (see `service.Plan`): the parts of the request that no answer shows.
"""

from sqlalchemy import Column, Index, Table, UniqueConstraint

from goldsmith.store import Integer, Text, metadata

image_servers = Table(
    "image_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("image_ref", Text, nullable=False),
    Column("authorize_accounts", Text, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("server_group_id", Text, nullable=False),
    Column("app_group_id", Text, nullable=False),
    Column("server_id", Text, nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
    Column("update_time", Integer, nullable=False),
    UniqueConstraint("project_id", "name"),
)
Index("ix_image_servers_list", image_servers.c.project_id, image_servers.c.enterprise_project_id, image_servers.c.id)
Index("ix_image_servers_page", image_servers.c.project_id, image_servers.c.id)

image_server_counts = Table(
    "image_server_counts",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("servers", Integer, nullable=False),
)
"""How many there are, so that a list need not count them: counting a hundred thousand takes longer than all else."""

placements = Table(
    "placements",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("host_id", Text, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("disk_gib", Integer, nullable=False),
    Column("is_gpu", Integer, nullable=False),
)

host_use = Table(
    "host_use",
    metadata,
    Column("host_id", Text, primary_key=True),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("disk_gib", Integer, nullable=False),
)
