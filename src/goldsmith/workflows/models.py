"""Tables of the engine: one row a workflow, one row for each step that was begun or undone.

`state` is queued (may be claimed at `run_at`), running (leased by `owner` until `lease_until`), done, failed (and
undone) or kept (failed, nothing undone, may be resumed).
`permit` is what it holds (`has_permit` 1) or waits for, "" for nothing; see `claims`.
`epoch` grows with every claim: a worker whose epoch is old has lost the workflow and writes nothing more.
"""

from sqlalchemy import Column, ForeignKey, Index, Table

from goldsmith.store import Integer, Text, metadata
from goldsmith.store.schema import partial_index

workflows = Table(
    "workflows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("step_since", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("run_at", Integer, nullable=False),
    Column("owner", Text),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", Integer, nullable=False),
    Column("cancel", Integer, nullable=False),
    Column("permit", Text, nullable=False),
    Column("has_permit", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("ended_at", Integer),
)
partial_index("ix_workflows_queued", workflows.c.run_at, where="state = 'queued'")
partial_index("ix_workflows_running", workflows.c.lease_until, where="state = 'running'")
partial_index("ix_workflows_turn", workflows.c.project_id, workflows.c.run_at, where="state = 'queued'")
partial_index("ix_workflows_permit", workflows.c.permit, where="permit <> ''")
Index("ix_workflows_subject", workflows.c.subject)

workflow_steps = Table(
    "workflow_steps",
    metadata,
    Column("workflow_id", Text, ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("started_at", Integer, nullable=False),
    Column("ended_at", Integer),
)
