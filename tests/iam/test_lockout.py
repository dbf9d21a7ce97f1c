"""Five failures in a row shut one address out of one credential, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.iam.lockout import LIMIT, Lockout, origin
from goldsmith.iam.login import Login, Scope, UserName
from goldsmith.iam.signature import sign

World = Any
"""`conftest.World`"""
LIMIT_REACHED = "AK access failed to reach the limit,forbidden"


def signed(world: World, secret: str = "", key: str = "") -> dict[str, Any]:
    sent = {"method": "GET", "raw_path": b"/", "query_string": b"", "body": b""}
    account = world.account
    return sent | {"headers": sign(key or account.access_key, secret or account.secret_key, now=world.clock(), **sent)}


async def attempt(world: World, source: str, **request: Any) -> str:
    try:
        await world.iam.authenticate(**signed(world, **request), source_ip=source)
    except ServiceError as error:
        return error.message.rpartition(": ")[2] if error.kind is errors.UNAUTHENTICATED else error.kind.name
    return "in"


async def test_five_wrong_signatures_lock_the_key_for_their_address_only(world: World) -> None:
    for _ in range(LIMIT):
        assert await attempt(world, "10.0.0.1", secret="wrong") == "verify aksk signature fail"
    assert await attempt(world, "10.0.0.1", secret="wrong") == LIMIT_REACHED
    assert await attempt(world, "10.0.0.1") == LIMIT_REACHED
    assert await attempt(world, "10.0.0.2") == "in"
    world.clock.pass_(minutes=5)
    assert await attempt(world, "10.0.0.1") == "in"


async def test_a_good_signature_breaks_the_row(world: World) -> None:
    for _ in range(3):
        for _ in range(LIMIT - 1):
            await attempt(world, "10.0.0.1", secret="wrong")
        assert await attempt(world, "10.0.0.1") == "in"


async def test_an_unknown_key_is_locked_like_a_known_one(world: World) -> None:
    answers = [await attempt(world, "10.0.0.1", key="AKUNKNOWN00000000000") for _ in range(LIMIT + 1)]
    assert answers == ["verify aksk signature fail"] * LIMIT + [LIMIT_REACHED]


async def test_inventing_keys_fills_no_memory_and_lifts_no_lock(world: World) -> None:
    lockout = world.iam.key_failures = Lockout(world.iam.now_ms, size=10)
    for _ in range(LIMIT):
        await attempt(world, "10.0.0.1", secret="wrong")
    for number in range(30):
        await attempt(world, "10.0.0.1", key=f"AKUNKNOWN{number}")
    assert len(lockout) == 11
    assert await attempt(world, "10.0.0.1") == LIMIT_REACHED


async def login(world: World, password: str, source: str, name: str = "admin") -> str:
    try:
        await Login(world.iam).by_password(UserName(name=name, domain_name="goldsmith"), password, Scope(), source)
    except ServiceError as error:
        return error.message if error.kind is errors.UNAUTHENTICATED else error.kind.name
    return "in"


@pytest.mark.parametrize("name", ["admin", "nobody"])
async def test_five_wrong_passwords_lock_the_user_for_their_address_only(world: World, name: str) -> None:
    for _ in range(LIMIT):
        assert "wrong" in await login(world, "wrong", "10.0.0.1", name)
    assert "Too many wrong passwords" in await login(world, world.account.password, "10.0.0.1", name)
    assert await login(world, world.account.password, "10.0.0.2") == "in"
    world.clock.pass_(minutes=5)
    assert ("in" if name == "admin" else "wrong") in await login(world, world.account.password, "10.0.0.1", name)


async def test_the_user_is_the_same_by_name_and_by_id(world: World) -> None:
    for _ in range(LIMIT):
        await login(world, "wrong", "10.0.0.1")
    with pytest.raises(ServiceError, match="Too many"):
        await Login(world.iam).by_password(UserName(id=world.account.user_id), "x", Scope(), "10.0.0.1")


def test_an_ipv6_host_is_its_network() -> None:
    assert origin("2001:db8::1") == origin("2001:db8::ffff:1") != origin("2001:db8:0:1::1")
    assert origin("::ffff:10.0.0.1") == origin("10.0.0.1") == "10.0.0.1"
    assert origin("") == ""
