"""Streams of events over the wire: in order, whole across reconnects and crashes, and only what the caller may see."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import time
from contextlib import closing
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.events.conftest import EVENTS, Subscriber
from tests.service import PROJECT, Service, example, until

from goldsmith.setup import DATABASE

STATUS, ENDED = "goldsmith.image_server.status_changed", "goldsmith.job.ended"


def name() -> str:
    return f"events {uuid4().hex[:8]}"


def page(service: Service, query: str = "") -> dict[str, Any]:
    answer = service.call("GET", f"{EVENTS}?stream=false{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def everything(service: Service, query: str = "") -> list[dict[str, Any]]:
    found, last = list[dict[str, Any]](), "0"
    while True:
        part = page(service, f"&limit=100&last_event_id={last}{query}")
        found, last = found + part["items"], part["last_event_id"]
        if not part["has_more"]:
            return found


def test_a_creation_is_told_from_beginning_to_end(service: Service) -> None:
    with Subscriber(service) as subscriber:
        server_id = service.made(wanted := name())
        subscriber.until(ENDED)
        service.call("PATCH", service.servers(f"/{server_id}"), {"name": wanted + " 2", "description": "new"})
        service.delete(server_id)
        subscriber.until("goldsmith.image_server.deleted", id=server_id)
        subscriber.until(ENDED, 2)

    mine = [each for each in subscriber.events if server_id in str(each.data)]
    assert [each.name for each in mine if ".image_server." in each.name] == [
        "goldsmith.image_server.created", STATUS, "goldsmith.image_server.renamed",
        "goldsmith.image_server.described", STATUS, "goldsmith.image_server.deleted",
    ]  # fmt: skip
    assert [each.data["data"]["status"] for each in mine if each.name == STATUS] == ["ACTIVE", "DELETING"]
    percents = [each.data["data"]["percent"] for each in mine if each.name == "goldsmith.sub_job.progress"]
    assert percents.count(100) == 2
    assert percents[:6] == sorted(percents[:6])
    for each in mine:
        assert each.data["specversion"] == "1.0"
        assert each.data["id"] == each.id
        assert each.data["type"] == each.name
        assert each.data["data"]["enterprise_project_id"] == "0"


def test_numbers_grow_and_nothing_is_told_twice(service: Service) -> None:
    with Subscriber(service) as subscriber:
        service.delete(service.made(name()))
        subscriber.until(ENDED, 2)
    ids = [int(each.id) for each in subscriber.events]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("how", ["header", "query"])
def test_a_client_that_comes_again_misses_nothing(service: Service, how: str) -> None:
    with Subscriber(service) as before:
        server_id = service.made(name())
        before.until(ENDED)
    service.delete(server_id)
    last = before.last
    with Subscriber(service, last=last) if how == "header" else Subscriber(service, f"?last_event_id={last}") as after:
        after.until("goldsmith.image_server.deleted", id=server_id)
        after.until(ENDED)
    seen = [each.id for each in before.events + after.events]
    first = int(seen[0])
    assert seen == [each["id"] for each in everything(service) if first <= int(each["id"]) <= int(seen[-1])]


def test_nothing_is_lost_while_thirty_are_created_and_the_service_is_killed(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__SPEED="20").start()
    seen: list[str] = []
    jobs = []
    with Subscriber(service) as first:
        jobs = [service.create(example(f"crash {number}")) for number in range(15)]
        first.until(ENDED, 2)
        service.kill()
    seen += [each.id for each in first.events]
    last = first.last
    service.start()
    with Subscriber(service, last=last) as second:
        jobs += [service.create(example(f"crash {number}")) for number in range(15, 30)]
        for job in jobs:
            assert service.wait(job)["status"] == "SUCCESS"
        ended = {each.data["data"]["id"] for each in first.events if each.name == ENDED}
        second.until(ENDED, 30 - len(ended))
    seen += [each.id for each in second.events]

    recorded = everything(service)
    assert seen == [each["id"] for each in recorded]
    for job in jobs:
        about = [each["type"].removeprefix("goldsmith.") for each in recorded if job in str(each["data"])]
        assert about[:2] == ["job.started", "image_server.created"]
        assert about[-2:] == ["sub_job.ended", "job.ended"]
        assert about.count("job.ended") == 1
    active = [each for each in recorded if each["type"] == STATUS and each["data"]["status"] == "ACTIVE"]
    assert len({each["data"]["id"] for each in active}) == len(active) == 30


def test_filters(service: Service) -> None:
    first, second = name(), name()
    with Subscriber(service, f"?type={STATUS}&type={ENDED}") as some, Subscriber(service, "?resource_type=job") as jobs:
        server_id, other_id = service.made(first), service.made(second)
        some.until(ENDED, 2)
        jobs.until(ENDED, 2)
    assert {each.name for each in some.events} == {STATUS, ENDED}
    assert {each.data["subject"].split("/")[0] for each in jobs.events} == {"job"}
    about = everything(service, f"&resource_id={server_id}")
    assert "goldsmith.sub_job.ended" in {each["type"] for each in about}
    assert other_id not in str(about)
    assert server_id in str(about)
    bad = service.call("GET", f"{EVENTS}?type=goldsmith.nothing&stream=false")
    assert bad.status_code == 400
    assert service.call("GET", f"{EVENTS}?last_event_id=x").status_code == 400


def test_another_project_sees_nothing(service: Service) -> None:
    made = service.call("POST", "/v3/projects", {"project": {"name": f"local-1_{uuid4().hex[:8]}"}})
    other = made.json()["project"]["id"]
    path = f"/v1/{other}/events"
    with Subscriber(service, path=path, token=service.token({"project": {"id": other}})) as elsewhere:
        with Subscriber(service) as here:
            service.delete(service.made(name()))
            here.until(ENDED, 2)
        assert elsewhere.events == []
    assert service.call("GET", f"{path}?stream=false&last_event_id=0").json()["items"] == []
    refused = httpx.get(f"{service.endpoint}{path}", headers={"X-Auth-Token": service.token()})
    assert refused.status_code == 403


def test_an_enterprise_project_bounds_what_is_seen(service: Service) -> None:
    created = service.call("POST", "/v1.0/enterprise-projects", {"name": f"north-{uuid4().hex[:8]}"})
    assert created.status_code == 201, created.text
    north = created.json()["enterprise_project"]["id"]
    user = f"user-{uuid4().hex[:8]}"
    person = service.call("POST", "/v3/users", {"user": {"name": user, "password": "Secret-4711-x"}}).json()["user"][
        "id"
    ]
    policy = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["workspace:events:list"]}]}
    role = {"display_name": f"events {uuid4().hex[:6]}", "type": "XA", "description": "", "policy": policy}
    role_id = service.call("POST", "/v3.0/OS-ROLE/roles", {"role": role}).json()["role"]["id"]
    granted = service.call("PUT", f"/v3.0/OS-PERMISSION/enterprise-projects/{north}/users/{person}/roles/{role_id}")
    assert granted.status_code == 204, granted.text
    auth = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"id": person, "password": "Secret-4711-x"}},
        },
        "scope": {"project": {"id": PROJECT}},
    }
    login = httpx.post(f"{service.endpoint}/v3/auth/tokens", json={"auth": auth})
    assert login.status_code == 201, login.text

    token = login.headers["x-subject-token"]
    with Subscriber(service, token=token) as subscriber:
        hidden = service.made(name())
        shown = service.made(name(), enterprise_project_id=north)
        subscriber.until(ENDED)
    assert shown in str(subscriber.events)
    assert hidden not in str(subscriber.events)
    assert {each.data["data"]["enterprise_project_id"] for each in subscriber.events} == {north}
    refused = httpx.post(
        f"{service.endpoint}/v1/{PROJECT}/webhooks", json={"url": "https://1.1.1.1/"}, headers={"X-Auth-Token": token}
    )
    assert refused.status_code == 403


def test_a_gap_is_told_once(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__SPEED="20").start()
    service.made(name())
    service.stop()
    with closing(sqlite3.connect(service.data_dir / DATABASE)) as database, database:
        database.execute("DELETE FROM events WHERE sequence <= 5")
        database.execute("INSERT INTO events_pruned VALUES (?, 5)", (PROJECT,))
    service.start()
    with Subscriber(service, last="2") as subscriber:
        subscriber.until(ENDED)
    assert [(each.name, each.data) for each in subscriber.blocks[:1]] == [("gap", {"after": "2", "until": "5"})]
    assert subscriber.events[0].id == "6"
    with Subscriber(service, last=subscriber.blocks[0].id) as again:
        again.until(ENDED)
    assert [each.name for each in again.blocks if each.name == "gap"] == []
    with Subscriber(service, last="999999") as ahead:
        assert ahead.blocks[0].name == "gap"
    assert page(service, "&last_event_id=1")["gap"] == {"after": "1", "until": "5"}


def test_sigterm_ends_open_streams(new_service: type[Service]) -> None:
    service = new_service().start()
    subscribers = [Subscriber(service).__enter__() for _ in range(5)]
    service.stop()
    for each in subscribers:
        assert each.ended.wait(10)
        each.__exit__()
    assert "Cancel" not in service.log()


def test_a_user_may_open_only_so_many_streams(service: Service) -> None:
    token = service.token()
    opened = [Subscriber(service, token=token).__enter__() for _ in range(20)]
    try:
        answer = httpx.get(f"{service.endpoint}{EVENTS}", headers={"X-Auth-Token": token})
        assert answer.status_code == 429
        assert answer.headers["retry-after"]
    finally:
        for each in opened:
            each.__exit__()
    until(lambda: _opens(service, token))


def _opens(service: Service, token: str) -> bool:
    with httpx.stream("GET", f"{service.endpoint}{EVENTS}", headers={"X-Auth-Token": token}) as answer:
        return answer.status_code == 200


def test_changes_of_another_process_arrive_too(new_service: type[Service]) -> None:
    """Latency is printed, never asserted."""
    service = new_service(GOLDSMITH_SIMULATED__SPEED="20").start()
    with Subscriber(service) as subscriber:
        for _ in range(5):
            service.made(name())
        subscriber.until(ENDED, 5)
        with closing(sqlite3.connect(service.data_dir / DATABASE, timeout=10)) as database, database:
            database.execute(
                "INSERT INTO events (project_id, time, type, subject_kind, subject_id, job_id, resource_type, "
                "resource_id, enterprise_project_id, data) "
                "VALUES (?, ?, 'goldsmith.job.progress', 'job', '1', '1', '', '', NULL, '{}')",
                (PROJECT, time.time_ns() // 1_000_000),
            )
        foreign = subscriber.until("goldsmith.job.progress")[-1]
    by_id = {each["id"]: each for each in everything(service)}
    stamp = {each.id: each.at - _seconds(by_id[each.id]["time"]) for each in subscriber.events}
    own = [value for key, value in stamp.items() if key != foreign.id]
    print(f"latency ms: own median {statistics.median(own) * 1e3:.1f}, max {max(own) * 1e3:.1f}; "
          f"another process {stamp[foreign.id] * 1e3:.1f}")  # fmt: skip


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_curl_reads_it_line_by_line(service: Service) -> None:
    command = ["curl", "-sN", "-H", f"X-Auth-Token: {service.token()}", f"{service.endpoint}{EVENTS}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        assert [curl.stdout.readline() for _ in range(2)] == ["retry: 1000\n", "\n"]
        assert curl.stdout.readline().startswith("id: ")
        assert curl.stdout.readline() == "event: ready\n"
        curl.kill()
