"""Tables of accounts, projects, users, access keys, groups, policies, grants, and of tokens that ended early.

System policies are not here: they come with the program, and are granted by their ids like those that are.
"""

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, text

from goldsmith.store import Integer, Text, metadata

domains = Table(
    "iam_domains",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
)

projects = Table(
    "iam_projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain_id", Text, ForeignKey("iam_domains.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

users = Table(
    "iam_users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain_id", Text, ForeignKey("iam_domains.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_root", Integer, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("password_hash", Text, nullable=True),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False, server_default="0"),
    Column("password_changed_at", Integer, nullable=False, server_default="0"),
    Column("must_change_password", Integer, nullable=False, server_default="0"),
    Column("access_mode", Text, nullable=False, server_default="default"),
    Column("email", Text, nullable=False, server_default=text("''")),
    Column("areacode", Text, nullable=False, server_default=text("''")),
    Column("phone", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("domain_id", "name"),
)
"""`must_change_password` and `access_mode` are kept and shown for consoles; nothing is decided by them."""

access_keys = Table(
    "iam_access_keys",
    metadata,
    Column("access_key", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("iam_users.id"), nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Index(None, "user_id"),
)

revocations = Table(
    "iam_revocations",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("not_before", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Index(None, "expires_at"),
)
"""`kind` is `token` or `user`, `subject` its id; tokens issued at `not_before` or earlier are over.

A row may go at `expires_at`: by then every token it ended would have ended by itself.
"""

groups = Table(
    "iam_groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain_id", Text, ForeignKey("iam_domains.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

members = Table(
    "iam_group_members",
    metadata,
    Column("group_id", Text, ForeignKey("iam_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, ForeignKey("iam_users.id", ondelete="CASCADE"), primary_key=True),
    Column("created_at", Integer, nullable=False),
    Index(None, "user_id"),
)

policies = Table(
    "iam_policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("domain_id", Text, ForeignKey("iam_domains.id"), nullable=False),
    Column("grammar", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("display_type", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("description_cn", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("default_version", Integer, nullable=False),
    Column("last_version", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("domain_id", "grammar", "name"),
)
"""Custom policies. `grammar` is `1.1` (`/v3.0/OS-ROLE/roles`) or `5.0` (`/v5/policies`); `document` is JSON text.

`display_type` belongs to grammar 1.1, `path` to 5.0. `document` is that of the default version.
"""

policy_versions = Table(
    "iam_policy_versions",
    metadata,
    Column("policy_id", Text, ForeignKey("iam_policies.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)
"""Every version of a policy of grammar 5.0 that was not deleted, the default one among them."""

grants = Table(
    "iam_grants",
    metadata,
    Column("subject_kind", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("policy_id", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("domain_id", Text, ForeignKey("iam_domains.id"), nullable=False),
    Column("created_at", Integer, nullable=False),
    Index(None, "domain_id", "policy_id"),
    Index(None, "domain_id", "scope"),
)
"""Who holds which policy where. `subject_kind` is `user` or `group`, `policy_id` a custom or a system policy's.

`scope` is `project:<id>`, `all_projects`, `domain`, `enterprise_project:<id>`, or `everywhere` for an attached
policy of grammar 5.0.
"""

revision = Table(
    "iam_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
)
"""One row, whose number grows with every change to any of these tables; without it the number is 0."""
