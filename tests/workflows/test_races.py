"""Rules that look before they write hold on PostgreSQL, too, when many ask at the same instant."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
from sqlalchemy import select
from tests.service import PROJECT, Service, example, until

from goldsmith.store.postgres import PostgresStore
from goldsmith.workflows.models import workflows

AT_ONCE = 12


def at_once(service: Service, method: str, path: str, *bodies: object) -> list[httpx.Response]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda body: service.call(method, path, body), bodies))


def test_a_user_gets_two_access_keys_however_many_are_asked_for(postgres_service: Service) -> None:
    body = {"user": {"name": f"racer-{uuid4().hex[:8]}", "domain_id": postgres_service.credentials["domain_id"]}}
    user_id = postgres_service.call("POST", "/v3.0/OS-USER/users", body).json()["user"]["id"]
    wanted = {"credential": {"user_id": user_id, "description": "race"}}
    answers = at_once(postgres_service, "POST", "/v3.0/OS-CREDENTIAL/credentials", *[wanted] * AT_ONCE)
    assert Counter(answer.status_code // 100 for answer in answers) == {2: 2, 4: AT_ONCE - 2}


def test_deletions_of_one_server_share_one_workflow_and_all_their_jobs_end(postgres_service: Service) -> None:
    server_id = postgres_service.made("deleted by many")
    body = {"items": [server_id], "recursive": True}
    path = postgres_service.servers("/actions/batch-delete")
    answers = at_once(postgres_service, "PATCH", path, *[body] * AT_ONCE)
    ended = [postgres_service.wait(answer.json()["job_id"]) for answer in answers]
    assert {job["status"] for job in ended} == {"SUCCESS"}
    store = PostgresStore(postgres_service.settings["GOLDSMITH_DATABASE"])
    try:
        found = store.read_now(lambda tx: tx.rows(select(workflows.c.kind).where(workflows.c.subject == server_id)))
    finally:
        store.close()
    assert sorted(row["kind"] for row in found) == ["create_image_server", "delete_image_server"]


def test_a_deletion_asked_for_while_another_ends_never_waits_for_ever(postgres_service: Service) -> None:
    path = postgres_service.servers("/actions/batch-delete")
    for number in range(5):
        server_id = postgres_service.made(f"ending {number}")
        body = {"items": [server_id], "recursive": True}
        job_ids = [postgres_service.call("PATCH", path, body).json()["job_id"]]

        def is_gone(server_id: str = server_id, job_ids: list[str] = job_ids, body: object = body) -> bool:
            answer = postgres_service.call("PATCH", path, body)
            job_ids.append(answer.json()["job_id"])
            return postgres_service.call("GET", postgres_service.servers(f"/{server_id}")).status_code == 404

        until(is_gone, every=0.001)
        assert {postgres_service.wait(job_id, seconds=20)["status"] for job_id in job_ids} == {"SUCCESS"}


def test_a_name_is_given_once(postgres_service: Service) -> None:
    bodies = [example("the one name") for _ in range(AT_ONCE)]
    answers = at_once(postgres_service, "POST", postgres_service.servers(), *bodies)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (AT_ONCE - 1)
    (job_id,) = [answer.json()["job_id"] for answer in answers if answer.status_code == 200]
    made = postgres_service.wait(job_id)["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert postgres_service.delete(made)["status"] == "SUCCESS"
    records = postgres_service.call("GET", f"/v1/{PROJECT}/audit-records?limit=1")
    assert records.status_code == 200
