"""What every kind of request leaves in the trail: one record, which says who, what, from where, and how it ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from tests.audit.conftest import Nobody, count, left_by, log_in, new_user, the_one
from tests.database import rows
from tests.service import PROJECT, Service, example


def test_an_accepted_create_leaves_one_record_that_says_everything(service: Service) -> None:
    body = example("audited", enterprise_project_id="0")
    answer = service.call("POST", service.servers(), body, headers={"User-Agent": "probe/1 " + "x" * 400})
    assert answer.status_code == 200, answer.text
    known, record = service.credentials, the_one(service, answer)
    told = {name: record[name] for name in record if name not in {"sequence", "time", "previous_hash", "hash"}}
    assert told == {
        "request_id": answer.headers["x-request-id"], "part": 1, "operation": "CreateImageServer",
        "action": "workspace:imageServer:create", "service": "workspace", "method": "POST",
        "path": f"/v1/{PROJECT}/image-servers", "user_id": told["user_id"], "user_name": known["user_name"],
        "domain_id": known["domain_id"], "domain_name": known["domain_name"], "project_id": PROJECT,
        "credential_kind": "access_key", "credential_id": known["access_key"], "source_ip": "127.0.0.1",
        "user_agent": told["user_agent"], "resource_type": "imageServer", "resource_ids": [],
        "resource_name": "audited", "job_id": answer.json()["job_id"], "enterprise_project_id": "0",
        "outcome": "allowed", "dry": 0, "status": 200, "error_code": "", "decision": told["decision"],
    }  # fmt: skip
    assert len(told["user_id"]) == 32
    assert len(told["user_agent"]) == 200


def test_changes_and_batches_name_what_they_are_about(service: Service) -> None:
    server_id = service.made("audited too")
    change = service.call("PATCH", service.servers(f"/{server_id}"), {"description": "seen"})
    delete = service.call("PATCH", service.servers("/actions/batch-delete"), {"items": [server_id], "recursive": True})
    changed, deleted = the_one(service, change), the_one(service, delete)
    assert (changed["operation"], changed["resource_ids"], changed["job_id"]) == ("UpdateImageServer", [server_id], "")
    assert deleted["resource_ids"] == [server_id]
    assert deleted["job_id"] == delete.json()["job_id"]
    service.wait(deleted["job_id"])


def test_each_family_of_writes_leaves_one_record(service: Service) -> None:
    """IAM, Workspace users, projects: whatever room writes, the trail knows."""
    user = service.call("POST", "/v3/users", {"user": {"name": "family", "password": "Family-1234-x"}})
    user_id = user.json()["user"]["id"]
    group = service.call("POST", "/v3/groups", {"group": {"name": "families"}})
    group_id = group.json()["group"]["id"]
    member = service.call("PUT", f"/v3/groups/{group_id}/users/{user_id}")
    key = service.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": user_id}})
    account = service.call("POST", f"/v2/{PROJECT}/users", {"user_name": "families", "user_email": "f@example.org"})
    gone = service.call("DELETE", f"/v3/users/{user_id}")
    answers = (user, group, member, key, gone)
    assert [answer.status_code for answer in answers] == [201, 201, 204, 201, 204]
    for answer in (*answers, account):
        record = the_one(service, answer)
        assert record["status"] == answer.status_code
        assert record["project_id"] == (PROJECT if answer is account else ""), record
    assert the_one(service, user)["resource_ids"] == [user_id]
    assert the_one(service, member)["resource_ids"] == [group_id, user_id]
    assert the_one(service, key)["resource_ids"] == [user_id, key.json()["credential"]["access"]]


def test_reading_leaves_nothing(service: Service) -> None:
    for path in (service.servers(), service.servers("/none"), "/v3/projects", f"/v1/{PROJECT}/audit-records"):
        assert left_by(service, service.call("GET", path)) == []


def test_a_dry_run_is_marked_dry(service: Service) -> None:
    answer = service.call("POST", service.servers("?dry_run=true"), example("only asking"))
    assert answer.status_code == 200
    record = the_one(service, answer)
    assert (record["outcome"], record["dry"], record["resource_name"]) == ("allowed", 1, "only asking")


def test_a_login_says_who_got_which_token(service: Service, nobody: Nobody) -> None:
    answer = nobody.login()
    record = the_one(service, answer)
    assert answer.status_code == 201
    assert (record["user_id"], record["user_name"], record["project_id"]) == (nobody.id, nobody.name, "")
    assert (record["operation"], record["outcome"], record["dry"]) == ("KeystoneCreateToken", "allowed", 0)
    assert record["credential_kind"] == "token"
    used = the_one(service, service.call("POST", "/v3/users", {}))
    assert used["status"] == 400
    written = httpx.request(
        "POST", service.endpoint + "/v3/users", json={}, headers={"X-Auth-Token": answer.headers["x-subject-token"]}
    )
    assert the_one(service, written)["credential_id"] == record["credential_id"]


def test_a_wrong_password_is_noted_with_the_user_it_was_tried_for(service: Service, nobody: Nobody) -> None:
    answer = nobody.login("Wrong-password-1")
    record = the_one(service, answer)
    assert answer.status_code == 401
    assert (record["outcome"], record["user_id"], record["error_code"]) == ("refused", nobody.id, "APIGW.0301")
    assert (record["credential_id"], record["project_id"]) == ("", "")


def test_a_name_nobody_has_is_not_kept_for_it_may_be_a_password(service: Service) -> None:
    answer = log_in(service, {"name": "My-Secret-Pass1", "password": "x", "domain": {"name": "goldsmith"}})
    record = the_one(service, answer)
    assert (answer.status_code, record["status"], record["user_name"]) == (401, 401, "")
    assert "My-Secret-Pass1" not in str(record)


def test_a_wrong_signature_is_noted_with_the_key_it_was_tried_for(service: Service) -> None:
    for method in ("POST", "GET"):
        answer = service.call(method, service.servers(), secret="not the secret of this key")
        record = the_one(service, answer)
        assert (record["status"], record["credential_id"]) == (401, service.credentials["access_key"])
        assert record["user_name"] == service.credentials["user_name"]
    service.call("GET", service.servers())  # a right one, so that wrong ones do not add up to a lock-out


def test_a_token_that_is_over_is_noted_with_the_user_who_got_it(service: Service, nobody: Nobody) -> None:
    text = nobody.login().headers["x-subject-token"]
    password = {"user": {"password": "Another-secret-1"}}
    assert service.call("PUT", f"/v3.0/OS-USER/users/{nobody.id}", password).status_code == 200
    answer = httpx.get(service.endpoint + service.servers(), headers={"X-Auth-Token": text})
    record = the_one(service, answer)
    assert (answer.status_code, record["user_id"], record["credential_kind"]) == (401, nobody.id, "token")
    assert len(record["credential_id"]) == 32
    broken = the_one(service, httpx.get(service.endpoint + service.servers(), headers={"X-Auth-Token": text[:-9]}))
    assert (broken["status"], broken["user_id"], broken["credential_id"]) == (401, "", "")


def test_no_credential_at_all_is_noted(service: Service) -> None:
    record = the_one(service, httpx.get(service.endpoint + service.servers()))
    assert (record["outcome"], record["status"], record["user_id"]) == ("refused", 401, "")


def test_a_refused_create_leaves_a_record_and_nothing_else(service: Service, nobody: Nobody) -> None:
    before = [count(service, table) for table in ("image_servers", "jobs", "workflows")]
    answer = nobody.call("POST", service.servers(), example("not for you"))
    assert answer.status_code == 403, answer.text
    record = the_one(service, answer)
    assert (record["outcome"], record["user_id"], record["project_id"]) == ("refused", nobody.id, PROJECT)
    assert (record["error_code"], record["resource_name"]) == (answer.json()["error_code"], "not for you")
    assert rows(service.data_dir, "SELECT * FROM image_servers WHERE name = 'not for you'") == []
    assert len(before) == 3


def test_a_refused_read_is_noted_too(service: Service, nobody: Nobody) -> None:
    answer = nobody.call("GET", f"/v1/{PROJECT}/audit-records")
    assert answer.status_code == 403
    assert the_one(service, answer)["operation"] == "ListAuditRecords"


def test_a_refusal_never_stands_in_the_trail_of_the_project_it_was_tried_on(service: Service) -> None:
    answer = service.call("POST", f"/v1/{'f' * 32}/image-servers", example("elsewhere"))
    record = the_one(service, answer)
    assert (answer.status_code, record["project_id"]) == (403, "")
    assert record["path"] == f"/v1/{'f' * 32}/image-servers"


def test_a_write_that_fails_is_noted_as_failed(service: Service) -> None:
    bad = service.call("POST", service.servers(), {"name": "\ud800", "items": ["\x00"]})
    lacking = service.call("PATCH", service.servers("/697612196993040384"), {"name": "new"})
    unreadable = service.call("POST", service.servers(), content=b"{" * 20_000)
    for answer, status in ((bad, 400), (lacking, 404), (unreadable, 400)):
        record = the_one(service, answer)
        assert (answer.status_code, record["status"], record["outcome"]) == (status, status, "failed"), answer.text
        assert record["project_id"] == PROJECT
        assert record["error_code"] == answer.json()["error_code"]


def test_no_secret_is_in_any_record(service: Service) -> None:
    user = new_user(service)
    login = user.login()
    key = service.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": user.id}})
    user.call("POST", service.servers(), example("secretive"))
    user.login("Another-Secret-9")
    service.call("GET", service.servers(), headers={"X-Security-Token": "gold-security-token"})
    service.call("PUT", f"/v3.0/OS-USER/users/{user.id}", {"user": {"password": "Third-Secret-7x"}})
    known = service.credentials
    secrets = (
        user.password, login.headers["x-subject-token"], key.json()["credential"]["secret"], "Another-Secret-9",
        "gold-security-token", "Third-Secret-7x", known["secret_key"], known["password"], "Signature=",
    )  # fmt: skip
    stored = json.dumps(rows(service.data_dir, "SELECT * FROM audit_records"))
    assert [secret for secret in secrets if secret in stored] == []


def test_requests_that_run_together_leave_one_record_each(service: Service) -> None:
    async def all_at_once() -> list[httpx.Response]:
        def create(number: int) -> httpx.Response:
            return service.call("POST", service.servers("?dry_run=false"), example(f"together {number}"))

        return list(await asyncio.gather(*(asyncio.to_thread(create, number) for number in range(20))))

    answers = asyncio.run(all_at_once())
    jobs: list[Any] = [the_one(service, answer)["job_id"] for answer in answers]
    assert jobs == [answer.json().get("job_id", "") for answer in answers]
