"""An app server: a machine of the cloud (`instance_id`) with its size, place and port.

`task` is what is being done to it ("" for nothing), `task_workflow_id` the workflow that does it.
"""

from enum import StrEnum

from sqlalchemy import Column, Index, Table

from goldsmith.store import Integer, Text, metadata

app_servers = Table(
    "app_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("server_group_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("machine_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("os_type", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("flavor_id", Text, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("volume_type", Text, nullable=False),
    Column("volume_size", Integer, nullable=False),
    Column("availability_zone", Text, nullable=False),
    Column("host_id", Text, nullable=False),
    Column("port_id", Text, nullable=False),
    Column("vpc_id", Text, nullable=False),
    Column("subnet_id", Text, nullable=False),
    Column("ip_address", Text, nullable=False),
    Column("mac_address", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("ou_name", Text, nullable=False),
    Column("max_sessions", Integer, nullable=False),
    Column("tags", Text, nullable=False),
    Column("maintain_status", Integer, nullable=False),
    Column("task", Text, nullable=False),
    Column("task_workflow_id", Text, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
    Column("update_time", Integer, nullable=False),
)
Index("ix_app_servers_group", app_servers.c.server_group_id)
Index("ix_app_servers_list", app_servers.c.project_id, app_servers.c.create_time)


class Task(StrEnum):
    """What is being done to a server: values of `task_status`."""

    DELETING = "deleting"
    POWERING_ON = "powering-on"
    POWERING_OFF = "powering-off"
    REBOOTING = "rebooting"
    REBOOTING_HARD = "rebooting_hard"
