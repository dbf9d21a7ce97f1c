"""The audit trail: one row a write or refusal, never changed, and one row that says where the trail ends.

`audit_head` is what tells a trail that was cut off from one that is complete.
"""

from sqlalchemy import Column, Index, Table, UniqueConstraint

from goldsmith.store import Integer, Text, metadata

audit_records = Table(
    "audit_records",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("time", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("domain_id", Text, nullable=False),
    Column("domain_name", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("credential_kind", Text, nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("source_ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_ids", Text, nullable=False),
    Column("resource_name", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("dry", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("request_id", "part"),
)
Index("ix_audit_records_project", audit_records.c.project_id, audit_records.c.time)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("hash", Text, nullable=False),
)
