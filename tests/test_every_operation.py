"""Every operation of the table, asked by those who may not: unknown, forged, expired, from elsewhere, not allowed.

The table is read from `/openapi.json`, so a new operation is in here by existing; one whose path has a parameter
that `PLACES` does not know fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from goldsmith.iam.tokens import Tokens
from goldsmith.setup import TOKEN_KEYS
from tests.database import change, contents, rows
from tests.service import PROJECT, Service, leftovers

BROKEN = b'{"not": json'
DAY_MS = 24 * 3600 * 1000
PLACES = {
    "project_id": PROJECT, "server_id": "1", "job_id": "1", "app_group_id": "1", "image_id": "1", "policy_id": "1",
    "access_key": "AK", "domain_id": "1", "enterprise_project_id": "1", "server_group_id": "1", "role_id": "1",
    "vpc_id": "1", "version_id": "v1", "group_id": "1", "user_id": "1", "granted_project_id": "1", "port_id": "1",
    "subnet_id": "1", "app_id": "1", "sub_job_id": "1", "id": "1", "key_id": "1", "hook_id": "1", "event_id": "1",
    "delivery_id": "1", "webhook_id": "1", "tag_key": "k", "resource_id": "1", "resource_type": "imageServer",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """An operation as the document has it, with a path that can be asked."""

    name: str
    method: str
    path: str
    entry: dict[str, Any]

    @property
    def is_public(self) -> bool:
        return not self.entry["security"]

    @property
    def is_in_project(self) -> bool:
        return f"/{PROJECT}" in self.path

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.entry

    @property
    def example(self) -> Any:
        for content in self.entry.get("requestBody", {}).get("content", {}).values():
            return content.get("example", {})
        return None


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that does not mind being asked a thousand times by strangers."""
    folder = tmp_path_factory.mktemp("unlimited")
    rates = {"GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0", "GOLDSMITH_LIMITS__LOGINS_PER_SECOND": "0"}
    service = Service(folder / "data", **rates).start()
    yield service
    service.stop()
    assert leftovers(folder) == []


@pytest.fixture(scope="module")
def targets(unlimited: Service) -> list[Target]:
    document = httpx.get(f"{unlimited.endpoint}/openapi.json", timeout=60).json()
    found = [
        Target(entry["operationId"], method.upper(), re.sub(r"{(\w+)}", lambda name: PLACES[name[1]], path), entry)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    ]
    assert len(found) >= 50
    return found


@pytest.fixture(scope="module")
def client(unlimited: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=unlimited.endpoint, trust_env=False) as client:
        yield client


Ask = Callable[[Target, dict[str, str], bytes], httpx.Response]


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    def ask_(target: Target, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
        content = body if target.has_body else b""
        return client.request(
            target.method, target.path, headers={"Content-Type": "application/json", **headers}, content=content
        )

    return ask_


def code_of(answer: httpx.Response) -> str:
    """The code in a refusal of any surface."""
    body = answer.json()
    inner = body.get("error", body)
    return str(inner.get("error_code") or inner.get("code"))


def wrong(answers: dict[str, httpx.Response], status: int) -> dict[str, str]:
    """What was not answered as it should."""
    return {
        name: f"{answer.status_code} {answer.text[:200]}"
        for name, answer in answers.items()
        if answer.status_code != status or not answer.headers.get("X-Request-Id")
    }


def claims(service: Service) -> Any:
    return Tokens(service.data_dir / TOKEN_KEYS).read(service.token(), now_ms())


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def minted(service: Service, user_id: str, project_id: str | None, *, age_ms: int = 0) -> str:
    """A token of our own making."""
    known = claims(service)
    return Tokens(service.data_dir / TOKEN_KEYS).mint(
        user_id=user_id, domain_id=known.domain_id, project_id=project_id, methods=["password"],
        now=now_ms() - age_ms,
    )[0]  # fmt: skip


def test_operation_names_are_unique_and_say_what_they_need(targets: list[Target]) -> None:
    names = [target.name for target in targets]
    assert len(set(names)) == len(names)
    for target in targets:
        if target.is_public:
            assert "x-goldsmith-action" not in target.entry, target.name
        elif target.is_in_project:
            assert target.entry["x-goldsmith-action"], target.name
        assert {"400", "405", "500", "503"} <= set(target.entry["responses"]), target.name
        assert target.entry["summary"], target.name


def test_only_the_login_is_public(targets: list[Target]) -> None:
    assert [target.name for target in targets if target.is_public] == ["KeystoneCreateToken"]


def test_without_credentials_every_operation_is_401(targets: list[Target], ask: Ask, unlimited: Service) -> None:
    before = contents(unlimited.data_dir)
    answers = {target.name: ask(target, {}, BROKEN) for target in targets if not target.is_public}
    assert wrong(answers, 401) == {}
    codes = {code_of(answer) for answer in answers.values() if answer.request.method != "HEAD"}
    assert codes <= {"APIGW.0301", "401"}
    assert contents(unlimited.data_dir) == before


def test_with_a_forged_signature_every_operation_is_401(targets: list[Target], unlimited: Service) -> None:
    before = contents(unlimited.data_dir)
    answers = {}
    for number, target in enumerate(targets):
        if number % 3 == 0:
            unlimited.call("GET", "/v3/auth/domains")  # many failures in a row would lock the key
        if not target.is_public:
            content = BROKEN if target.has_body else b""
            answers[target.name] = unlimited.call(target.method, target.path, content=content, secret="x" * 40)
    assert wrong(answers, 401) == {}
    assert contents(unlimited.data_dir) == before


def test_with_an_expired_token_every_operation_is_401(targets: list[Target], ask: Ask, unlimited: Service) -> None:
    old = minted(unlimited, claims(unlimited).user_id, PROJECT, age_ms=DAY_MS + 1000)
    answers = {target.name: ask(target, {"X-Auth-Token": old}, BROKEN) for target in targets if not target.is_public}
    assert wrong(answers, 401) == {}


def test_with_another_projects_token_every_operation_of_a_project_is_403(
    targets: list[Target], ask: Ask, unlimited: Service
) -> None:
    made = unlimited.call("POST", "/v3/projects", {"project": {"name": "local-1_elsewhere"}})
    assert made.status_code == 201, made.text
    token = unlimited.token({"project": {"id": made.json()["project"]["id"]}})
    before = contents(unlimited.data_dir)
    answers = {target.name: ask(target, {"X-Auth-Token": token}, BROKEN) for target in targets if target.is_in_project}
    assert wrong(answers, 403) == {}
    assert contents(unlimited.data_dir) == before


def test_a_user_without_any_grant_is_403_wherever_there_is_an_action(
    targets: list[Target], ask: Ask, unlimited: Service
) -> None:
    known = claims(unlimited)
    change(
        unlimited.data_dir,
        "INSERT INTO iam_users (id, domain_id, name, description, is_root, enabled, created_at)"
        " SELECT 'nobody', domain_id, 'nobody', '', 0, 1, created_at FROM iam_users WHERE id = ?", known.user_id,
    )  # fmt: skip
    assert rows(unlimited.data_dir, "SELECT id FROM iam_users WHERE id = 'nobody'")
    token = minted(unlimited, "nobody", PROJECT)
    before = contents(unlimited.data_dir)
    answers = {
        target.name: ask(target, {"X-Auth-Token": token}, BROKEN)
        for target in targets
        if "x-goldsmith-action" in target.entry
    }
    assert wrong(answers, 403) == {}
    assert contents(unlimited.data_dir) == before


def test_every_operation_with_a_body_wants_json(
    targets: list[Target], unlimited: Service, client: httpx.Client
) -> None:
    headers = {"X-Auth-Token": unlimited.token(), "Content-Type": "text/plain"}
    before = contents(unlimited.data_dir)
    takes_json = [
        target for target in targets
        if "application/json" in target.entry.get("requestBody", {}).get("content", {})
        and target.method != "DELETE"
    ]  # fmt: skip
    answers = {
        target.name: client.request(target.method, target.path, headers=headers, content=b"{}") for target in takes_json
    }
    assert wrong(answers, 415) == {}
    assert contents(unlimited.data_dir) == before


def test_no_operation_fails_when_its_body_is_broken(targets: list[Target], unlimited: Service, ask: Ask) -> None:
    token = {"X-Auth-Token": unlimited.token()}
    bodies = (BROKEN, b"[]", b"null", b'"x"', b"{}", b'{"a":NaN}', b"[" * 5000)
    for body in bodies:
        answers = {
            target.name: ask(target, token, body)
            for target in targets
            if target.has_body and not (body == b"{}" and target.method == "DELETE")
        }
        assert {name: answer.text for name, answer in answers.items() if answer.status_code >= 500} == {}
