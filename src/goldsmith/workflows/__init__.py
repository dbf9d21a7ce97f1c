"""The durable engine: named steps, checkpointed do and undo, leases; knows nothing of images, HTTP or clouds."""

from goldsmith.workflows.definition import Ending, NotYet, Permit, Retry, Run, Step, Workflow
from goldsmith.workflows.engine import Engine
from goldsmith.workflows.queue import Progress, Queue, StepProgress

__all__ = [
    "Ending", "Engine", "NotYet", "Permit", "Progress", "Queue", "Retry", "Run", "Step", "StepProgress", "Workflow",
]  # fmt: skip
