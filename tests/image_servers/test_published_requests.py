"""Requests as they are published or really sent, byte for byte, and what Terraform reads of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.service import PROJECT, Service, until

from goldsmith.iam.signature import sign

PUBLISHED = b"""{
  "name" : "Image task 0508",
  "description" : "Test image creation.",
  "availability_zone" : "",
  "image_ref" : {
    "id" : "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",
    "image_type" : "gold",
    "spce_code" : "90a6e84bb3e822fe54999b6be5bbae1e",
    "product_id" : "OFFI874943784560095232"
  },
  "vpc_id" : "59785ba5-e5d5-4836-b9de-19f22ac15175",
  "subnet_id" : "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
  "product_id" : "workspace.x86.performance.xlarge4",
  "attach_apps" : [ ],
  "authorize_accounts" : [ {
    "account" : "administrator",
    "account_type" : "USER",
    "domain" : "wksapp**.huawei.com"
  } ],
  "ou_name" : null,
  "root_volume" : {
    "type" : "SATA",
    "size" : 60
  },
  "is_vdi" : true
}"""
COMPACT = (
    b'{"attach_apps":[],"authorize_accounts":[{"account":"administrator","account_type":"USER","domain":"example.com"}],'
    b'"availability_zone":"","description":"test","image_ref":{"id":"da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",'
    b'"image_type":"gold","product_id":"OFFI874943784560095232","spce_code":"90a6e84bb3e822fe54999b6be5bbae1e"},'
    b'"is_vdi":true,"name":"image-0508","product_id":"workspace.x86.performance.xlarge4",'
    b'"root_volume":{"size":60,"type":"SATA"},"subnet_id":"a5842cb4-5718-4b0a-8b27-3a3e9c74f977",'
    b'"vpc_id":"59785ba5-e5d5-4836-b9de-19f22ac15175"}'
)
TERRAFORM: dict[str, Any] = {
    "authorize_accounts": [{"account": "administrator", "account_type": "USER", "domain": ""}],
    "description": "Created by script", "image_ref": {
        "id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "image_type": "gold",
        "product_id": "OFFI874943784560095232", "spce_code": "90a6e84bb3e822fe54999b6be5bbae1e",
    },
    "is_vdi": True, "name": "tf_acc_test", "product_id": "workspace.x86.performance.xlarge4",
    "root_volume": {"size": 80, "type": "SAS"}, "subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977", "tags": None,
    "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175",
}  # fmt: skip


class Terraform:
    """Sends what the provider's HTTP library sends: few signed headers, no host among them."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        known = self.service.credentials
        payload = b"" if body is None else json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        url = httpx.URL(f"{self.service.endpoint}/v1/{PROJECT}/{path}")
        headers = {"Accept": "application/json", "User-Agent": "terraform-provider-iac golangsdk/2.0.0"}
        headers |= {"Content-Type": "application/json"} if payload else {"X-Language": "en-us"}
        signed = sign(
            known["access_key"], known["secret_key"], method=method, raw_path=url.raw_path.split(b"?")[0],
            query_string=url.query, headers=[(name.lower().encode(), text.encode()) for name, text in headers.items()],
            body=payload, now=datetime.now(UTC),
        )  # fmt: skip
        sent = {name.decode().lower(): text.decode() for name, text in signed} | {"x-project-id": PROJECT}
        assert "host" not in sent["authorization"]
        return httpx.request(method, url, content=payload, headers=sent, verify=False, trust_env=False)

    def ended(self, job_id: str) -> dict[str, Any]:
        """The provider's wait: RUNNING goes on, SUCCESS ends, everything else is an error."""
        assert job_id

        def poll() -> dict[str, Any] | None:
            answer = self.send("GET", f"image-server-jobs/{job_id}")
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            assert job["status"] in {"RUNNING", "SUCCESS"}, job
            return job if job["status"] == "SUCCESS" else None

        return until(poll)

    def create(self, body: dict[str, Any]) -> str:
        answer = self.send("POST", "image-servers", body)
        assert answer.status_code == 200, answer.text
        resource_id: str = self.ended(answer.json()["job_id"])["sub_jobs"][0]["job_resource_info"]["resource_id"]
        assert resource_id
        return resource_id

    def read(self, resource_id: str) -> dict[str, Any]:
        answer = self.send("GET", f"image-servers/{resource_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert datetime.fromisoformat(found["create_time"]).tzinfo is not None
        return found

    def destroy(self, *resource_ids: str) -> None:
        body = {"items": list(resource_ids), "recursive": True}
        answer = self.send("PATCH", "image-servers/actions/batch-delete", body)
        assert answer.status_code == 200, answer.text
        self.ended(answer.json()["job_id"])


@pytest.fixture
def terraform(stocked_service: Service) -> Terraform:
    return Terraform(stocked_service)


def test_the_published_request_makes_a_server_byte_for_byte(service: Service) -> None:
    answer = service.call("POST", service.servers(), content=PUBLISHED)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["job_id"]
    job_id = answer.json()["job_id"]
    assert job_id.isdecimal()
    assert len(job_id) == 18
    first = service.job(job_id)
    assert first["status"] in {"RUNNING", "SUCCESS"}
    server_id = first["sub_jobs"][0]["job_resource_info"]["resource_id"]
    assert int(server_id) > int(job_id)
    job = service.wait(job_id)
    assert job["status"] == "SUCCESS"
    assert int(job["sub_jobs"][0]["id"]) > int(job_id)
    shown = service.call("GET", service.servers(f"/{server_id}")).json()
    sent = json.loads(PUBLISHED)
    for field in ("name", "description", "image_ref", "authorize_accounts"):
        assert shown[field] == sent[field]
    assert shown["enterprise_project_id"] == "0"
    assert service.delete(server_id)["status"] == "SUCCESS"


def test_the_compact_example_of_the_contract_makes_a_server(stocked_service: Service) -> None:
    answer = stocked_service.call("POST", stocked_service.servers(), content=COMPACT)
    assert answer.status_code == 200, answer.text
    job = stocked_service.wait(answer.json()["job_id"])
    assert job["status"] == "SUCCESS"
    assert stocked_service.delete(job["sub_jobs"][0]["job_resource_info"]["resource_id"])["status"] == "SUCCESS"


def test_terraform_creates_reads_renames_and_destroys(terraform: Terraform) -> None:
    resource_id = terraform.create(TERRAFORM)
    state = terraform.read(resource_id)
    for field in ("name", "description", "image_ref", "authorize_accounts"):
        assert state[field] == TERRAFORM[field]
    assert state["enterprise_project_id"] == "0"
    answer = terraform.send("PATCH", f"image-servers/{resource_id}", {"name": "tf_acc_test_2", "description": ""})
    assert answer.status_code == 200
    changed = terraform.read(resource_id)
    assert (changed["name"], changed["description"]) == ("tf_acc_test_2", "")
    listed = terraform.send("GET", f"image-servers?limit=100&offset=0&server_id={resource_id}").json()
    assert (listed["count"], [item["id"] for item in listed["items"]]) == (1, [resource_id])
    past = terraform.send("GET", f"image-servers?limit=100&offset=100&server_id={resource_id}")
    assert (past.status_code, past.json()) == (200, {"count": 1, "items": []})
    terraform.destroy(resource_id)
    assert terraform.send("GET", f"image-servers/{resource_id}").status_code == 404


def test_terraform_makes_a_server_with_several_sessions_and_its_zeros(terraform: Terraform) -> None:
    body = {
        **TERRAFORM, "name": "tf_with_ad", "is_vdi": False, "ou_name": "Sales", "extra_session_type": "CPU",
        "extra_session_size": 2, "route_policy": {"max_session": 3, "cpu_threshold": 80, "mem_threshold": 0},
        "scheduler_hints": {"dedicated_host_id": "", "tenancy": ""}, "availability_zone": "local-1b",
        "authorize_accounts": [{"account": "administrator", "account_type": "USER", "domain": "example.com"}],
        "tags": [{"key": "foo", "value": "bar"}, {"key": "empty"}],
    }  # fmt: skip
    resource_id = terraform.create(body)
    assert terraform.read(resource_id)["authorize_accounts"] == body["authorize_accounts"]
    terraform.destroy(resource_id)


def test_a_route_policy_of_zeros_is_no_policy(terraform: Terraform) -> None:
    zeros = {"max_session": 0, "cpu_threshold": 0, "mem_threshold": 0}
    terraform.destroy(terraform.create({**TERRAFORM, "name": "zeros", "route_policy": zeros}))


def test_deleting_what_does_not_exist_succeeds(terraform: Terraform) -> None:
    terraform.destroy("697612196993040384", "no-such-id")


def test_a_domain_that_was_not_sent_is_not_shown(stocked_service: Service) -> None:
    body = json.loads(COMPACT) | {"name": "no domain"}
    for sent in ({}, {"domain": ""}, {"domain": "example.com"}, {"domain": None}):
        account = {"account": "administrator", "account_type": "USER", **sent}
        job = stocked_service.wait(stocked_service.create(body | {"authorize_accounts": [account]}))
        server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
        shown = stocked_service.call("GET", stocked_service.servers(f"/{server_id}")).json()
        expected = {name: value for name, value in account.items() if value is not None}
        assert shown["authorize_accounts"] == [expected]
        assert stocked_service.delete(server_id)["status"] == "SUCCESS"
