"""A change and its record stand or fall together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
from tests.audit.conftest import count, left_by, the_one
from tests.database import change, rows
from tests.service import Service, example

from goldsmith.audit import chain
from goldsmith.setup import DATABASE
from goldsmith.store.sqlite import SqliteReader

STOP = "CREATE TRIGGER stop BEFORE INSERT ON audit_records BEGIN SELECT RAISE(ABORT, 'no more'); END"


def fault_in(service: Service) -> chain.Fault | None:
    with closing(SqliteReader(service.data_dir / DATABASE)) as reader:
        return chain.verify(reader)


@pytest.fixture
def own(new_service: Callable[..., Service]) -> Service:
    service: Service = new_service(GOLDSMITH_SIMULATED__SPEED="20")
    return service.start()


def test_a_service_killed_right_after_its_answer_has_change_and_record(own: Service) -> None:
    for number in range(3):
        answer = own.call("POST", own.servers(), example(f"killed {number}"))
        own.kill()
        assert answer.status_code == 200
        assert the_one(own, answer)["job_id"] == answer.json()["job_id"]
        assert count(own, "image_servers") == number + 1
        assert fault_in(own) is None
        own.start()
    own.call("POST", own.servers(), example("after all"))
    assert fault_in(own) is None


def test_without_its_record_nothing_is_done(own: Service) -> None:
    before = count(own, "audit_records")
    tables = ("image_servers", "jobs", "workflows", "ports", "iam_users")
    counted = [count(own, table) for table in tables]
    change(own.data_dir, STOP)
    answers = [
        own.call("POST", own.servers(), example("unaudited")),
        own.call("POST", own.servers("?dry_run=true"), example("unaudited")),
        own.call("POST", own.servers(), {}),
        own.call("POST", "/v3/users", {"user": {"name": "unaudited", "password": "Unaudited-1x"}}),
        own.call("GET", own.servers(), secret="not the secret"),
        httpx.post(f"{own.endpoint}/v3/auth/tokens", json=login(own)),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert [count(own, table) for table in tables] == counted
    assert own.call("GET", own.servers()).status_code == 200
    change(own.data_dir, "DROP TRIGGER stop")
    assert count(own, "audit_records") == before
    own.create(example("unaudited"))
    assert fault_in(own) is None


def test_a_trail_that_lost_its_end_takes_no_more(own: Service) -> None:
    own.create(example("first"))
    change(own.data_dir, "DELETE FROM audit_head")
    answer = own.call("POST", own.servers(), example("second"))
    assert (answer.status_code, left_by(own, answer)) == (503, [])
    assert rows(own.data_dir, "SELECT * FROM image_servers WHERE name = 'second'") == []


def login(service: Service) -> dict[str, object]:
    known = service.credentials
    user = {"name": known["user_name"], "password": known["password"], "domain": {"name": known["domain_name"]}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
