"""The page of errors: the catalogue, the codes of families, the shapes, and the rules."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from goldsmith import errors
from goldsmith.docs.markdown import SURFACES, by_surface, code, page, prose, table
from goldsmith.docs.rules import meaning_rules, shape_rules
from goldsmith.http.operations import Operation
from goldsmith.http.rendering import SHAPES
from goldsmith.jobs.service import FAILURE_CODE


def errors_page(operations: Sequence[Operation]) -> str:
    """The catalogue, the codes of families, the shapes, and the rules that `details` names."""
    kinds = sorted(errors.CATALOGUE.values(), key=lambda kind: kind.status)
    overview = table(
        ["Status", "Name", "Code", "Default message"],
        ([str(each.status), f"[{each.name}](#{each.name.lower()})", code(each.code), each.message] for each in kinds),
    )
    return page(
        "Errors",
        prose(
            "Every way in which goldsmith refuses. The status and the message decide; codes are what the published "
            "API has and are not unique. `details`, an extension, lists everything that is wrong with a request: "
            "field, value, rule and message. Every answer carries `X-Request-Id`; the log names the same id."
        ),
        overview,
        *(_kind(each) for each in kinds),
        "## Codes of families",
        prose(
            "Some families of operations have their own code for a status. It replaces the one above. Codes that "
            "begin with `APIGW.` are never replaced."
        ),
        _families(operations),
        "## Shapes",
        prose(
            "Each surface answers as the service it stands for; a path that is no operation answers as the gateway, "
            "with `error_msg`, `error_code` and `request_id`. The examples are those of an unknown id."
        ),
        *(_shape(found) for found in by_surface(operations)),
        "## Rules in `details`: the shape of a request",
        shape_rules(),
        "## Rules in `details`: what a request means",
        prose(
            "A create of an image server is checked as a whole (`image_servers.preflight`): one answer reports every "
            "rule that it breaks. A part in braces is filled in. Status 409 is sent only when nothing but conflicts "
            "was found."
        ),
        meaning_rules(),
        "## Failed jobs",
        prose(
            f"A sub job that failed has the code `{FAILURE_CODE}` and the true cause as its message, in "
            "`job_execute_info` (image-server jobs) or `error_code` and `error_message` (v2 job). The causes come from "
            "the cloud, for instance that an image file is missing, that QEMU ended, or that the guest did not answer "
            "in time."
        ),
    )


def _kind(kind: errors.ErrorKind) -> str:
    rows = [
        ["Sent as", f"status {kind.status}, code `{kind.code}`"],
        ["Message", kind.message],
        ["When", kind.when],
        ["What you do", kind.user],
        ["What the operator does", kind.operator],
    ]
    return f"## {kind.name}\n\n" + table(["", ""], rows)


def _families(operations: Sequence[Operation]) -> str:
    families: dict[tuple[tuple[int, str], ...], list[str]] = defaultdict(list)
    for each in operations:
        if each.codes:
            families[tuple(sorted(each.codes.items()))].append(each.name)
    rows = (
        [", ".join(f"{status}: `{code}`" for status, code in codes), ", ".join(sorted(names))]
        for codes, names in sorted(families.items(), key=lambda family: family[0][0][1])
    )
    return table(["Status and code", "Operations"], rows)


def _shape(operations: Sequence[Operation]) -> str:
    """How a surface refuses, by the example of one of its operations."""
    shown = next((each for each in operations if errors.NOT_FOUND in each.errors), operations[0])
    body = SHAPES[shown.surface](errors.NOT_FOUND.error(), shown, "5f0c…")
    kinds = (errors.INVALID, errors.UNAUTHENTICATED, errors.FORBIDDEN, errors.FOREIGN_PROJECT)
    codes = ", ".join(dict.fromkeys(f"{kind.status} `{_sent_code(kind, shown)}`" for kind in kinds))
    name = f"**{SURFACES[shown.surface]}**, here {shown.name}; other statuses: {codes}."
    return f"{name}\n\n```json\n{json.dumps(body, ensure_ascii=False)}\n```"


def _sent_code(kind: errors.ErrorKind, operation: Operation) -> str:
    body: Any = SHAPES[operation.surface](kind.error(), operation, "")
    inner = body.get("error", body)
    return str(inner.get("error_code", inner.get("code")))
