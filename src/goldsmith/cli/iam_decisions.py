"""`goldsmith iam simulate` and `goldsmith iam decode`: who may do what, and why somebody might not."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldsmith.cli.iam import DEFAULT_DATA_DIR, AsJson, DataDir, User
from goldsmith.cli.problems import Unusable, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

Action = Annotated[list[str], typer.Argument(metavar="ACTION...", help="Such as workspace:imageServer:create.")]
ResourceName = Annotated[
    list[str] | None,
    typer.Option("--resource", metavar="URN", help="service:region:account:type:id; may be given several times."),
]
Project = Annotated[str | None, typer.Option(metavar="PROJECT", help="In this project, instead of in none.")]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context", "-c", metavar="KEY=VALUE", help="A condition key such as g:EnterpriseProjectId=0; again for more."
    ),
]
Message = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="encoded_authorization_message of a refusal, - for stdin.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `goldsmith iam`."""
    for command in (simulate, decode):
        app.command()(command)


def simulate(
    user: User,
    actions: Action,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    resource: ResourceName = None,
    project: Project = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a user may do something, and why, without doing it; exit code 1 when it may not."""
    with explained(data_dir):
        from goldsmith.cli.client import Client

        service = Client(data_dir)
        wanted: dict[str, Any] = {
            "user_id": service.user(user)["id"], "actions": actions, "resources": resource or None,
            "project_id": service.project(project)["id"] if project is not None else None,
            "context": _context(context or []),
        }  # fmt: skip
        sent = {name: value for name, value in wanted.items() if value is not None}
        found = service.call("POST", "/v5/policies/simulate", sent)
        decisions: Sequence[dict[str, Any]] = found["decisions"]
        if as_json:
            print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            for each in decisions:
                print(_line(found["user_name"], each))
    if not all(each["allowed"] for each in decisions):
        raise typer.Exit(1)


def decode(message: Message = "-", data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print the story of a refusal: who, what, why, and everything the decision knew."""
    with explained(data_dir):
        from goldsmith.cli.client import Client

        text = (sys.stdin.read() if message == "-" else message).strip()
        if not text:
            raise Unusable("there is no message; it is encoded_authorization_message in the answer of a refusal")
        answer = Client(data_dir).call("POST", "/v5/decode-authorization-message", {"encoded_message": text})
        print(json.dumps(json.loads(answer["decoded_message"]), indent=2, ensure_ascii=False))


def _line(user_name: str, decision: dict[str, Any]) -> str:
    verdict = "allowed" if decision["allowed"] else "refused"
    words = decision["explanation"].replace("You may", f"{user_name} may", 1)
    return f"{verdict}  {decision['action']}: {words}"


def _context(given: list[str]) -> dict[str, str | list[str]]:
    """Keys with their values; a key given again has several."""
    values: dict[str, list[str]] = {}
    for each in given:
        key, separator, value = each.partition("=")
        if not separator or not key:
            raise Unusable(f"--context takes KEY=VALUE, not {each!r}")
        values.setdefault(key, []).append(value)
    return {key: found[0] if len(found) == 1 else found for key, found in values.items()}
