"""Webhooks over the wire: signed, in order, at least once, tried again, logged, and not into the host's network."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from tests.events.conftest import Receiver
from tests.service import PROJECT, Service, example, until

from goldsmith.setup import DATABASE

HOOKS = f"/v1/{PROJECT}/webhooks"
ENDED = "goldsmith.job.ended"
SECRET = "a-secret-of-the-test"
TRUSTING = {
    "GOLDSMITH_WEBHOOKS__ALLOW_PRIVATE": "true", "GOLDSMITH_WEBHOOKS__FIRST_RETRY_SECONDS": "0.05",
    "GOLDSMITH_WEBHOOKS__LONGEST_RETRY_SECONDS": "0.2", "GOLDSMITH_SIMULATED__SPEED": "20",
}  # fmt: skip


@pytest.fixture
def trusting(new_service: type[Service]) -> Service:
    """A service whose operator lets webhooks lead into the host, and whose pauses are short."""
    return new_service(**TRUSTING).start()


def name() -> str:
    return f"hooked {uuid4().hex[:8]}"


def hook(service: Service, url: str, **more: Any) -> dict[str, Any]:
    answer = service.call("POST", HOOKS, {"url": url, "secret": SECRET, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def log(service: Service, made: dict[str, Any]) -> list[dict[str, Any]]:
    answer = service.call("GET", f"{HOOKS}/{made['id']}/deliveries?limit=100")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def recorded(service: Service) -> list[dict[str, Any]]:
    answer = service.call("GET", f"/v1/{PROJECT}/events?stream=false&limit=1000")
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def is_genuine(headers: dict[str, str], body: bytes, secret: str = SECRET) -> bool:
    """What a receiver does."""
    parts = dict(each.split("=", 1) for each in headers["goldsmith-signature"].split(","))
    wanted = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts["v1"])


def test_events_are_delivered_signed_and_in_order(trusting: Service, receiver: Receiver) -> None:
    made = hook(trusting, receiver.url)
    jobs = [trusting.create(example(name())) for _ in range(5)]
    for job in jobs:
        trusting.wait(job)
    wanted = [each["id"] for each in recorded(trusting)]
    until(lambda: len(receiver.ids) >= len(wanted))

    assert receiver.ids == wanted
    for each in receiver.received:
        assert is_genuine(each.headers, each.body)
        assert not is_genuine(each.headers, each.body + b" ")
        assert each.headers["content-type"].startswith("application/cloudevents+json")
        assert each.headers["host"] == receiver.url.split("/")[2]
        assert each.path == "/hook?a=1"
        assert each.event["specversion"] == "1.0"
    until(lambda: len(log(trusting, made)) == len(wanted))
    assert {(each["status"], each["attempts"], each["response_status"]) for each in log(trusting, made)} == {
        ("delivered", 1, 204)
    }


def test_a_filter_chooses(trusting: Service, receiver: Receiver) -> None:
    hook(trusting, receiver.url, filter={"types": [ENDED]})
    trusting.made(name())
    trusting.made(name())
    until(lambda: len(receiver.received) == 2)
    assert {each.event["type"] for each in receiver.received} == {ENDED}


def test_what_fails_is_tried_again_before_anything_else(trusting: Service, receiver: Receiver) -> None:
    receiver.answers += [500, 302, 404, 429]
    made = hook(trusting, receiver.url, filter={"resource_type": "image_server"})
    trusting.made(name())
    until(lambda: len(receiver.received) == 6)

    assert len(set(receiver.ids[:5])) == 1
    assert receiver.ids[5] != receiver.ids[0]
    second, first = until(lambda: found if len(found := log(trusting, made)) == 2 else None)
    assert (first["attempts"], first["status"], first["response_status"]) == (5, "delivered", 204)
    assert (second["attempts"], second["status"]) == (1, "delivered")
    shown = trusting.call("GET", f"{HOOKS}/{made['id']}").json()
    assert "failing_since" not in shown
    assert "secret" not in shown


def test_deliveries_go_on_after_the_service_is_killed_and_the_clock_set_back(
    new_service: type[Service], receiver: Receiver
) -> None:
    service = new_service(**TRUSTING).start()
    receiver.answers += [500] * 1000
    made = hook(service, receiver.url)
    service.made(name())
    until(lambda: len(receiver.received) > 2)
    assert log(service, made)[0]["status"] == "retrying"
    assert service.call("GET", f"{HOOKS}/{made['id']}").json()["last_error"]
    service.kill()
    with closing(sqlite3.connect(service.data_dir / DATABASE)) as database, database:
        database.execute("UPDATE webhooks SET next_at = next_at + 3600000")
    receiver.answers.clear()
    receiver.received.clear()
    service.start()
    wanted = [each["id"] for each in recorded(service)]
    until(lambda: receiver.ids[-1:] == wanted[-1:])
    assert list(dict.fromkeys(receiver.ids)) == wanted


def test_what_is_too_old_is_given_up_while_the_receiver_is_away(new_service: type[Service], receiver: Receiver) -> None:
    service = new_service(**TRUSTING, GOLDSMITH_WEBHOOKS__GIVE_UP_HOURS="0.0001").start()
    receiver.answers += [503] * 1000
    made = hook(service, receiver.url, filter={"types": [ENDED, "goldsmith.job.started"]})
    service.made(name())
    until(lambda: {each["status"] for each in log(service, made)} == {"failed"} and len(log(service, made)) == 2)
    receiver.answers.clear()
    receiver.received.clear()
    service.made(name())
    until(lambda: len(receiver.received) >= 2)
    assert {each.event["type"] for each in receiver.received} <= {ENDED, "goldsmith.job.started"}


def test_a_disabled_webhook_waits_and_a_changed_secret_counts_at_once(trusting: Service, receiver: Receiver) -> None:
    made = hook(trusting, receiver.url, enabled=False, filter={"types": [ENDED]})
    trusting.made(name())
    one = f"{HOOKS}/{made['id']}"
    changed = trusting.call("PATCH", one, {"enabled": True, "rotate_secret": True}).json()
    until(lambda: receiver.received)
    assert changed["secret"].startswith("whsec-")
    assert is_genuine(receiver.received[0].headers, receiver.received[0].body, changed["secret"])
    assert trusting.call("DELETE", one).status_code == 204
    assert trusting.call("GET", one).status_code == 404
    assert trusting.call("GET", f"{one}/deliveries").status_code == 404


def test_a_test_tells_how_it_went(trusting: Service, receiver: Receiver) -> None:
    made = hook(trusting, receiver.url, enabled=False)
    receiver.answers += [200, 500]
    good, bad = (trusting.call("POST", f"{HOOKS}/{made['id']}/actions/test").json() for _ in range(2))
    assert (good["delivered"], good["response_status"]) == (True, 200)
    assert (bad["delivered"], bad["error"]) == (False, "The receiver answered 500.")
    assert receiver.received[0].event["type"] == "goldsmith.webhook.test"
    assert is_genuine(receiver.received[0].headers, receiver.received[0].body)
    assert [each["status"] for each in log(trusting, made)] == ["failed", "delivered"]


def test_the_log_has_pages(trusting: Service, receiver: Receiver) -> None:
    made = hook(trusting, receiver.url)
    trusting.made(name())
    count = len(recorded(trusting))
    until(lambda: len(log(trusting, made)) == count)
    path = f"{HOOKS}/{made['id']}/deliveries"
    pages = [trusting.call("GET", f"{path}?offset={offset}&limit=5").json() for offset in range(0, count, 5)]
    assert {each["count"] for each in pages} == {count}
    ids = [int(entry["event_id"]) for each in pages for entry in each["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == count


def test_secrets_are_sealed(trusting: Service) -> None:
    hook(trusting, "http://127.0.0.1:1/")
    with closing(sqlite3.connect(trusting.data_dir / DATABASE)) as database:
        [(kept,)] = database.execute("SELECT secret FROM webhooks").fetchall()
    assert SECRET not in kept


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://127.0.0.1/", "loopback"),
        ("https://localhost:8443/", "loopback"),
        ("https://0x7f.1/", "loopback"),
        ("https://[::1]/", "loopback"),
        ("https://0.0.0.0/", "loopback"),
        ("https://10.0.0.8/", "private"),
        ("https://192.168.1.1/", "private"),
        ("https://[::ffff:172.16.0.1]/", "private"),
        ("https://[64:ff9b::a00:1]/", "private"),
        ("https://[fd12::1]/", "private"),
        ("https://169.254.1.1/", "link_local"),
        ("https://169.254.169.254/latest/meta-data/", "metadata"),
        ("https://168.63.129.16/", "metadata"),
        ("https://224.0.0.1/", "multicast"),
        ("https://100.64.0.1/", "reserved"),
        ("https://nobody.invalid/", "resolves"),
        ("http://93.184.215.14/", "https"),
        ("ftp://example.com/", "url"),
        ("https://user:word@example.com/", "url"),
        ("/hook", "url"),
    ],
)
def test_unsafe_targets_are_refused_with_the_rule_they_break(service: Service, url: str, rule: str) -> None:
    answer = service.call("POST", HOOKS, {"url": url})
    assert answer.status_code == 400, answer.text
    [problem] = answer.json()["details"]
    assert (problem["field"], problem["rule"], problem["value"]) == ("url", rule, url)


def test_a_target_that_became_unsafe_is_not_reached(new_service: type[Service], receiver: Receiver) -> None:
    """As when a name is made to lead elsewhere after the webhook was written: every connection checks anew."""
    service = new_service(GOLDSMITH_SIMULATED__SPEED="20").start()
    answer = service.call("POST", HOOKS, {"url": "https://8.8.8.8/", "enabled": False})
    made = answer.json()
    service.stop()
    with closing(sqlite3.connect(service.data_dir / DATABASE)) as database, database:
        database.execute("UPDATE webhooks SET url = ?, enabled = 1", (receiver.url.replace("http:", "https:"),))
    service.start()
    service.made(name())
    until(lambda: log(service, made))
    assert log(service, made)[0]["error"].startswith("loopback: ")
    tested = service.call("POST", f"{HOOKS}/{made['id']}/actions/test").json()
    assert tested["error"].startswith("loopback: ")
    assert receiver.received == []


def test_another_project_knows_no_webhook(service: Service) -> None:
    answer = service.call("POST", HOOKS, {"url": "https://8.8.8.8/", "enabled": False})
    webhook_id = answer.json()["id"]
    created = service.call("POST", "/v3/projects", {"project": {"name": f"local-1_{uuid4().hex[:8]}"}})
    other = f"/v1/{created.json()['project']['id']}/webhooks"
    assert service.call("GET", other).json() == {"count": 0, "items": []}
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"enabled": True}), ("DELETE", "", None), ("GET", "/deliveries", None),
        ("POST", "/actions/test", None),
    ):  # fmt: skip
        assert service.call(method, f"{other}/{webhook_id}{path}", body).status_code == 404
    assert service.call("DELETE", f"{HOOKS}/{webhook_id}").status_code == 204
