"""Rate limits: the buckets, and the service that uses them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tests.database import rows
from tests.service import PROJECT, Service, leftovers

from goldsmith.errors import ServiceError
from goldsmith.http.limits import Buckets
from goldsmith.iam.signature import sign

LIST = f"/v1/{PROJECT}/image-servers"


class Clock:
    """A clock the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def waits(buckets: Buckets, key: str) -> int:
    """Take one; 0, or the seconds to wait."""
    try:
        buckets.take(key)
    except ServiceError as error:
        return int(error.headers["Retry-After"])
    return 0


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(2, 3, clock)

    assert [waits(buckets, "a") for _ in range(4)] == [0, 0, 0, 1]
    clock.now += 0.5
    assert [waits(buckets, "a") for _ in range(2)] == [0, 1]
    clock.now += 3600
    assert [waits(buckets, "a") for _ in range(4)] == [0, 0, 0, 1]


def test_refused_requests_cost_nothing_and_the_wait_is_true() -> None:
    clock = Clock()
    buckets = Buckets(0.1, 1, clock)
    assert waits(buckets, "a") == 0

    told = [waits(buckets, "a") for _ in range(100)]

    assert len(set(told)) == 1
    assert 1 <= told[0] <= 10
    clock.now += told[0]
    assert waits(buckets, "a") == 0


def test_nobody_takes_out_of_the_bucket_of_another() -> None:
    buckets = Buckets(1, 1, Clock())

    assert [waits(buckets, key) for key in "aabb"] == [0, 1, 0, 1]


def test_one_refusal_a_minute_goes_on_record() -> None:
    clock = Clock()
    buckets = Buckets(0.001, 1, clock, size=2)

    def is_repeated(key: str) -> bool:
        with pytest.raises(ServiceError) as caught:
            buckets.take(key)
        return caught.value.is_repeated

    assert [waits(buckets, key) > 0 for key in "ab"] == [False, False]
    assert [is_repeated(key) for key in "aaba"] == [False, True, False, True]
    clock.now += 60
    assert [is_repeated(key) for key in "ab"] == [False, False]


def test_a_rate_of_zero_is_no_limit() -> None:
    buckets = Buckets(0, 1, Clock())

    assert {waits(buckets, "a") for _ in range(1000)} == {0}
    assert len(buckets) == 0


def test_memory_is_bounded_and_the_busy_are_not_forgotten() -> None:
    buckets = Buckets(1, 2, Clock(), size=100)
    assert [waits(buckets, "busy") for _ in range(2)] == [0, 0]

    for number in range(50):
        waits(buckets, f"a{number}")

    assert waits(buckets, "busy") == 1
    for number in range(1000):
        waits(buckets, f"b{number}")
    assert len(buckets) == 100


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Service]:
    """A service with a burst of 12 requests, 4 logins, and hardly a rate."""
    folder = tmp_path_factory.mktemp("limited")
    service = Service(
        Path(shutil.copytree(prepared, folder / "data")),
        GOLDSMITH_LIMITS__REQUESTS_PER_SECOND="0.05",
        GOLDSMITH_LIMITS__BURST="12",
        GOLDSMITH_LIMITS__LOGINS_PER_SECOND="0.05",
        GOLDSMITH_LIMITS__LOGIN_BURST="4",
    ).start()
    yield service
    service.stop()
    assert leftovers(folder) == []


def test_limits_in_their_order(limited: Service) -> None:
    """One story, since buckets stay empty: a stranger, a login, the key, the token."""
    tokens = [limited.token() for _ in range(2)]
    known = limited.credentials

    # Strangers, among them one that guesses the access key's id, use up what is theirs ...
    bad = {"X-Auth-Token": "nonsense"}
    host = limited.endpoint.partition("://")[2]
    headers = sign(
        known["access_key"], "guessed", method="GET", raw_path=LIST.encode(), headers=[(b"host", host.encode())],
        now=datetime.now(UTC),
    )  # fmt: skip
    seen = [httpx.get(limited.endpoint + LIST, headers=dict(headers)).status_code for _ in range(4)]
    assert seen == [401] * 4
    seen = [httpx.get(limited.endpoint + LIST, headers=bad).status_code for _ in range(8)]
    assert seen == [401] * 8
    refused = httpx.get(limited.endpoint + LIST, headers=bad)
    assert refused.status_code == 429
    assert refused.json()["error_code"] == "APIGW.0308"
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert httpx.get(limited.endpoint + "/nowhere").status_code == 429
    # ... and neither what is the key's, nor the probes of the monitoring.
    assert limited.call("GET", LIST).status_code == 200
    assert httpx.get(limited.endpoint + "/healthz").status_code == 200

    # The key uses up its own and not the user's tokens'.
    assert [limited.call("GET", LIST).status_code for _ in range(12)] == [200] * 11 + [429]
    assert limited.call("GET", "/v3/projects").json()["error"]["title"] == "Too Many Requests"
    assert limited.call("GET", f"/v3/{PROJECT}/ports").json()["error_code"] == "APIGW.0308"

    # All tokens of the user share.
    def by(token: str) -> int:
        return httpx.get(limited.endpoint + LIST, headers={"X-Auth-Token": token}).status_code

    assert [by(tokens[number % 2]) for number in range(13)] == [200] * 12 + [429]

    # Of each, one refusal is on record, however many came.
    assert [by(tokens[0]) for _ in range(3)] == [429] * 3
    noted = rows(limited.data_dir, "SELECT credential_kind FROM audit_records WHERE status = 429 ORDER BY sequence")
    assert [row["credential_kind"] for row in noted] == ["", "access_key", "token"]


def test_logins_are_limited_before_the_password_is_looked_at(limited: Service) -> None:
    user = {"name": "nobody", "password": "x" * 20, "domain": {"name": "nobody"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}

    answers = [httpx.post(f"{limited.endpoint}/v3/auth/tokens", json=body) for _ in range(5)]

    assert answers[-1].status_code == 429
    assert answers[-1].json() == {
        "error": {"code": 429, "message": "The throttling threshold has been reached.", "title": "Too Many Requests"}
    }
    assert int(answers[-1].headers["Retry-After"]) >= 1
