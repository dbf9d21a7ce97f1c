"""SQL functions that every database has, spelled the same here whatever it calls them.

Importing this module (the package `store` does) teaches `sqlalchemy.func` what is below: `func.instr(text, part)` is
where a part begins, 0 when it does not occur; `func.json_items(array)` is a table with a column `value`;
`func.json_text(object, name)` is a member that is text, or NULL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


def contains(column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Whether the text has this part, A to Z in either case."""
    return func.instr(func.lower(column), part.encode().lower().decode()) > 0


class instr(GenericFunction[int]):
    """Where the second text begins in the first, from 1; 0 for nowhere."""

    type = Integer()
    inherit_cache = True


class json_items(GenericFunction[Any]):
    """The items of an array in JSON, one a row."""

    inherit_cache = True


class json_text(GenericFunction[str]):
    """The member of an object in JSON that has this name."""

    type = Text()
    inherit_cache = True


@compiles(instr, "postgresql")
def _instr(element: instr, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(json_items)
def _json_items(element: json_items, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(json_items, "postgresql")
def _json_items_postgres(element: json_items, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS json))"


@compiles(json_text)
def _json_text(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    value, name = element.clauses
    return f"json_extract({compiler.process(value, **options)}, '$.' || {compiler.process(name, **options)})"


@compiles(json_text, "postgresql")
def _json_text_postgres(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    value, name = element.clauses
    return f"(CAST({compiler.process(value, **options)} AS json) ->> {compiler.process(name, **options)})"
