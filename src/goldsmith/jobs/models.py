"""A job is what a request started; each of its sub jobs follows one workflow. A request key leads a repetition of
the same request to the job of the first.

Several sub jobs may follow the same workflow: whoever asks for the deletion of a server that is being deleted
already gets a job of their own that ends with the first.
"""

from sqlalchemy import Column, ForeignKey, Index, Table

from goldsmith.store import Integer, Text, metadata
from goldsmith.store.schema import partial_index

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("job_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("begin_time", Integer, nullable=False),
    Column("end_time", Integer),
    Column("sub_jobs_total", Integer, nullable=False),
    Column("service_transaction_id", Text, nullable=False),
    Column("linked_id", Text, nullable=False),
    Column("enterprise_project_id", Text),
)
Index("ix_jobs_list", jobs.c.project_id, jobs.c.job_type, jobs.c.id)
partial_index("ix_jobs_running", jobs.c.user_id, where="status = 'RUNNING'")

sub_jobs = Table(
    "sub_jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Text, nullable=False),
    Column("job_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("begin_time", Integer, nullable=False),
    Column("end_time", Integer),
    Column("resource_id", Text, nullable=False),
    Column("resource_name", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("enterprise_project_id", Text),
)
Index("ix_sub_jobs_job", sub_jobs.c.job_id)
Index("ix_sub_jobs_workflow", sub_jobs.c.workflow_id)
Index("ix_sub_jobs_list", sub_jobs.c.project_id, sub_jobs.c.job_type, sub_jobs.c.id)

request_keys = Table(
    "request_keys",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)
Index("ix_request_keys_age", request_keys.c.created_at)
