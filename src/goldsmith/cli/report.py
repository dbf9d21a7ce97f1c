"""The findings of `goldsmith doctor`, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from goldsmith.cli.doctor import Finding, Verdict, is_usable

STYLES = {Verdict.OK: "green", Verdict.NOTE: "dim", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}


def print_table(findings: Sequence[Finding]) -> None:
    """One row a finding; the remedy stands below what it mends."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "What", "State"):
        table.add_column(heading)
    for finding in findings:
        text = f"{finding.detail}\n→ {finding.remedy}" if finding.remedy else finding.detail
        table.add_row(Text(finding.verdict, STYLES[finding.verdict]), finding.subject, Text(text))
    console = Console()
    console.print(table)
    console.print()
    console.print(_sum(findings))


def _sum(findings: Sequence[Finding]) -> str:
    if is_usable(findings):
        return "This machine can run goldsmith."
    failed = sum(finding.verdict is Verdict.FAILED for finding in findings)
    return f"This machine cannot run goldsmith as it is: {failed} to mend."


def print_json(findings: Sequence[Finding]) -> None:
    """`{"usable": …, "findings": [{subject, verdict, detail, remedy}]}`."""
    rows = [{"subject": f.subject, "verdict": f.verdict, "detail": f.detail, "remedy": f.remedy} for f in findings]
    print(json.dumps({"usable": is_usable(findings), "findings": rows}, indent=2, ensure_ascii=False))
