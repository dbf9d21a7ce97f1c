"""Tables of tenancy.

A row in `quotas` counts what a project uses; `limit_` is NULL unless the project has a limit of its own, so a
changed default reaches everyone else. `name_key` is the user name in one case, as Windows compares names.
"""

from sqlalchemy import Column, Index, Table, UniqueConstraint

from goldsmith.store import Integer, Text, metadata

tenants = Table(
    "tenants",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("service_status", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("limit_", Integer),
    Column("used", Integer, nullable=False),
)

workspace_users = Table(
    "workspace_users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("user_email", Text, nullable=False),
    Column("user_phone", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("alias_name", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("active_type", Text, nullable=False),
    Column("sealed_password", Text),
    Column("account_expires", Integer, nullable=False),
    Column("enable_change_password", Integer, nullable=False),
    Column("next_login_change_password", Integer, nullable=False),
    Column("password_never_expired", Integer, nullable=False),
    Column("disabled", Integer, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("user_info_map", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("project_id", "name_key"),
)
Index("ix_workspace_users_list", workspace_users.c.project_id, workspace_users.c.created_at)
