"""What every store promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, func, insert, select, update

from goldsmith.errors import CONFLICT, UNAVAILABLE, ServiceError
from goldsmith.store import Duplicate, Integer, Store, Text, Tx, contains
from goldsmith.store.interface import companion
from goldsmith.store.opening import Place, open_store
from goldsmith.store.schema_version import connected

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text, nullable=False))
Work = Callable[[Tx], Any]


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with connected(place) as connection:
        things.metadata.create_all(connection)
        connection.commit()
    store = open_store(place)
    yield store
    store.close()


def add(number: int, text: str = "", then: BaseException | None = None) -> Work:
    def work(tx: Tx) -> int:
        tx.run(insert(things).values(id=number, text=text))
        if then is not None:
            raise then
        return number

    return work


def ids(store: Store) -> list[int]:
    return [row["id"] for row in store.read_now(lambda tx: tx.rows(select(things.c.id).order_by(things.c.id)))]


async def test_a_write_that_fails_leaves_its_neighbours_alone(store: Store) -> None:
    refused = CONFLICT.error("no")
    await store.write(add(1))
    works = (add(2, then=refused), add(1), add(3, then=ValueError("broken")), add(4))
    answers = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
    assert answers[0] is refused
    assert isinstance(answers[1], Duplicate)
    assert isinstance(answers[2], ValueError)
    assert answers[3] == 4
    assert ids(store) == [1, 4]


async def test_many_writers_are_all_answered_and_all_there(store: Store) -> None:
    answers = await asyncio.gather(*(store.write(add(number)) for number in range(300)))
    assert answers == ids(store) == list(range(300))


async def test_calls_after_commit_see_what_was_written_and_a_broken_one_harms_nobody(store: Store) -> None:
    seen: list[list[int]] = []

    def work(tx: Tx) -> None:
        tx.after_commit(lambda: seen.append(ids(store)))
        tx.after_commit(lambda: 1 / 0)
        add(1)(tx)

    await store.write(work)
    with pytest.raises(ValueError, match="broken"):
        await store.write(lambda tx: (tx.after_commit(lambda: seen.append([])), add(2, then=ValueError("broken"))(tx)))
    assert seen == [[1]]


async def test_readers_see_no_half_of_a_write_and_cannot_write(store: Store) -> None:
    seen: list[list[int]] = []
    await store.write(lambda tx: (add(1)(tx), seen.append(ids(store)), add(2)(tx)))
    assert seen == [[]]
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        store.read_now(add(3))
    assert ids(store) == [1, 2]


async def test_the_companion_of_the_caller_runs_in_the_transaction_and_can_refuse_it(store: Store) -> None:
    def follow(tx: Tx, result: Any) -> None:
        add(100 + result)(tx)
        if result == 2:
            raise CONFLICT.error("not witnessed")

    token = companion.set(follow)
    try:
        await store.write(add(1))
        with pytest.raises(ServiceError, match="not witnessed"):
            await store.write(add(2))
        await asyncio.to_thread(store.write_now, add(3))
    finally:
        companion.reset(token)
    await store.write(add(4))
    assert ids(store) == [1, 3, 4, 101, 103]


async def test_what_is_left_for_the_end_comes_last(store: Store) -> None:
    order: list[str] = []

    def work(tx: Tx) -> None:
        tx.at_end(lambda: (order.append("end"), add(2)(tx)))
        order.append("work")

    token = companion.set(lambda tx, result: order.append("companion"))
    try:
        await store.write(work)
    finally:
        companion.reset(token)
    assert order == ["work", "companion", "end"]
    assert ids(store) == [2]


def test_a_lock_keeps_what_is_read_true_until_it_is_written(store: Store, place: Place) -> None:
    store.write_now(add(1, "0"))
    others = [open_store(place) for _ in range(4)]

    def count_on(tx: Tx) -> None:
        tx.lock("counter")
        number = int(tx.scalar(select(things.c.text).where(things.c.id == 1)))
        tx.run(update(things).values(text=str(number + 1)))

    def often(other: Store) -> None:
        for _ in range(25):
            other.write_now(count_on)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(often, others))
    for other in others:
        other.close()
    assert store.read_now(lambda tx: tx.scalar(select(things.c.text))) == "100"


def test_two_that_look_before_they_insert_both_see_the_row_of_the_first(store: Store, place: Place) -> None:
    other, both_have_looked = open_store(place), threading.Barrier(2)

    def once(tx: Tx) -> str:
        if tx.row(select(things.c.id).where(things.c.id == 1)) is not None:
            return "found"
        if not isinstance(place, str) or not both_have_looked.broken:
            with contextlib.suppress(threading.BrokenBarrierError):
                both_have_looked.wait(1)
        add(1)(tx)
        return "made"

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(each.write_now, once) for each in (store, other)]
        assert sorted(answer.result() for answer in answers) == ["found", "made"]
    other.close()


async def test_closing_finishes_what_is_queued_and_refuses_what_comes_later(store: Store) -> None:
    queued = [asyncio.create_task(store.write(add(number))) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    assert await asyncio.gather(*queued) == list(range(20))
    with pytest.raises(ServiceError) as refusal:
        await store.write(add(51))
    assert refusal.value.kind is UNAVAILABLE
    store.close()


def test_integers_have_64_bits_and_text_is_sorted_byte_by_byte(store: Store) -> None:
    largest = 2**63 - 1
    store.write_now(lambda tx: [add(each, text)(tx) for each, text in ((largest, "b"), (2, "B"), (3, "ä"), (4, "_"))])
    rows = store.read_now(lambda tx: tx.rows(select(things).order_by(things.c.text)))
    assert [row["text"] for row in rows] == ["B", "_", "b", "ä"]
    assert rows[2]["id"] == largest
    assert abs(store.read_now(lambda tx: tx.now) - store.write_now(lambda tx: tx.now)) < 60_000


@pytest.mark.parametrize(
    ("part", "found"), [("WORLD", True), ("Hello%", False), ("100%_", True), ("Straße", True), ("strasse", False)]
)
def test_parts_of_text_are_found_whatever_their_case_and_nothing_is_a_wildcard(
    store: Store, part: str, found: bool
) -> None:
    store.write_now(add(1, "Hello World 100%_ Straße"))
    assert bool(store.read_now(lambda tx: tx.row(select(things).where(contains(things.c.text, part))))) is found


def test_members_of_json_are_found(store: Store) -> None:
    store.write_now(add(1, '[{"key": "a", "value": "x\'y"}, {"key": "b"}]'))
    item = func.json_items(things.c.text).table_valued("value")
    query = select(func.json_text(item.c.value, "key").label("k"), func.json_text(item.c.value, "value").label("v"))
    rows = store.read_now(lambda tx: tx.rows(query.select_from(things, item)))
    assert sorted((row["k"], row["v"] or "") for row in rows) == [("a", "x'y"), ("b", "")]
