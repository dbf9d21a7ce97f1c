"""Which pages there are."""

from __future__ import annotations

from collections.abc import Callable

from goldsmith.docs.declared import operations, workflows
from goldsmith.docs.errors_page import errors_page
from goldsmith.docs.markdown import page
from goldsmith.docs.operations_page import operations_page
from goldsmith.docs.permissions_page import permissions_page
from goldsmith.docs.reliability_page import sections
from goldsmith.docs.settings_page import settings_page
from goldsmith.docs.workflow_pages import states_page, workflows_page

PAGES: dict[str, Callable[[], str]] = {
    "errors.md": lambda: errors_page(operations()),
    "operations.md": lambda: operations_page(operations()),
    "permissions.md": lambda: permissions_page(operations()),
    "image-server-states.md": states_page,
    "workflows.md": workflows_page,
    "settings.md": settings_page,
    "reliability.md": lambda: page("Reliability", *sections([workflow for workflow, _ in workflows()])),
}


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {name: make() for name, make in PAGES.items()}
