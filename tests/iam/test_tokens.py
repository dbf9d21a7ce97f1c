"""Tokens, key files and secrets at rest."""

from __future__ import annotations

import asyncio
import json
import string
import threading
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.fernet import Fernet

from goldsmith.errors import ServiceError
from goldsmith.iam import secrets as at_rest
from goldsmith.iam.keys import KeyFileProblem, create_key_file, read_key_file, rotate_key_file
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.iam.tokens import LIFE_MS, Tokens, wire_time

NOW = 1_767_323_045_678


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "token.keys")
    return tmp_path / "token.keys"


def mint(tokens: Tokens, **more: object) -> str:
    return tokens.mint(user_id="u", domain_id="d", project_id="p", methods=["password"], now=NOW, **more)[0]  # type: ignore[arg-type]


def refusal(tokens: Tokens, text: str, now: int = NOW) -> str:
    with pytest.raises(ServiceError) as caught:
        tokens.read(text, now)
    assert caught.value.kind.status == 401
    return caught.value.message


def test_a_token_carries_its_claims_for_a_day(keys: Path) -> None:
    tokens = Tokens(keys)
    text = mint(tokens)
    token = tokens.read(text, NOW + LIFE_MS - 1)
    assert (token.user_id, token.domain_id, token.project_id, token.methods) == ("u", "d", "p", ("password",))
    assert (token.issued_at, token.expires_at) == (NOW, NOW + LIFE_MS)
    assert set(text) <= set(string.ascii_letters + string.digits + "-_=")
    assert "token expires, expires_at: 2026-01-03T03:04:05.678000Z" in refusal(tokens, text, NOW + LIFE_MS)


def test_a_token_never_lives_longer_than_a_day(keys: Path) -> None:
    tokens = Tokens(keys)
    assert tokens.read(mint(tokens, expires_at=NOW + 5), NOW).expires_at == NOW + 5
    assert tokens.read(mint(tokens, expires_at=NOW + 2 * LIFE_MS), NOW).expires_at == NOW + LIFE_MS


def test_every_token_has_an_id_of_its_own(keys: Path) -> None:
    tokens = Tokens(keys)
    assert tokens.read(mint(tokens), NOW).id != tokens.read(mint(tokens), NOW).id


def test_whatever_is_not_our_token_is_refused(keys: Path) -> None:
    tokens = Tokens(keys)
    text = mint(tokens)
    foreign = Fernet(Fernet.generate_key()).encrypt(b"\x01[]").decode()
    tampered = text[:40] + ("A" if text[40] != "A" else "B") + text[41:]
    for bad in ("", "x", "ü", "a" * 100_000, tampered, text[:-5], foreign):
        assert refusal(tokens, bad).endswith("decrypt token fail")


def test_another_payload_version_is_refused(keys: Path) -> None:
    text = read_key_file(keys).encrypt(b"\x02" + json.dumps([]).encode()).decode()
    assert refusal(Tokens(keys), text).endswith("decrypt token fail")


def test_rotated_keys_are_taken_up_by_a_running_process_and_old_tokens_stay_good(keys: Path) -> None:
    ours, theirs = Tokens(keys), Tokens(keys)
    old = mint(ours)
    rotate_key_file(keys)
    new = mint(theirs)
    assert ours.read(new, NOW)
    assert ours.read(old, NOW)
    for _ in range(4):
        rotate_key_file(keys)
    assert Tokens(keys).read(mint(ours), NOW)
    assert refusal(Tokens(keys), old)
    assert keys.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in keys.parent.iterdir()] == ["token.keys"]


def test_a_key_file_gone_bad_leaves_the_running_process_going(keys: Path) -> None:
    tokens = Tokens(keys)
    keys.write_text("nonsense")
    assert tokens.read(mint(tokens), NOW)
    keys.unlink()
    assert tokens.read(mint(tokens), NOW)


def test_key_files_are_private_and_never_overwritten(keys: Path) -> None:
    assert keys.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_key_file(keys)
    keys.chmod(0o640)
    with pytest.raises(KeyFileProblem, match="chmod 600"):
        read_key_file(keys)


@pytest.mark.parametrize("content", ["", "short", "\xff"])
def test_a_file_without_keys_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "k"
    path.touch(0o600)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(KeyFileProblem, match="does not hold"):
        read_key_file(path)


def test_a_missing_key_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(KeyFileProblem, match="goldsmith init"):
        SecretBox.load(tmp_path / "none")


def test_times_have_six_fraction_digits() -> None:
    assert wire_time(1_578_042_322_701) == "2020-01-03T09:05:22.701000Z"
    assert wire_time(1_578_042_322_000) == "2020-01-03T09:05:22.000000Z"


def test_a_sealed_secret_is_unreadable_without_its_key(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = SecretBox.load(keys)
    sealed = box.seal("sécret")
    assert "cret" not in sealed
    assert box.open(sealed) == "sécret"
    monkeypatch.setenv("GOLDSMITH_SECRETS_KEY", Fernet.generate_key().decode())
    with pytest.raises(KeyFileProblem, match="not its key"):
        SecretBox.load(keys).open(sealed)


async def test_passwords_are_recognised_and_nobody_has_none(cheap: Passwords) -> None:
    hashed = cheap.hash("right")
    assert hashed.startswith("$argon2id$")
    assert await cheap.verify(hashed, "right")
    assert not await cheap.verify(hashed, "wrong")
    assert not await cheap.verify(None, "right")
    assert not await cheap.verify("garbage", "right")


def test_an_unknown_user_costs_the_same_parameters(cheap: Passwords) -> None:
    real, nobody = (text.split("$")[1:4] for text in (cheap.hash("x"), cheap._dummy))
    assert real == nobody


async def test_only_a_few_passwords_are_checked_at_once_and_a_flood_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, running, most = threading.Event(), 0, 0

    class Slow(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            nonlocal running, most
            running += 1
            most = max(most, running)
            release.wait(10)
            running -= 1
            return True

    monkeypatch.setattr(at_rest, "WAITING", 6)
    passwords = Passwords(Slow(), at_once=2)
    checks = [asyncio.create_task(passwords.verify("h", "p")) for _ in range(6)]
    await asyncio.sleep(0.05)
    with pytest.raises(ServiceError) as caught:
        await passwords.verify("h", "p")
    assert caught.value.kind.status == 429
    release.set()
    assert all(await asyncio.gather(*checks))
    assert most == 2


def test_a_token_that_was_read_before_ends_when_it_is_over_all_the_same(keys: Path) -> None:
    tokens = Tokens(keys)
    text, made = tokens.mint(user_id="u", domain_id="d", project_id="p", methods=["password"], now=NOW)
    assert tokens.read(text, NOW) == tokens.read(text, NOW) == made
    with pytest.raises(ServiceError, match="token expires"):
        tokens.read(text, made.expires_at)


def test_only_so_many_tokens_are_remembered(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldsmith.iam.tokens.REMEMBERED", 2)
    tokens = Tokens(keys)
    made = [tokens.mint(user_id=str(n), domain_id="d", project_id="p", methods=[], now=NOW) for n in range(5)]
    assert [tokens.read(text, NOW) for text, _ in made * 2] == [token for _, token in made * 2]
    assert len(tokens._opened) == 2
