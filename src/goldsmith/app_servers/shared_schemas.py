"""Field types and tags that servers, their groups and image servers share (contract: operations, section 0)."""

from __future__ import annotations

from typing import Annotated

import regex
from pydantic import AfterValidator, BeforeValidator, Field

from goldsmith.http.wire import Body, wire_time

NAME = r"^[A-Za-z0-9_\u4e00-\u9fa5-]+( +[A-Za-z0-9_\u4e00-\u9fa5-]+)*$"
NAME_RULE = regex.compile(NAME.strip("^$"))
TAG_KEY = regex.compile(r"(?!_sys_)[\p{L}\p{Z}\p{N}_.:=+\-@]{1,128}(?<!\s)")
TAG_VALUE = regex.compile(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,255}")


def _name(name: str) -> str:
    if not NAME_RULE.fullmatch(name):
        text = "Letters, digits, Chinese characters, _ and - only, with spaces between them but not at either end."
        raise ValueError("pattern", text)
    return name


def _tag_key(key: str) -> str:
    if not TAG_KEY.fullmatch(key):
        text = "Letters, digits, spaces and _.:=+-@ only, not starting with _sys_ and not ending in a space."
        raise ValueError("pattern", text)
    return key


def _tag_value(value: str) -> str:
    if not TAG_VALUE.fullmatch(value):
        raise ValueError("pattern", "Letters, digits, spaces and _.:/=+-@ only.")
    return value


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("characters", "The text must not hold a NUL character.")
    return text


Plain = AfterValidator(_no_nul)
Name = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra={"pattern": NAME}), AfterValidator(_name)]
Description = Annotated[str, Field(max_length=255), Plain]
Moment = Annotated[str, BeforeValidator(wire_time)]
"""A time in an answer, made from milliseconds since 1970."""


class TmsTag(Body):
    """A tag."""

    key: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_tag_key)]
    value: Annotated[str, Field(max_length=255), AfterValidator(_tag_value)] | None = None
