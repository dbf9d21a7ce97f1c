"""The pages of `docs/` that are made from the code (decision 12).

No service runs for it: operations, workflows, states, settings and rules are read from where they are declared. A
test compares the pages with what would be written, so that they cannot go stale.
"""

from goldsmith.docs.declared import operations, workflows
from goldsmith.docs.pages import PAGES, pages
from goldsmith.docs.rules import rules

__all__ = ["PAGES", "operations", "pages", "rules", "workflows"]
