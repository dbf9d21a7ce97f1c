"""Making requests that differ from a good one in the parts a test is about."""

from __future__ import annotations

import json
from typing import Any

from tests.service import Service, example

ABSENT = object()


def request(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A request that is accepted, with some parts changed: `{"root_volume.size": 15, "domain": ABSENT}`."""
    body = example(name, authorize_accounts=[{"account": "administrator", "account_type": "USER"}])
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place: Any = body
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        key: Any = int(last) if isinstance(place, list) else last
        if value is ABSENT:
            del place[key]
        else:
            place[key] = value
    return json.loads(json.dumps(body))


def refused(service: Service, body: Any, *, dry_run: bool = False) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a create."""
    answer = service.call("POST", service.servers("?dry_run=true" if dry_run else ""), body)
    assert answer.status_code != 200, answer.text
    return answer.status_code, answer.json()


def broken_rules(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Field and rule of every problem in a refusal."""
    return [(problem["field"], problem["rule"]) for problem in answer["details"]]
