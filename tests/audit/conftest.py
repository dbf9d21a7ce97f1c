"""Users of every kind on the shared service, and its audit trail read from the database itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.database import rows
from tests.service import PROJECT, Service

ZEROS = "0" * 64


def left_by(service: Service, answer: httpx.Response) -> list[dict[str, Any]]:
    """The records that a request left."""
    wanted = answer.headers["x-request-id"]
    return rows(service.data_dir, "SELECT * FROM audit_records WHERE request_id = ? ORDER BY sequence", wanted)


def the_one(service: Service, answer: httpx.Response) -> dict[str, Any]:
    """The only record of a request."""
    [record] = left_by(service, answer)
    return {**record, "resource_ids": json.loads(record["resource_ids"])}


def count(service: Service, table: str) -> int:
    """How many rows there are."""
    [row] = rows(service.data_dir, f"SELECT count(*) AS count FROM {table}")
    return int(row["count"])


@dataclass
class Nobody:
    """A user who may log in, and no more."""

    service: Service
    id: str
    name: str
    password: str

    def login(self, password: str = "") -> httpx.Response:
        domain = {"name": self.service.credentials["domain_name"]}
        user = {"name": self.name, "password": password or self.password, "domain": domain}
        return log_in(self.service, user)

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        token = self.login().headers["x-subject-token"]
        return httpx.request(method, self.service.endpoint + path, json=body, headers={"X-Auth-Token": token})


def log_in(service: Service, user: dict[str, Any], project: str = PROJECT) -> httpx.Response:
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": project}}}}
    return httpx.post(f"{service.endpoint}/v3/auth/tokens", json=body, headers={"User-Agent": "a test/1"})


def new_user(service: Service) -> Nobody:
    name, password = f"user-{uuid4().hex[:8]}", f"Secret-{uuid4().hex[:12]}"
    answer = service.call("POST", "/v3/users", {"user": {"name": name, "password": password}})
    assert answer.status_code == 201, answer.text
    return Nobody(service, answer.json()["user"]["id"], name, password)


@pytest.fixture
def nobody(service: Service) -> Nobody:
    return new_user(service)
