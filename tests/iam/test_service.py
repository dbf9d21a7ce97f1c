"""Who gets in, into which project, and how soon a change is seen."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.iam import cache
from goldsmith.iam.cache import Recent
from goldsmith.iam.models import access_keys, users
from goldsmith.iam.service import Caller, CredentialKind
from goldsmith.iam.setup import PROJECT_ID, create_account
from goldsmith.iam.signature import sign

World = Any
"""`conftest.World`"""


def signed(world: World, *, key: str = "", secret: str = "", headers: Any = (), **request: Any) -> dict[str, Any]:
    sent = {"method": "GET", "raw_path": b"/v1/x", "query_string": b"", "body": b""} | request
    added = sign(
        key or world.account.access_key, secret or world.account.secret_key,
        headers=[(b"host", b"h"), *headers], now=world.clock(), **sent,
    )  # fmt: skip
    return sent | {"headers": added}


def with_token(text: str, *more: tuple[bytes, bytes]) -> dict[str, Any]:
    headers = [(b"x-auth-token", text.encode()), *more]
    return {"method": "GET", "raw_path": b"/v1/x", "query_string": b"", "body": b"", "headers": headers}


def token_for(world: World, project_id: str | None = PROJECT_ID, user_id: str = "") -> str:
    return world.iam.tokens.mint(
        user_id=user_id or world.account.user_id, domain_id=world.account.domain_id, project_id=project_id,
        methods=["password"], now=world.iam.now_ms(),
    )[0]  # fmt: skip


async def refusal(world: World, request: dict[str, Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        await world.iam.authenticate(**request)
    assert caught.value.kind is errors.UNAUTHENTICATED
    return caught.value.message


async def test_a_signature_names_its_user(world: World) -> None:
    caller = await world.iam.authenticate(**signed(world))
    account = world.account
    assert caller == Caller(
        account.user_id, "admin", account.domain_id, "goldsmith", None, True,
        CredentialKind.ACCESS_KEY, account.access_key,
    )  # fmt: skip


async def test_a_token_names_user_and_project(world: World) -> None:
    caller = await world.iam.authenticate(**with_token(token_for(world)))
    assert (caller.user_name, caller.project_id, caller.credential_kind) == ("admin", PROJECT_ID, "token")
    assert caller.token is not None
    assert caller.credential_id == caller.token.id


async def test_a_signature_decides_even_beside_a_good_token(world: World) -> None:
    bad = signed(world, secret="wrong")
    bad["headers"].append((b"x-auth-token", token_for(world).encode()))
    assert "verify aksk signature fail" in await refusal(world, bad)
    other_scheme = with_token(token_for(world), (b"authorization", b"Bearer x"))
    assert await world.iam.authenticate(**other_scheme)


async def test_an_unknown_key_and_a_wrong_secret_get_the_same_answer(world: World) -> None:
    unknown = await refusal(world, signed(world, key="AKUNKNOWN00000000000"))
    assert unknown == await refusal(world, signed(world, secret="wrong"))
    assert unknown == await refusal(world, signed(world, key="AKUNKNOWN00000000000"))


async def test_trying_many_keys_fills_nothing(world: World) -> None:
    await world.iam.authenticate(**signed(world))
    for number in range(1500):
        await world.iam.directory.key(f"AK{number}")
    directory = world.iam.directory
    assert len(directory._strangers) == 1024
    assert len(directory._keys) == 1


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ([], "x-auth-token not found"),
        ([(b"x-auth-token", b"")], "x-auth-token not found"),
        ([(b"x-auth-token", b"nonsense")], "decrypt token fail"),
        ([(b"x-auth-token", b"a"), (b"x-auth-token", b"b")], "once only"),
        ([(b"authorization", b"SDK-HMAC-SM3 Access=a")], "not supported"),
        ([(b"authorization", b"V11-HMAC-SHA256 Credential=a")], "not supported"),
        ([(b"authorization", b"SDK-HMAC-SHA256 Access=a"), (b"x-security-token", b"t")], "must read"),
    ],
)
async def test_refused_credentials_say_why(world: World, headers: Any, says: str) -> None:
    assert says in await refusal(world, with_token("") | {"headers": headers})


async def change(world: World, statement: Any, *, here: bool = False) -> None:
    def work(tx: Any) -> None:
        tx.run(statement)
        if here:
            tx.after_commit(world.iam.directory.forget)

    await world.store.write(work)


async def test_a_disabled_key_or_user_is_told_so_only_with_a_good_signature(world: World) -> None:
    await change(world, update(access_keys).values(enabled=0), here=True)
    assert "disabled" in await refusal(world, signed(world))
    assert "disabled" not in await refusal(world, signed(world, secret="wrong"))
    await change(world, update(access_keys).values(enabled=1), here=True)
    await change(world, update(users).values(enabled=0), here=True)
    assert "disabled" in await refusal(world, signed(world))
    assert "no longer valid" in await refusal(world, with_token(token_for(world)))


async def test_a_change_elsewhere_is_seen_within_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    for each in vars(world.iam.directory).values():
        if isinstance(each, Recent):
            monkeypatch.setattr(each, "_clock", lambda: now)
    assert await world.iam.authenticate(**signed(world))
    assert await world.iam.authenticate(**with_token(token_for(world)))
    await change(world, update(users).values(enabled=0))
    assert await world.iam.authenticate(**signed(world))
    now += cache.STALE_SECONDS
    assert await refusal(world, signed(world))
    assert await refusal(world, with_token(token_for(world)))


async def test_a_revoked_token_is_over_at_once_and_others_live_on(world: World) -> None:
    first, second = token_for(world), token_for(world)
    caller = await world.iam.authenticate(**with_token(first))
    assert caller.token is not None
    await world.iam.revoke_token(caller.token)
    assert "no longer valid" in await refusal(world, with_token(first))
    assert await world.iam.authenticate(**with_token(second))


async def test_ending_a_users_tokens_spares_later_ones(world: World) -> None:
    old = token_for(world)
    await world.iam.authenticate(**with_token(old))
    await world.iam.revoke_tokens_of(world.account.user_id)
    assert "no longer valid" in await refusal(world, with_token(old))
    world.clock.pass_(milliseconds=1)
    assert await world.iam.authenticate(**with_token(token_for(world)))


async def test_revocations_leave_when_nothing_needs_them(world: World) -> None:
    await world.iam.revoke_tokens_of("a")
    world.clock.pass_(hours=24)
    await world.iam.revoke_tokens_of("b")
    await world.iam.revoke_tokens_of("b")
    rows = world.store.read_now(lambda tx: [row["subject"] for row in tx.rows(_all_revocations())])
    assert rows == ["b"]


def _all_revocations() -> Any:
    from sqlalchemy import select

    from goldsmith.iam.models import revocations

    return select(revocations)


async def test_a_token_of_a_user_who_is_gone_is_refused(world: World) -> None:
    assert "no longer valid" in await refusal(world, with_token(token_for(world, user_id="gone")))


async def foreign(world: World, request: dict[str, Any], project_id: str) -> str:
    async def call() -> None:
        caller = await world.iam.authenticate(**request)
        await world.iam.require_project(caller, project_id)

    with pytest.raises(ServiceError) as caught:
        await call()
    assert caught.value.kind is errors.FOREIGN_PROJECT
    return caught.value.message


async def test_projects_of_others_and_unknown_ones_look_the_same(world: World) -> None:
    other = create_account(
        world.store,
        world.box,
        region="local-1",
        project_id="ff" * 16,
        domain_name="other",
        passwords=world.passwords,
    )
    theirs = await foreign(world, signed(world), other.project_id)
    assert theirs == await foreign(world, signed(world), "no-such-project")
    assert theirs == await foreign(world, signed(world, headers=[(b"x-project-id", b"nowhere")]), PROJECT_ID)
    reverse = signed(world, key=other.access_key, secret=other.secret_key)
    assert await foreign(world, reverse, PROJECT_ID) == theirs
    caller = await world.iam.authenticate(**signed(world))
    await world.iam.require_project(caller, PROJECT_ID)


async def test_a_token_is_good_for_its_own_project_only(world: World) -> None:
    assert "another project" in await foreign(world, with_token(token_for(world, "p2")), PROJECT_ID)
    assert "scoped to the account" in await foreign(world, with_token(token_for(world, None)), PROJECT_ID)
    caller = await world.iam.authenticate(**with_token(token_for(world)))
    assert (await world.iam.require_project(caller, PROJECT_ID)).id == PROJECT_ID
