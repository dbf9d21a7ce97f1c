"""Host names and logins made from names that know no rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldsmith.clouds.port import Refused
from goldsmith.guests.linux import hostname_for, login_for, personalise

ID = "0c4e3a52-7f5f-4d43-a5f0-6d9d1b0a7a11"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build-1", "build-1"),
        ("Design Team 3", "design-team-3"),
        ("镜像服务器", "image-0c4e3a52"),
        ("Büro 张", "buro"),
        ("--..--", "image-0c4e3a52"),
        ("a" * 80, "a" * 63),
        ("a" * 62 + " b", "a" * 62),
        ("x;rm -rf /\n", "x-rm-rf"),
    ],
)
def test_a_host_name_resembles_the_name(name: str, expected: str) -> None:
    assert hostname_for(name, ID) == expected


@given(st.text(max_size=200))
def test_every_name_gives_a_valid_host_name(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", hostname_for(name, ID))


@pytest.mark.parametrize("account", ["administrator", "john.doe", "a_b-c9", "_svc"])
def test_a_usable_account_keeps_its_name(account: str) -> None:
    assert login_for(account) == account
    assert login_for(account.upper()) == account


@pytest.mark.parametrize(
    "account", ["root", "Daemon", "sudo", "www-data", "张伟", "O'Brien", "1st", "-x", "a b", "x" * 33]
)
def test_any_other_account_gets_a_login_of_its_own(account: str) -> None:
    login = login_for(account)
    assert login != account.lower()
    assert re.fullmatch(r".*-[0-9a-f]{8}", login)


@given(st.text(min_size=1, max_size=128))
def test_every_account_gives_a_valid_login(account: str) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_.-]{0,31}", login_for(account))


def test_different_accounts_never_share_a_login() -> None:
    accounts = ["张伟", "李伟", "a b", "a-b", "a  b", "x" * 40, "x" * 41, "O'Brien", "o-brien"]
    assert len({login_for(account) for account in accounts}) == len(accounts)


@pytest.mark.parametrize("password", ["", "two\nlines", "nul\0"])
async def test_a_password_that_would_break_a_line_is_refused(password: str) -> None:
    with pytest.raises(Refused, match="password"):
        await personalise(None, ID, hostname="h", account="a", password=password)  # type: ignore[arg-type]
