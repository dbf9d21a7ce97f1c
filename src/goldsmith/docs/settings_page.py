"""Every setting as a page."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from goldsmith import settings
from goldsmith.docs.markdown import code, page, prose, table
from goldsmith.iam.secrets import VARIABLE as SECRETS_VARIABLE


def settings_page() -> str:
    """Every setting."""
    sections = {name: type(value) for name, value in settings.Settings() if isinstance(value, BaseModel)}
    top = {name: field for name, field in settings.Settings.model_fields.items() if name not in sections}
    parts = ["## Top level\n\n" + _settings_table("", settings.Settings, top)]
    for name, section in sections.items():
        intro = (inspect.getdoc(section) or "").splitlines()[0]
        parts.append(f"## [{name}]\n\n{intro}\n\n" + _settings_table(name, section, section.model_fields))
    return page(
        "Settings",
        prose(
            "A setting comes from the command line (`--data-dir`, `--listen`, `--cloud`), else from the environment, "
            f"else from `{settings.FILE_NAME}` in the data folder, else it has its default. `goldsmith config` prints "
            "what is in force and where it comes from, in a form fit to be saved as that file. A list in the "
            "environment is written as JSON."
        ),
        *parts,
        "## Beside the settings",
        prose(
            f"`{SECRETS_VARIABLE}` in the environment holds the keys that seal stored secrets, separated by spaces, in "
            "place of the file `secrets.key`."
        ),
    )


def _settings_table(section: str, model: type[BaseModel], chosen: dict[str, FieldInfo]) -> str:
    texts = _attribute_docs(model)
    rows = (
        [code(name), _value_kind(field), code(_default(field.default)), code(_variable(section, name)),
         texts.get(name, "")]
        for name, field in chosen.items()
    )  # fmt: skip
    return table(["Setting", "Value", "Default", "Environment", "What it is"], rows)


def _variable(section: str, name: str) -> str:
    return "GOLDSMITH_" + (f"{section}__{name}" if section else name).upper()


def _default(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value)


def _value_kind(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " or ".join(code(str(choice)) for choice in get_args(kind))
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
