"""Which user, group, role or policy a call is about, for the decision that comes before its body is validated."""

from __future__ import annotations

import json
from typing import Any

from goldsmith.http.operations import Call, Resource, Touched

KINDS = {"user_id": "user", "group_id": "group", "role_id": "role", "policy_id": "policy"}
"""What the ids of paths and bodies name."""


class TouchesNamed:
    """For API classes whose operations name what they touch in path or body: declare `touches="touched"`."""

    async def touched(self, call: Call, body: bytes) -> Touched:
        """The resource of the operation's own type; where it has none, what the path names first."""
        wanted = call.operation.resource_type
        named = {**_ids(_parsed(body)), **call.path}
        for name, kind in KINDS.items():
            if name in named and wanted in {None, kind}:
                return Touched((Resource(kind, str(named[name])),))
        return Touched((Resource(wanted),) if wanted is not None else ())


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def _ids(found: Any) -> dict[str, str]:
    """Ids at the top of the body or one level below, as `{"credential": {"user_id": …}}` has them."""
    if not isinstance(found, dict):
        return {}
    inner = [value for value in found.values() if isinstance(value, dict)]
    return {name: level[name] for level in (*inner, found) for name in KINDS if isinstance(level.get(name), str)}
