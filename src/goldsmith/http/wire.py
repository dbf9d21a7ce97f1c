"""Types and spellings that many operations share (contract: operations, section 0).

The models are built when they are first used: to build them all would be half the time of a start.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from goldsmith.http.parameters import Path, Query

MAX_OFFSET = 2_147_483_647

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Number of records to skip.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Number of records in a page.")]
PathId = Annotated[str, Path(min_length=1, max_length=128)]


class Body(BaseModel):
    """A request body: exact types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Empty(Answer):
    """The answer of operations that return nothing: `{}`."""


class JobId(Answer):
    """The answer of asynchronous operations."""

    job_id: str


Ids = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=20)]


def wire_time(ms: int | None) -> str | None:
    """Milliseconds since 1970 as `2024-05-07T07:54:21.009Z`; None stays None."""
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def wire_seconds(ms: int | None) -> str | None:
    """The same in whole seconds, as the v1 job has it."""
    return None if ms is None else f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}Z"
