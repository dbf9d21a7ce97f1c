"""Arrows point down (architecture, section 2): who may import whom, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import goldsmith

ROOT = Path(goldsmith.__file__).parent
DOMAINS = {
    "app_groups", "app_servers", "audit", "catalog", "enterprise_projects", "events", "iam", "image_servers", "images",
    "jobs", "leaks", "networks", "server_groups", "tenancy",
}  # fmt: skip
DRIVERS = {"goldsmith.clouds.qemu", "goldsmith.clouds.simulated"}
BASEMENT = {"errors", "store", "ids", "telemetry"}
"""What every room may stand on."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py")) if "migrations" not in path.parts}


def imports(path: Path) -> Iterator[str]:
    """Modules of goldsmith that a file imports when it runs; what only the type checker reads is left out."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("goldsmith"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("goldsmith"):
            assert node.level == 0, f"{path}: import goldsmith's modules by their full name"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else node.module or ""
        pending.extend(ast.iter_child_nodes(node))


EDGES = sorted({(module, found) for module, path in MODULES.items() for found in imports(path)})


def room(module: str) -> str:
    """`goldsmith.jobs.service` stands in the room `jobs`."""
    return f"{module}.".split(".")[1]


def leaf(module: str) -> str:
    return module.rsplit(".", 1)[-1]


def is_api(module: str) -> bool:
    return leaf(module) == "api" or leaf(module).endswith("_api")


def under(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def edges(rule: object) -> list[str]:
    return [f"{source} imports {found}" for source, found in EDGES if rule(source, found)]  # type: ignore[operator]


def test_every_room_is_known() -> None:
    rooms = {room(module) for module, path in MODULES.items() if path.parent != ROOT}
    assert rooms == DOMAINS | {"http", "workflows", "clouds", "guests", "store", "cli", "demo", "docs"}


def test_only_the_app_knows_the_drivers() -> None:
    may = {"goldsmith.app", "goldsmith.cli.doctor"}  # the doctor examines QEMU itself, before anything runs
    assert not edges(lambda source, found: under(found, *DRIVERS) and source not in may and not under(source, *DRIVERS))


@pytest.mark.parametrize("above", ["goldsmith.app", "goldsmith.cli", "goldsmith.demo", "goldsmith.setup"])
def test_nothing_below_knows_the_top(above: str) -> None:
    top = ("goldsmith.app", "goldsmith.cli", "goldsmith.demo", "goldsmith.setup")
    assert not edges(lambda source, found: under(found, above) and not under(source, *top))


def test_the_engine_and_the_clouds_know_no_domain_and_no_http() -> None:
    upper = {f"goldsmith.{name}" for name in DOMAINS | {"http"}}
    assert not edges(lambda source, found: room(source) in {"workflows", "clouds"} and under(found, *upper))


def test_the_engine_knows_no_cloud_and_the_clouds_no_engine() -> None:
    assert not edges(lambda source, found: {room(source), room(found)} == {"workflows", "clouds"})


def test_the_basement_stands_on_itself() -> None:
    assert not edges(lambda source, found: room(source) in BASEMENT and room(found) not in BASEMENT | {""})


def test_only_apis_and_their_schemas_know_http() -> None:
    # What is done past the service leaves the same entries in the audit trail as a request does.
    may = {"goldsmith.app", "goldsmith.iam.rendering", "goldsmith.iam.surfaces", "goldsmith.audit.command_line"}
    assert not edges(
        lambda source, found: room(found) == "http" and room(source) in DOMAINS and source not in may
        and not is_api(source) and not leaf(source).endswith("schemas") and leaf(source) != "touching"
    )  # fmt: skip


def test_apis_are_known_to_the_app_alone() -> None:
    # Within a room one API may build on another; `iam.management` lists those of its room for the app.
    assert not edges(
        lambda source, found: room(found) in DOMAINS and is_api(found) and source != "goldsmith.app"
        and room(source) != room(found)
    )  # fmt: skip


def test_no_domain_touches_the_tables_of_another() -> None:
    # The leak detector compares the rows of every room with each other: that is what it is for.
    assert not edges(
        lambda source, found: room(found) in DOMAINS and leaf(found) == "models" and room(found) != room(source)
        and source != "goldsmith.tables" and room(source) != "leaks"
    )  # fmt: skip


def test_http_knows_no_domain() -> None:
    assert not edges(lambda source, found: room(source) == "http" and room(found) in DOMAINS)


def test_domains_ask_the_port_and_never_a_machine() -> None:
    assert not edges(
        lambda source, found: room(source) in DOMAINS and under(found, "goldsmith.clouds")
        and found != "goldsmith.clouds.port"
    )  # fmt: skip


def test_rooms_do_not_go_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for source, found in EDGES:
        if room(source) in DOMAINS and room(found) in DOMAINS and room(source) != room(found):
            graph.setdefault(room(source), set()).add(room(found))
    while graph:
        free = {name for name in set().union(*graph.values()) if name not in graph}
        assert free, f"these rooms import each other: {graph}"
        graph = {name: graph[name] - free for name in graph if graph[name] - free}
