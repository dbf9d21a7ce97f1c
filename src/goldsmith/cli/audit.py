"""`goldsmith audit`: check the trail on the spot, or read it over the wire."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldsmith.cli.problems import Unusable, explained

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from goldsmith.store.interface import Reader

app = typer.Typer(
    name="audit", help="Who did what, or was refused.", no_args_is_help=True, rich_markup_mode=None
)  # fmt: skip

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", "-d", envvar="GOLDSMITH_DATA_DIR", help="Folder that holds everything goldsmith keeps."),
]
DEFAULT_DATA_DIR = Path("goldsmith-data")
Since = Annotated[datetime | None, typer.Option("--from", help="Not before this local time.")]
Until = Annotated[datetime | None, typer.Option("--to", help="Before this local time.")]
User = Annotated[str | None, typer.Option(help="Id or name.")]
Action = Annotated[str | None, typer.Option(help="Such as workspace:imageServer:create.")]
Outcome = Annotated[str | None, typer.Option(help="allowed, refused or failed.")]
RequestId = Annotated[str | None, typer.Option(help="The X-Request-Id of an answer.")]
Resource = Annotated[str | None, typer.Option(help="Id of a resource or job.")]
CHUNK = 64 * 1024


@app.command()
def verify(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    expect: Annotated[
        str | None, typer.Option(metavar="NUMBER:HASH", help="A record noted before, which must still be there.")
    ] = None,
) -> None:
    """Check the whole trail in the data folder; exit code 1 names the first record that is not as it was written."""
    with explained(data_dir), _database(data_dir) as reader:
        from goldsmith.audit import chain

        fault = chain.verify(reader)
        if fault is None and expect is not None:
            fault = chain.verify_known(reader, *_noted(expect))
        if fault is not None:
            raise Unusable(f"the audit trail is damaged: {fault}")
        head = chain.head_of(reader)
        print(f"The audit trail is whole: {head.count} records, the last is {head.count}:{head.hash}")


@app.command("list")
def list_records(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    since: Since = None,
    until: Until = None,
    user: User = None,
    action: Action = None,
    resource: Resource = None,
    outcome: Outcome = None,
    request_id: RequestId = None,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show records of the default project and its account, newest first; asks the running service."""
    filters = _filters(since, until, user, action, resource, outcome, request_id)
    with explained(data_dir), _answer(data_dir, "", {**filters, "offset": str(offset), "limit": str(limit)}) as answer:
        found = json.load(answer)
        if as_json:
            print(json.dumps(found, indent=2, ensure_ascii=False))
            return
        for record in found["items"]:
            print(_line(record))
        print(f"{len(found['items'])} of {found['count']} records")


@app.command()
def export(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    since: Since = None,
    until: Until = None,
    user: User = None,
    action: Action = None,
    resource: Resource = None,
    outcome: Outcome = None,
    request_id: RequestId = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; otherwise stdout.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Everybody's records with the chain, out of the data folder; no filters.")
    ] = False,
) -> None:
    """Write records as JSON lines; asks the running service."""
    filters = _filters(since, until, user, action, resource, outcome, request_id)
    with explained(data_dir):
        if whole and filters:
            raise Unusable("--whole takes no filters: a chain with gaps proves nothing")
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as file:
            for chunk in _whole(data_dir) if whole else _exported(data_dir, filters):
                file.write(chunk)


def _exported(data_dir: Path, filters: dict[str, str]) -> Iterator[bytes]:
    with _answer(data_dir, "/export", filters) as answer:
        while chunk := answer.read(CHUNK):
            yield chunk


def _whole(data_dir: Path) -> Iterator[bytes]:
    from goldsmith.audit.search import everything

    with _database(data_dir) as reader:
        for row in everything(reader):
            yield json.dumps({name: row[name] for name in row.keys()}, sort_keys=True).encode() + b"\n"  # noqa: SIM118


def _filters(
    since: datetime | None, until: datetime | None, user: str | None, action: str | None, resource: str | None,
    outcome: str | None, request_id: str | None,
) -> dict[str, str]:  # fmt: skip
    given = {
        "from": _milliseconds(since), "to": _milliseconds(until), "user": user, "action": action,
        "resource_id": resource, "outcome": outcome, "request_id": request_id,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def _milliseconds(moment: datetime | None) -> str | None:
    return None if moment is None else str(int(moment.timestamp() * 1000))


def _noted(text: str) -> tuple[int, str]:
    number, _, known_hash = text.partition(":")
    if not number.isdecimal() or len(known_hash) != 64:
        raise Unusable(f"--expect takes NUMBER:HASH as an earlier check printed it, not {text!r}")
    return int(number), known_hash


def _line(record: dict[str, Any]) -> str:
    about = ",".join(record["resource_ids"]) or record["resource_name"] or record["job_id"] or "-"
    words = (
        record["time"], f"{record['outcome']}{' (dry)' if record['dry'] else ''}", str(record["status"]),
        record["operation"], record["user_name"] or "?", record["source_ip"] or "-", about, record["request_id"],
    )  # fmt: skip
    return "  ".join(words)


@contextmanager
def _database(data_dir: Path) -> Iterator[Reader]:
    """The folder's database, which nothing is written to."""
    from goldsmith.cli.data_folder import require_initialised
    from goldsmith.settings import Settings
    from goldsmith.store.opening import DatabaseProblem, reading

    require_initialised(data_dir)
    try:
        with reading(Settings.load(data_dir).database_place) as reader:
            yield reader
    except DatabaseProblem as error:
        raise Unusable(f"the audit trail cannot be read: {error}") from error


@contextmanager
def _answer(data_dir: Path, path: str, query: dict[str, str]) -> Iterator[HTTPResponse]:
    """What the running service answers to a GET below `/audit-records` of the default project."""
    from goldsmith.cli.client import Client

    service = Client(data_dir)
    with service.answering("GET", f"/v1/{service.project_id}/audit-records{path}", query) as answer:
        yield answer
