"""The state machine of image servers, and the steps of every workflow, as pages."""

from __future__ import annotations

from goldsmith.docs.declared import SettingLimit, workflows
from goldsmith.docs.markdown import code, page, prose, table
from goldsmith.image_servers.states import MOVES, Status, diagram
from goldsmith.workflows import Step, Workflow


def states_page() -> str:
    """The state machine of image servers."""
    reached = {Status.CREATING, *MOVES.values()}
    unreached = ", ".join(f"`{status}`" for status in Status if status not in reached)
    moves = table(["State", "What happens", "Next state"], ([old, event, new] for (old, event), new in MOVES.items()))
    return page(
        "States of an image server",
        "Every legal move is written once, in `image_servers/states.py`. No other move can happen.",
        f"```mermaid\n{diagram()}\n```",
        moves,
        f"No operation leads to {unreached} yet; they belong to building an image." if unreached else "",
    ).replace("\n\n\n", "\n")


def workflows_page() -> str:
    """The step tables."""
    return page(
        "Workflows",
        prose(
            "What happens after a 200. Every step is recorded before it is begun and after it is done, and so is its "
            "undo. A step that is interrupted is begun again, which is why each says why it may be repeated. When a "
            "step fails for good, all that were begun are undone, the last one first; an undo is tried until it "
            "succeeds."
        ),
        prose(
            "The limit covers all attempts and waiting of a step. The share is the step's part of the percentage that "
            "a job shows."
        ),
        *(_workflow(workflow, text) for workflow, text in workflows()),
    )


def _workflow(workflow: Workflow, text: str) -> str:
    total = sum(step.weight for step in workflow.steps)
    head = ["Step", "Effect", "Undo", "Why it may be repeated", "Limit", "Weight", "Share"]
    rows = (
        [code(step.name), step.effect, step.undo_effect, step.repeatable, _limit_text(step), str(step.weight),
         f"{100 * step.weight // total} %"]
        for step in workflow.steps
    )  # fmt: skip
    return f"## {workflow.kind}\n\n{text}\n\n" + table(head, rows)


def _limit_text(step: Step) -> str:
    if isinstance(step.timeout, SettingLimit):
        return f"`{step.timeout.name}` ({step.timeout:g} s)"
    return f"{step.timeout:g} s"
