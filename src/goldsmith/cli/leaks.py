"""`goldsmith doctor --leaks`: what belongs to nobody in a data folder, and `--repair`, which clears it away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from goldsmith.cli.data_folder import require_initialised
from goldsmith.cli.problems import Unusable

if TYPE_CHECKING:
    from goldsmith.leaks.service import Repair
    from goldsmith.settings import Settings
    from goldsmith.store import Tx


def examine(settings: Settings, *, repair: bool) -> list[Repair]:
    """Every leak, with what became of it; without `repair` each has the problem that nothing was done."""
    from goldsmith.cli.doctor import Verdict, schema_of

    require_initialised(settings.data_dir)
    schema = schema_of(settings)
    if schema.verdict is not Verdict.OK:
        raise Unusable(
            f"{schema.detail}; leaks can only be found in a database that can be read and is of this version"
        )
    return asyncio.run(_examine(settings, repair))


async def _examine(settings: Settings, repair: bool) -> list[Repair]:
    from goldsmith.app import look_into
    from goldsmith.leaks import service as leaks

    async with look_into(settings) as (store, cloud):
        if repair:
            return await leaks.repair(store, cloud, note=_note)
        return [leaks.Repair(leak, leak.repair) for leak in await leaks.find(store, cloud)]


def _note(tx: Tx, repair: Repair) -> None:
    from goldsmith.audit.command_line import note

    note(
        tx, "goldsmith doctor --leaks --repair", "RepairLeak", service="workspace", resource_type=repair.leak.kind,
        resource_ids=[repair.leak.thing], has_failed=bool(repair.problem),
    )  # fmt: skip


def print_json(found: Sequence[Repair], *, repair: bool) -> None:
    """`{"leaks": [{kind, thing, why, repair, repaired, problem}]}`."""
    rows = [
        {
            "kind": each.leak.kind, "thing": each.leak.thing, "why": each.leak.why, "repair": each.leak.repair,
            "repaired": repair and not each.problem, "problem": each.problem if repair else "",
        }
        for each in found
    ]  # fmt: skip
    print(json.dumps({"leaks": rows}, indent=2, ensure_ascii=False))


def print_table(found: Sequence[Repair], *, repair: bool) -> None:
    """One row a leak, and how many there are."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if found:
        table = Table(box=None, pad_edge=False)
        for heading in ("What", "Which", "Why", "Outcome" if repair else "Repair"):
            table.add_column(heading)
        for each in found:
            last = (f"not repaired: {each.problem}" if each.problem else "repaired") if repair else each.leak.repair
            table.add_row(*map(Text, (each.leak.kind, each.leak.thing, each.leak.why, last)))
        console.print(table)
        console.print()
    left = sum(bool(each.problem) for each in found)
    if not found:
        console.print("No leaks: everything has an owner, every owner has its things, every count is right.")
    elif repair:
        console.print(f"{len(found) - left} repaired, {left} left.")
    else:
        console.print(f"{left} leaks; --repair clears away what can be.")
