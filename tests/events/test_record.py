"""The record of events by itself: pruning, gaps, leases, and addresses webhooks must not lead to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldsmith.events import leases
from goldsmith.events.delivery import pause_after
from goldsmith.events.service import BATCH, Events, Gap, Wanted
from goldsmith.events.targets import rule_against
from goldsmith.events.types import EventType, Subject
from goldsmith.settings import WebhooksSettings
from goldsmith.store import Tx
from goldsmith.store.schema_version import upgrade
from goldsmith.store.sqlite import SqliteStore

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    upgrade(tmp_path / "test.db")
    opened = SqliteStore(tmp_path / "test.db")
    yield opened
    opened.close()


def emit(store: SqliteStore, project: str, count: int) -> None:
    events = Events()

    def work(tx: Tx) -> None:
        for number in range(count):
            events.emit(tx, EventType.JOB_STARTED, Subject(project, str(number)), {})

    store.write_now(work)


def test_the_oldest_are_pruned_in_batches_and_the_newest_stays(store: SqliteStore) -> None:
    events = Events()
    emit(store, "a", 3)
    emit(store, "b", BATCH + 100)

    assert store.write_now(lambda tx: events.prune(tx, keep_ms=DAY_MS, keep_count=10)) == BATCH
    assert store.write_now(lambda tx: events.prune(tx, keep_ms=DAY_MS, keep_count=10)) == 93
    assert store.write_now(lambda tx: events.prune(tx, keep_ms=DAY_MS, keep_count=10)) == 0
    assert len(store.read_now(lambda tx: events.after(tx, "b", 0, Wanted()))) == 10
    assert store.write_now(lambda tx: events.prune(tx, keep_ms=-1, keep_count=10)) == 9
    emit(store, "b", 1)
    assert store.read_now(events.newest) == BATCH + 104


def test_a_gap_is_what_this_project_has_missed(store: SqliteStore) -> None:
    events = Events()
    emit(store, "a", 3)
    emit(store, "b", 7)
    store.write_now(lambda tx: events.prune(tx, keep_ms=DAY_MS, keep_count=2))

    def gap(project: str, sequence: int) -> Gap | None:
        return store.read_now(lambda tx: events.gap(tx, project, sequence))

    assert gap("a", 1) == Gap(1, 3)
    assert gap("a", 3) is None
    assert gap("b", 7) == Gap(7, 8)
    assert gap("b", 8) is None
    assert gap("b", 10) is None
    assert gap("b", 11) == Gap(11, 10)
    assert gap("c", 0) is None


def test_an_event_that_was_rolled_back_never_was(store: SqliteStore) -> None:
    events, woken = Events(), list[int]()
    events.listen(lambda: woken.append(1))

    def work(tx: Tx) -> None:
        events.emit(tx, EventType.JOB_STARTED, Subject("a", "1"), {})
        raise ValueError

    with pytest.raises(ValueError):
        store.write_now(work)
    assert store.read_now(events.newest) == 0
    assert woken == []


def test_a_lease_has_one_holder(store: SqliteStore) -> None:
    def take(who: str, milliseconds: int = 60_000) -> bool:
        return store.write_now(lambda tx: leases.acquire(tx, "x", who, milliseconds))

    assert take("serve@here#1")
    assert not take("serve@here#2")
    assert store.write_now(lambda tx: leases.holds(tx, "x", "serve@here#1"))
    assert not store.write_now(lambda tx: leases.holds(tx, "x", "serve@here#2"))
    store.write_now(lambda tx: leases.release_alike(tx, "x", "serve@here#"))
    assert take("serve@here#2", -1)
    assert take("serve@here#3")


def test_pauses_grow_and_differ() -> None:
    settings = WebhooksSettings()
    for attempts in range(40):
        wanted = min(2.0**attempts, 3600)
        assert wanted * 0.75 <= pause_after(settings, attempts) <= wanted * 1.25
    assert len({pause_after(settings, 3) for _ in range(10)}) > 1


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("8.8.8.8", ""), ("2001:4860:4860::8888", ""), ("127.9.9.9", "loopback"), ("::", "loopback"),
        ("2002:7f00:1::", "loopback"), ("::ffff:169.254.169.254", "metadata"), ("fd00:ec2::254", "metadata"),
        ("fe80::1", "link_local"), ("ff02::1", "multicast"), ("240.0.0.1", "reserved"), ("fec0::1", "private"),
        ("198.18.0.1", "private"), ("255.255.255.255", "reserved"), ("100.100.100.200", "metadata"),
    ],
)  # fmt: skip
def test_the_rule_an_address_breaks(address: str, rule: str) -> None:
    assert rule_against(ipaddress.ip_address(address)) == rule
