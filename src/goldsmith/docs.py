"""`python -m goldsmith.docs [FOLDER]`: writes the pages of `docs/` that are made from the code.

No service runs for it: operations, workflows, states, settings and rules are read from where they are declared. A
test compares the pages with what would be written, so that they cannot go stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import goldsmith
from goldsmith import docs_reliability, errors, settings
from goldsmith.http import validation
from goldsmith.http.operations import ALWAYS, Operation, Surface, collect
from goldsmith.http.rendering import SHAPES
from goldsmith.iam.secrets import VARIABLE as SECRETS_VARIABLE
from goldsmith.image_servers.states import MOVES, Status, diagram
from goldsmith.jobs.service import FAILURE_CODE
from goldsmith.workflows import Step, Workflow

NOTE = "<!-- Made from the code by `make docs`; changes made here are lost. -->"
WITHOUT_RULES = {"cli", "demo", "clouds", "guests", "openapi"}
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


def main() -> None:
    """Write every page into the folder that is named, else into `docs`."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {name: make() for name, make in PAGES.items()}


# -- what there is ---------------------------------------------------------------------------------------------


@cache
def modules() -> dict[str, Path]:
    """The modules of the service, with their files: all that `app.py` reaches. What is not built in is left out."""
    root = Path(goldsmith.__file__).parent
    found: dict[str, Path] = {}
    pending = ["goldsmith.app"]
    while pending:
        name = pending.pop()
        path = root.joinpath(*name.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in found and path.exists():
            found[name] = path
            pending += _imports(path)
    return dict(sorted(found.items()))


def _imports(path: Path) -> Iterator[str]:
    """What a file imports of goldsmith; some names may be functions or classes rather than modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("goldsmith"):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _classes(module: ModuleType) -> Iterator[type]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if found.__module__ == module.__name__:
            yield found


@cache
def operations() -> tuple[Operation, ...]:
    """The operation table, from every module that is named like an API."""
    found: list[Operation] = []
    for name in modules():
        last = name.rpartition(".")[2]
        if last == "api" or last.endswith("_api"):
            for api in _classes(importlib.import_module(name)):
                found += collect(api)
    return tuple(sorted(found, key=_order))


def _order(operation: Operation) -> tuple[Any, ...]:
    surfaces = list(Surface)
    return (surfaces.index(operation.surface), operation.tag != "image servers", operation.tag, operation.path,
            operation.method)  # fmt: skip


class _Setting(float):
    """A time limit that comes from a setting."""

    name = ""


def workflows() -> list[tuple[Workflow, str]]:
    """Every workflow, with what its module and the function that makes it say of it."""
    found: list[tuple[Workflow, str]] = []
    for name in modules():
        if not name.rpartition(".")[0].endswith(".workflows"):
            continue
        module = importlib.import_module(name)
        for maker in _classes(module):
            for _, make in inspect.getmembers(maker, inspect.isfunction):
                text = f"{(module.__doc__ or '').splitlines()[0]} {inspect.getdoc(make) or ''}"
                made = make.__annotations__.get("return")
                if made == "Workflow":
                    found.append((make(_without_services(maker)), text))
                elif made == "Iterator[Workflow]":
                    found += [(each, text) for each in make(_without_services(maker))]
    return sorted(found, key=lambda each: each[0].kind)


def _without_services(maker: Any) -> Any:
    """An instance that can tell its steps and do none of them."""
    return maker(**{each.name: _limit(each.name) if each.type == "float" else None for each in fields(maker)})


def _limit(name: str) -> float:
    setting = _Setting(getattr(settings.WorkerSettings(), f"{name}_seconds"))
    setting.name = f"worker.{name}_seconds"
    return setting


# -- Markdown --------------------------------------------------------------------------------------------------


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([NOTE, f"# {title}", *(part.strip("\n") for part in parts)]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _prose(text: str) -> str:
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _link(kind: errors.ErrorKind) -> str:
    return f"[{kind.name}](errors.md#{kind.name.lower()})"


# -- errors ----------------------------------------------------------------------------------------------------


def errors_page(table: Sequence[Operation]) -> str:
    """The catalogue, the codes of families, the shapes, and the rules that `details` names."""
    kinds = sorted(errors.CATALOGUE.values(), key=lambda kind: kind.status)
    overview = _table(
        ["Status", "Name", "Code", "Default message"],
        ([str(each.status), f"[{each.name}](#{each.name.lower()})", _code(each.code), each.message] for each in kinds),
    )
    return _page(
        "Errors",
        _prose(
            "Every way in which goldsmith refuses. The status and the message decide; codes are what the published "
            "API has and are not unique. `details`, an extension, lists everything that is wrong with a request: "
            "field, value, rule and message. Every answer carries `X-Request-Id`; the log names the same id."
        ),
        overview,
        *(_kind(each) for each in kinds),
        "## Codes of families",
        _prose(
            "Some families of operations have their own code for a status. It replaces the one above. Codes that "
            "begin with `APIGW.` are never replaced."
        ),
        _families(table),
        "## Shapes",
        _prose(
            "Each surface answers as the service it stands for; a path that is no operation answers as the gateway, "
            "with `error_msg`, `error_code` and `request_id`. The examples are those of an unknown id."
        ),
        *(_shape(found) for found in _by_surface(table)),
        "## Rules in `details`: the shape of a request",
        _shape_rules(),
        "## Rules in `details`: what a request means",
        _prose(
            "A create of an image server is checked as a whole (`image_servers.preflight`): one answer reports every "
            "rule that it breaks. A part in braces is filled in. Status 409 is sent only when nothing but conflicts "
            "was found."
        ),
        _meaning_rules(),
        "## Failed jobs",
        _prose(
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
    return f"## {kind.name}\n\n" + _table(["", ""], rows)


def _families(table: Sequence[Operation]) -> str:
    families: dict[tuple[tuple[int, str], ...], list[str]] = defaultdict(list)
    for each in table:
        if each.codes:
            families[tuple(sorted(each.codes.items()))].append(each.name)
    rows = (
        [", ".join(f"{status}: `{code}`" for status, code in codes), ", ".join(sorted(names))]
        for codes, names in sorted(families.items(), key=lambda family: family[0][0][1])
    )
    return _table(["Status and code", "Operations"], rows)


def _shape(table: Sequence[Operation]) -> str:
    """How a surface refuses, by the example of one of its operations."""
    shown = next((each for each in table if errors.NOT_FOUND in each.errors), table[0])
    body = SHAPES[shown.surface](errors.NOT_FOUND.error(), shown, "5f0c…")
    kinds = (errors.INVALID, errors.UNAUTHENTICATED, errors.FORBIDDEN, errors.FOREIGN_PROJECT)
    codes = ", ".join(dict.fromkeys(f"{kind.status} `{_sent_code(kind, shown)}`" for kind in kinds))
    name = f"**{SURFACES[shown.surface]}**, here {shown.name}; other statuses: {codes}."
    return f"{name}\n\n```json\n{json.dumps(body, ensure_ascii=False)}\n```"


def _sent_code(kind: errors.ErrorKind, operation: Operation) -> str:
    body: Any = SHAPES[operation.surface](kind.error(), operation, "")
    inner = body.get("error", body)
    return str(inner.get("error_code", inner.get("code")))


class _Finding(dict[str, Any]):
    """A finding of pydantic about nothing in particular."""

    def __missing__(self, key: str) -> Any:
        return {"ctx": defaultdict(lambda: "…"), "loc": ("body", "…"), "input": None}[key]


def _shape_rules() -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for rule, text in validation.MESSAGES.values():
        message = text(_Finding())
        if message not in found[rule]:
            found[rule].append(message)
    return _table(["Rule", "Message"], ([_code(rule), " / ".join(texts)] for rule, texts in sorted(found.items())))


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A rule as the code that checks it spells it."""

    place: str
    line: int
    name: str
    field: str
    message: str
    is_conflict: bool


def _meaning_rules() -> str:
    rows = (
        [each.place, _code(each.name), _code(each.field), each.message, "409" if each.is_conflict else "400"]
        for each in sorted(rules())
    )
    return _table(["Checked in", "Rule", "Field", "Message", "Status"], rows)


def rules() -> Iterator[Rule]:
    """Every rule beyond the shape of a request, from the source of the rooms that check one."""
    for name, path in modules().items():
        place = name.removeprefix("goldsmith.")
        if "." in place and WITHOUT_RULES.isdisjoint(place.split(".")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _rules_in(node, place)


def _rules_in(function: ast.FunctionDef | ast.AsyncFunctionDef, place: str) -> Iterator[Rule]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in {"_add", "add", "Problem"} and len(call.args) == 4:
            field, _, rule, message = call.args
        elif name == "ValueError" and len(call.args) == 2:
            field, (rule, message) = ast.Constant(""), call.args
        else:
            continue
        if isinstance(rule, ast.Constant):
            conflict = any(word.arg == "conflict" for word in call.keywords)
            texts = (_text(field, function, call.lineno), _text(message, function, call.lineno))
            yield Rule(place, call.lineno, str(rule.value), texts[0], texts[1], conflict)


def _text(node: ast.expr, function: ast.AST, line: int) -> str:
    """The text that the expression makes, with what is filled in shown in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, function, line) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, function, line)
    if isinstance(node, ast.Name):
        known = _assigned(node.id, function, line)
        return f"{{{node.id}}}" if known is None else _text(known, function, line)
    return f"{{{node.attr}}}" if isinstance(node, ast.Attribute) else "{…}"


def _assigned(name: str, function: ast.AST, line: int) -> ast.expr | None:
    """The text last assigned to a name before this line."""
    found = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and node.lineno <= line and ast.unparse(node.targets[0]) == name
    ]
    last = max(found, key=lambda node: node.lineno, default=None)
    return last.value if last is not None and isinstance(last.value, ast.Constant | ast.JoinedStr) else None


# -- operations and permissions --------------------------------------------------------------------------------


def operations_page(table: Sequence[Operation]) -> str:
    """The operation table, surface by surface."""
    return _page(
        "Operations",
        _prose(
            f"All {len(table)} operations, as they are declared beside their handlers. Fields, limits and examples "
            "are in `/openapi.json` of a running goldsmith. [compatibility.md](compatibility.md) tells how each "
            "compares to the published API."
        ),
        _prose(
            f"Every operation may also answer {', '.join(map(_link, ALWAYS))} and {_link(errors.INVALID)}; those that "
            f"need a credential also {_link(errors.FORBIDDEN)} and {_link(errors.TOO_MANY_REQUESTS)}, those "
            f"of a project {_link(errors.FOREIGN_PROJECT)}, those with a body {_link(errors.BODY_TOO_LARGE)} and "
            f"{_link(errors.UNSUPPORTED_MEDIA_TYPE)}. A path that is no operation answers {_link(errors.NO_SUCH_API)}."
        ),
        *(_surface(found) for found in _by_surface(table)),
        "## Without credentials\n\n`GET /healthz`, `GET /readyz`, `GET /metrics` and `GET /openapi.json`.",
    )


def _by_surface(table: Sequence[Operation]) -> list[list[Operation]]:
    return [list(group) for _, group in groupby(table, key=lambda operation: operation.surface)]


def _surface(table: Sequence[Operation]) -> str:
    head = ["Name", "Request", "What it does", "Action", "Access", "Success", "Errors of its own", "As"]
    return f"## {SURFACES[table[0].surface]}\n\n" + _table(head, (_operation_row(each) for each in table))


def _operation_row(operation: Operation) -> list[str]:
    kind = "extension" if operation.is_extension else "published"
    kind += ", deprecated" if operation.deprecated else ""
    needs = _code(operation.action or "") or ("no credential" if operation.is_public else "any credential")
    own = ", ".join(_link(each) for each in operation.errors) or "-"
    return [
        operation.name, _code(f"{operation.method} {operation.path}"), operation.summary, needs,
        operation.access.value if operation.action else "-", str(operation.success), own, kind,
    ]  # fmt: skip


def permissions_page(table: Sequence[Operation]) -> str:
    """The actions, in the form of a permission table."""
    by_action: dict[str, list[Operation]] = defaultdict(list)
    for each in table:
        by_action[each.action or ""].append(each)
    free = by_action.pop("", [])
    services: dict[str, list[str]] = defaultdict(list)
    for action in sorted(by_action, key=str.lower):
        services[action.partition(":")[0]].append(action)
    head = ["Action", "Access level", "Resource type (*: required)", "Condition keys", "Dependencies", "Operation"]
    parts = [
        f"## {service}\n\n" + _table(head, (_action_row(action, by_action[action]) for action in actions))
        for service, actions in services.items()
    ]
    needs = ([each.name, "nothing" if each.is_public else "a credential"] for each in free)
    listed = _table(["Operation", "Needs"], needs)
    intro = (
        "What each operation asks permission for. A dependency is a further action that the caller needs, because the "
        "operation acts on another service in the caller's name."
    )
    return _page("Permissions", _prose(intro), *parts, "## Operations without an action\n\n" + listed)


def _action_row(action: str, table: Sequence[Operation]) -> list[str]:
    first = table[0]
    return [
        _code(action),
        first.access.value,
        f"{first.resource_type}*" if first.resource_type else "-",
        ", ".join(map(_code, first.condition_keys)) or "-",
        ", ".join(map(_code, first.dependencies)) or "-",
        ", ".join(f"{each.name} ({each.method} {each.path})" for each in table),
    ]


# -- states, workflows, settings -------------------------------------------------------------------------------


def states_page() -> str:
    """The state machine of image servers."""
    reached = {Status.CREATING, *MOVES.values()}
    unreached = ", ".join(f"`{status}`" for status in Status if status not in reached)
    moves = _table(["State", "What happens", "Next state"], ([old, event, new] for (old, event), new in MOVES.items()))
    return _page(
        "States of an image server",
        "Every legal move is written once, in `image_servers/states.py`. No other move can happen.",
        f"```mermaid\n{diagram()}\n```",
        moves,
        f"No operation leads to {unreached} yet; they belong to building an image." if unreached else "",
    ).replace("\n\n\n", "\n")


def workflows_page() -> str:
    """The step tables."""
    return _page(
        "Workflows",
        _prose(
            "What happens after a 200. Every step is recorded before it is begun and after it is done, and so is its "
            "undo. A step that is interrupted is begun again, which is why each says why it may be repeated. When a "
            "step fails for good, all that were begun are undone, the last one first; an undo is tried until it "
            "succeeds."
        ),
        _prose(
            "The limit covers all attempts and waiting of a step. The share is the step's part of the percentage that "
            "a job shows."
        ),
        *(_workflow(workflow, text) for workflow, text in workflows()),
    )


def _workflow(workflow: Workflow, text: str) -> str:
    total = sum(step.weight for step in workflow.steps)
    head = ["Step", "Effect", "Undo", "Why it may be repeated", "Limit", "Weight", "Share"]
    rows = (
        [_code(step.name), step.effect, step.undo_effect, step.repeatable, _limit_text(step), str(step.weight),
         f"{100 * step.weight // total} %"]
        for step in workflow.steps
    )  # fmt: skip
    return f"## {workflow.kind}\n\n{text}\n\n" + _table(head, rows)


def _limit_text(step: Step) -> str:
    if isinstance(step.timeout, _Setting):
        return f"`{step.timeout.name}` ({step.timeout:g} s)"
    return f"{step.timeout:g} s"


def settings_page() -> str:
    """Every setting."""
    sections = {name: type(value) for name, value in settings.Settings() if isinstance(value, BaseModel)}
    top = {name: field for name, field in settings.Settings.model_fields.items() if name not in sections}
    parts = ["## Top level\n\n" + _settings_table("", settings.Settings, top)]
    for name, section in sections.items():
        intro = (inspect.getdoc(section) or "").splitlines()[0]
        parts.append(f"## [{name}]\n\n{intro}\n\n" + _settings_table(name, section, section.model_fields))
    return _page(
        "Settings",
        _prose(
            "A setting comes from the command line (`--data-dir`, `--listen`, `--cloud`), else from the environment, "
            f"else from `{settings.FILE_NAME}` in the data folder, else it has its default. `goldsmith config` prints "
            "what is in force and where it comes from, in a form fit to be saved as that file. A list in the "
            "environment is written as JSON."
        ),
        *parts,
        "## Beside the settings",
        _prose(
            f"`{SECRETS_VARIABLE}` in the environment holds the keys that seal stored secrets, separated by spaces, in "
            "place of the file `secrets.key`."
        ),
    )


def _settings_table(section: str, model: type[BaseModel], chosen: dict[str, FieldInfo]) -> str:
    texts = _attribute_docs(model)
    rows = (
        [_code(name), _value_kind(field), _code(_default(field.default)), _code(_variable(section, name)),
         texts.get(name, "")]
        for name, field in chosen.items()
    )  # fmt: skip
    return _table(["Setting", "Value", "Default", "Environment", "What it is"], rows)


def _variable(section: str, name: str) -> str:
    return "GOLDSMITH_" + (f"{section}__{name}" if section else name).upper()


def _default(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value)


def _value_kind(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " or ".join(_code(str(choice)) for choice in get_args(kind))
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}
    name = names.get(kind, "list of texts") if isinstance(kind, type) else "list of texts"
    signs = {"gt": "over", "ge": "from", "lt": "under", "le": "to"}
    limits = [(word, getattr(each, sign, None)) for each in field.metadata for sign, word in signs.items()]
    bounds = [f"{word} {limit}" for word, limit in limits if limit is not None]
    return " ".join([name, *bounds])


def _attribute_docs(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings that stand under the fields of a class."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, node in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[ast.unparse(before.target)] = " ".join(str(node.value.value).split())
    return found


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": lambda: errors_page(operations()),
    "operations.md": lambda: operations_page(operations()),
    "permissions.md": lambda: permissions_page(operations()),
    "image-server-states.md": states_page,
    "workflows.md": workflows_page,
    "settings.md": settings_page,
    "reliability.md": lambda: _page(
        "Reliability", *docs_reliability.sections([workflow for workflow, _ in workflows()])
    ),
}


if __name__ == "__main__":
    main()
