"""Tables of accounts, projects, users, access keys, and of tokens that ended early.

Groups, policies and enterprise projects will hang on `iam_domains` and `iam_users` by their ids.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from goldsmith.store import metadata

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
    UniqueConstraint("domain_id", "name"),
)

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
