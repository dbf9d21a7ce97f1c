"""Markdown: pages, tables, links, and what surfaces are called."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from goldsmith import errors
from goldsmith.http.operations import Operation, Surface

NOTE = "<!-- Made from the code by `make docs`; changes made here are lost. -->"
SURFACES = {
    Surface.WORKSPACE: "Workspace",
    Surface.IAM: "IAM",
    Surface.IMS: "IMS",
    Surface.VPC: "VPC v3",
    Surface.VPC_V1: "VPC v1",
    Surface.ECS: "ECS and EVS",
    Surface.EPS: "Enterprise projects",
    Surface.GATEWAY: "goldsmith's own",
}


def page(title: str, *parts: str) -> str:
    """A whole page with its heading, and the note that it is made."""
    return "\n\n".join([NOTE, f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; `|` in cells is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """The text as code; nothing of nothing."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A paragraph, filled."""
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def link(kind: errors.ErrorKind) -> str:
    """A link to the error's section."""
    return f"[{kind.name}](errors.md#{kind.name.lower()})"


def by_surface(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operations of each surface."""
    return [list(group) for _, group in groupby(operations, key=lambda operation: operation.surface)]
