"""Searching the trail over the wire: pages, time ranges, filters, export, and who sees what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.audit.conftest import Nobody, log_in
from tests.service import PROJECT, Service, example

from goldsmith.iam.policies.system import AUDITOR

RECORDS, TRACES = f"/v1/{PROJECT}/audit-records", f"/v3/{PROJECT}/traces"


def found(service: Service, path: str = RECORDS, **query: Any) -> dict[str, Any]:
    text = str(httpx.QueryParams({name.rstrip("_"): value for name, value in query.items()}))
    answer = service.call("GET", f"{path}?{text}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def five(service: Service) -> list[str]:
    """Ids of the records of five creates that went wrong in a way of their own, oldest first."""
    body = {"name": f"five {uuid4().hex[:6]}"}
    return [service.call("POST", service.servers(), body).headers["x-request-id"] for _ in range(5)]


def span(service: Service, five: list[str]) -> dict[str, int]:
    """A time range that holds the five, and nothing of before."""
    times = [found(service, request_id=each)["items"][0]["time"] for each in (five[0], five[-1])]
    first, last = (datetime.fromisoformat(text) for text in times)
    return {"from_": round(first.timestamp() * 1000), "to": round(last.timestamp() * 1000) + 1}


def test_pages_are_newest_first_and_together_complete(service: Service, five: list[str]) -> None:
    query: dict[str, Any] = {**span(service, five), "operation": "CreateImageServer", "outcome": "failed"}
    pages = [found(service, offset=offset, limit=2, **query) for offset in (0, 2, 4, 6)]
    assert [page["count"] for page in pages] == [5] * 4
    assert [item["id"] for page in pages for item in page["items"]] == five[::-1]


def test_the_time_range_includes_its_beginning_and_not_its_end(service: Service, five: list[str]) -> None:
    query = span(service, five)
    everything = found(service, limit=100, **query)["items"]
    assert five[0] in {item["id"] for item in everything}
    earlier = {"from_": query["from_"] - 3_600_000, "to": query["from_"]}
    assert five[0] not in {item["id"] for item in found(service, limit=100, **earlier)["items"]}
    refused = service.call("GET", f"{RECORDS}?from=2&to=1")
    assert refused.status_code == 400


def test_filters_find_by_user_action_resource_outcome_and_request(service: Service, nobody: Nobody) -> None:
    server_id = str(uuid4().int)[:18]
    refused = nobody.call("PATCH", service.servers(f"/{server_id}"), {"name": "x"})
    missing = service.call("PATCH", service.servers(f"/{server_id}"), {"name": "x"})
    ids = [answer.headers["x-request-id"] for answer in (refused, missing)]
    by_resource = {item["id"]: item for item in found(service, resource_id=server_id)["items"]}
    assert set(by_resource) == set(ids)
    assert by_resource[ids[0]]["resource_ids"] == [server_id]
    for query, expected in (
        ({"user": nobody.id}, ids[:1]),
        ({"user": nobody.name}, ids[:1]),
        ({"outcome": "refused"}, ids[:1]),
        ({"outcome": "failed"}, ids[1:]),
        ({"action": "workspace:imageServer:update"}, ids[::-1]),
        ({"action": "workspace:imageServer:create"}, []),
        ({"request_id": ids[1]}, ids[1:]),
    ):
        assert [item["id"] for item in found(service, resource_id=server_id, **query)["items"]] == expected, query


def test_bad_queries_are_refused(service: Service) -> None:
    for query in ("outcome=perhaps", "limit=101", "offset=-1", "from=soon", f"user={'x' * 200}"):
        assert service.call("GET", f"{RECORDS}?{query}").status_code == 400, query
    for query in ("limit=201", "trace_type=other", "trace_rating=bad", "next=nowhere", "from=2&to=1"):
        assert service.call("GET", f"{TRACES}?{query}").status_code == 400, query


def test_the_export_is_one_json_object_a_line_and_complete(service: Service, five: list[str]) -> None:
    answer = service.call("GET", f"{RECORDS}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == found(service)["count"]
    assert [line["id"] for line in lines if line["id"] in five] == five[::-1]
    assert lines[:1] == found(service, limit=1)["items"]
    assert service.call("GET", f"{RECORDS}/export?user=nobody-at-all").text == ""


def test_traces_look_as_published_and_page_by_marker(service: Service, five: list[str]) -> None:
    seen, marker = [], None
    query = {"trace_name": "CreateImageServer", "trace_rating": "warning", "limit": 2}
    while True:
        page = found(service, TRACES, **query, **({"next": marker} if marker else {}))
        seen += [trace["trace_id"] for trace in page["traces"]]
        assert page["meta_data"]["count"] == len(page["traces"]) <= 2
        marker = page["meta_data"]["marker"]
        if marker is None:
            break
    assert seen[:5] == five[::-1]
    assert len(seen) == len(set(seen))
    [trace] = found(service, TRACES, trace_id=five[0])["traces"]
    known = service.credentials
    assert trace["user"]["name"] == known["user_name"]
    assert trace["user"]["access_key_id"] == known["access_key"]
    assert (trace["code"], trace["service_type"], trace["trace_type"]) == ("400", "WORKSPACE", "ApiCall")
    assert found(service, TRACES, trace_type="data")["traces"] == []


def test_traces_are_of_the_last_hour_unless_asked_for(service: Service, five: list[str]) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    to = round(hour_ago.timestamp() * 1000)
    assert found(service, TRACES, to=to)["traces"] == []
    assert {trace["trace_id"] for trace in found(service, TRACES, limit=200)["traces"]} >= set(five)


def test_another_project_sees_nothing_of_it(service: Service, five: list[str]) -> None:
    made = service.call("POST", "/v3/projects", {"project": {"name": f"local-1_{uuid4().hex[:8]}"}})
    other = made.json()["project"]["id"]
    for path in (f"/v1/{other}/audit-records", f"/v1/{other}/audit-records/export", f"/v3/{other}/traces"):
        answer = service.call("GET", path)
        assert answer.status_code == 200, answer.text
        assert not [each for each in five if each in answer.text]
    assert found(service, f"/v1/{other}/audit-records", operation="CreateImageServer")["count"] == 0
    service.call("POST", f"/v1/{other}/image-servers", {"name": "elsewhere"})
    assert found(service, f"/v1/{other}/audit-records", operation="CreateImageServer")["count"] == 1


def test_the_accounts_own_records_are_for_who_may_in_the_account(service: Service, nobody: Nobody) -> None:
    """A user that may list traces in a project sees the project's, not who logs in or manages users."""
    roles = service.call("GET", "/v3/roles?display_name=Tenant%20Administrator").json()["roles"]
    if not roles:
        roles = service.call("GET", "/v3/roles").json()["roles"]
    group = service.call("POST", "/v3/groups", {"group": {"name": f"readers-{uuid4().hex[:6]}"}}).json()["group"]["id"]
    policy = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["cts:trace:list"]}]}
    role = {"display_name": f"readers {uuid4().hex[:6]}", "type": "XA", "description": "", "policy": policy}
    made = service.call("POST", "/v3.0/OS-ROLE/roles", {"role": role})
    assert made.status_code == 201, made.text
    grant = f"/v3/projects/{PROJECT}/groups/{group}/roles/{made.json()['role']['id']}"
    assert service.call("PUT", grant).status_code == 204
    assert service.call("PUT", f"/v3/groups/{group}/users/{nobody.id}").status_code == 204
    create = service.call("POST", service.servers("?dry_run=true"), example("seen by readers"))
    logged_in = nobody.login().headers["x-request-id"]
    answer = nobody.call("GET", f"{RECORDS}?limit=100")
    assert answer.status_code == 200, answer.text
    seen = {item["id"]: item for item in answer.json()["items"]}
    assert create.headers["x-request-id"] in seen
    assert {item["project_id"] for item in seen.values()} == {PROJECT}
    assert found(service, request_id=logged_in)["count"] == 1
    assert found(service, user=nobody.id, operation="KeystoneCreateToken")["count"] >= 2
    attach = f"/v5/policies/{AUDITOR.id}/attach-user"
    assert service.call("POST", attach, {"user_id": nobody.id}).status_code == 200
    for path, kept in ((RECORDS, "items"), (TRACES, "traces")):
        seen = nobody.call("GET", f"{path}?user={nobody.id}&limit=100").json()[kept]
        assert logged_in in {each["request_id"] for each in seen}


def test_refusals_of_callers_that_nobody_knows_can_be_searched(service: Service) -> None:
    """By the account that runs goldsmith; they belong to no account."""
    unknown = httpx.get(service.endpoint + service.servers())
    failed = log_in(service, {"name": "x", "password": "y", "domain": {"name": "z"}})
    for answer in (unknown, failed):
        request_id = answer.headers["x-request-id"]
        (record,) = found(service, request_id=request_id)["items"]
        assert (record["outcome"], record["status"], record["user_id"], record["domain_id"]) == ("refused", 401, "", "")
        assert found(service, request_id=request_id, outcome="allowed")["count"] == 0


def test_a_record_tells_nothing_of_how_much_others_do(service: Service, five: list[str]) -> None:
    [record] = found(service, request_id=five[0])["items"]
    assert set(record) & {"sequence", "previous_hash"} == set()
