"""What the code declares: modules, operations and workflows, found without running anything."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import goldsmith
from goldsmith import settings
from goldsmith.http.operations import Operation, Surface, collect
from goldsmith.workflows import Workflow


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


class SettingLimit(float):
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
    setting = SettingLimit(getattr(settings.WorkerSettings(), f"{name}_seconds"))
    setting.name = f"worker.{name}_seconds"
    return setting
