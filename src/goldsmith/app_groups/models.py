"""An app group belongs to a server group; an authorisation lets an account use it."""

from sqlalchemy import Column, ForeignKey, Index, Table

from goldsmith.store import Integer, Text, metadata

app_groups = Table(
    "app_groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("app_server_group_id", Text, nullable=False),
    Column("app_type", Text, nullable=False),
    Column("authorization_type", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
)
Index("ix_app_groups_list", app_groups.c.project_id, app_groups.c.create_time)
Index("ix_app_groups_server_group", app_groups.c.app_server_group_id)

app_group_authorizations = Table(
    "app_group_authorizations",
    metadata,
    Column("app_group_id", Text, ForeignKey("app_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("account_type", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("create_time", Integer, nullable=False),
)
Index("ix_app_group_authorizations_account", app_group_authorizations.c.account)
