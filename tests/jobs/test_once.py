"""The same request again, with the same key, is the same job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.service import PROJECT, Service, example


def post(service: Service, name: str, key: str, header: str = "Idempotency-Key") -> httpx.Response:
    return service.call("POST", service.servers(), example(name), headers={header: key})


@pytest.mark.parametrize("header", ["Idempotency-Key", "Service-Transaction-Id"])
def test_a_repeated_request_returns_the_same_job(service: Service, header: str) -> None:
    name = f"repeated {header}"
    first, again = post(service, name, f"key-{header}", header), post(service, name, f"key-{header}", header)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert service.call("GET", service.servers(f"?server_name={name}")).json()["count"] == 1
    other = post(service, f"other {header}", f"key-{header}", header)
    assert other.status_code == 409
    assert first.json()["job_id"] in other.json()["error_msg"]
    assert service.call("GET", service.servers(f"?server_name=other {header}")).json()["count"] == 0


def test_requests_that_arrive_at_the_same_instant_make_one_job(each_service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(each_service, "at once", "the-same").json()["job_id"], range(16)))
    assert len(set(answers)) == 1


def test_the_key_holds_after_a_crash(new_service_on_each: type[Service]) -> None:
    service = new_service_on_each("crashed").start()
    first = post(service, "before the crash", "crash").json()
    service.kill()
    service.start()
    assert post(service, "before the crash", "crash").json() == first
    assert service.wait(first["job_id"])["status"] == "SUCCESS"


def test_jobs_are_found_by_their_linked_id(each_service: Service) -> None:
    answer = each_service.call("POST", each_service.servers(), example("linked"), headers={"X-Linked-Id": "order-17"})
    path = f"/v1/{PROJECT}/image-server-jobs?job_type=CREATE_SERVER&linked_id=order-17"
    found = each_service.call("GET", path).json()
    assert [job["id"] for job in found["items"]] == [answer.json()["job_id"]]
