"""The settings in force and where each comes from, as TOML (fit to be a `goldsmith.toml`) or as JSON."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from goldsmith.cli.problems import ENVIRONMENT_PREFIX
from goldsmith.settings import Settings
from goldsmith.store.opening import shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: `section` is "" for those of the top level."""

    section: str
    name: str
    value: Any
    source: str


def entries(settings: Settings, options: Collection[str]) -> list[Entry]:
    """Every setting, those without a section first; `options` names those given on the command line."""
    in_file = tomllib.loads(settings.file.read_text(encoding="utf-8")) if settings.file.exists() else {}
    found = [
        Entry(section, name, value, _source(section, name, in_file, options))
        for section, name, value in _flat(settings.model_dump(mode="json"))
    ]
    return sorted(found, key=lambda entry: entry.section)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((name, inner, value[inner]) for inner in value)
        else:
            yield "", name, shown(value) if name == "database" and value else value


def _source(section: str, name: str, in_file: Mapping[str, Any], options: Collection[str]) -> str:
    if not section and name in options:
        return "command line"
    environment = {key.upper() for key in os.environ}
    variable = ENVIRONMENT_PREFIX + (f"{section}__{name}" if section else name).upper()
    whole_section = ENVIRONMENT_PREFIX + section.upper()
    if variable in environment or (section and whole_section in environment):
        return "environment"
    node = in_file.get(section, {}) if section else in_file
    return "goldsmith.toml" if name in node else "default"


def as_toml(found: list[Entry]) -> str:
    """TOML with the source of each setting beside it."""
    lines: list[str] = []
    for section, group in groupby(found, key=lambda entry: entry.section):
        if section:
            lines += ["", f"[{section}]"]
        settings = [(f"{entry.name} = {_toml(entry.value)}", entry.source) for entry in group]
        width = max(len(text) for text, _ in settings)
        lines += [f"{text:<{width}}  # {source}" for text, source in settings]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def as_json(found: list[Entry]) -> str:
    """`{"listen": {"value": …, "source": …}, "qemu": {"binary": {…}}}`."""
    tree: dict[str, Any] = {}
    for entry in found:
        node = tree.setdefault(entry.section, {}) if entry.section else tree
        node[entry.name] = {"value": entry.value, "source": entry.source}
    return json.dumps(tree, indent=2, ensure_ascii=False)
