"""A server group: the image, product and network its servers share."""

from sqlalchemy import Column, Index, Table

from goldsmith.store import Integer, Text, metadata

server_groups = Table(
    "server_groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("app_type", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("image_type", Text, nullable=False),
    Column("os_type", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("flavor_id", Text, nullable=False),
    Column("vpc_id", Text, nullable=False),
    Column("subnet_id", Text, nullable=False),
    Column("system_disk_type", Text, nullable=False),
    Column("system_disk_size", Integer, nullable=False),
    Column("is_vdi", Integer, nullable=False),
    Column("ou_name", Text, nullable=False),
    Column("extra_session_type", Text, nullable=False),
    Column("extra_session_size", Integer, nullable=False),
    Column("route_policy", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
    Column("update_time", Integer, nullable=False),
)
Index("ix_server_groups_list", server_groups.c.project_id, server_groups.c.create_time)
