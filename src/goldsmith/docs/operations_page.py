"""The operation table as a page."""

from __future__ import annotations

from collections.abc import Sequence

from goldsmith import errors
from goldsmith.docs.markdown import SURFACES, by_surface, code, link, page, prose, table
from goldsmith.http.operations import ALWAYS, Operation


def operations_page(operations: Sequence[Operation]) -> str:
    """The operation table, surface by surface."""
    return page(
        "Operations",
        prose(
            f"All {len(operations)} operations, as they are declared beside their handlers. Fields, limits and "
            "examples are in `/openapi.json` of a running goldsmith. [compatibility.md](compatibility.md) tells how "
            "each compares to the published API."
        ),
        prose(
            f"Every operation may also answer {', '.join(map(link, ALWAYS))} and {link(errors.INVALID)}; those that "
            f"need a credential also {link(errors.FORBIDDEN)} and {link(errors.TOO_MANY_REQUESTS)}, those "
            f"of a project {link(errors.FOREIGN_PROJECT)}, those with a body {link(errors.BODY_TOO_LARGE)} and "
            f"{link(errors.UNSUPPORTED_MEDIA_TYPE)}. A path that is no operation answers {link(errors.NO_SUCH_API)}."
        ),
        *(_surface(found) for found in by_surface(operations)),
        "## Without credentials\n\n`GET /healthz`, `GET /readyz`, `GET /metrics` and `GET /openapi.json`.",
    )


def _surface(operations: Sequence[Operation]) -> str:
    head = ["Name", "Request", "What it does", "Action", "Access", "Success", "Errors of its own", "As"]
    return f"## {SURFACES[operations[0].surface]}\n\n" + table(head, (_operation_row(each) for each in operations))


def _operation_row(operation: Operation) -> list[str]:
    kind = "extension" if operation.is_extension else "published"
    kind += ", deprecated" if operation.deprecated else ""
    needs = code(operation.action or "") or ("no credential" if operation.is_public else "any credential")
    own = ", ".join(link(each) for each in operation.errors) or "-"
    return [
        operation.name, code(f"{operation.method} {operation.path}"), operation.summary, needs,
        operation.access.value if operation.action else "-", str(operation.success), own, kind,
    ]  # fmt: skip
