"""Tenants, quotas and users inside a transaction."""

import sqlite3
from typing import Any

import pytest

from goldsmith.iam.secrets import SecretBox
from goldsmith.store import Tx
from goldsmith.store.sqlite import SqliteStore
from goldsmith.tenancy.service import NewUser, Shortage, Tenancy, UserNameTaken

P = "a4da8115c9d8464ead3a38309130523f"
FULL = {"INSTANCES": 4, "VOLUMES": 5, "VOLUME_GIGABYTES": 300, "CORES": 6, "MEMORY": 4096, "GPU_INSTANCES": 0}
NEED = {"INSTANCES": 1, "VOLUMES": 1, "VOLUME_GIGABYTES": 60, "CORES": 2, "MEMORY": 1024}


def test_a_project_becomes_a_tenant_once(store: SqliteStore, tenancy: Tenancy, box: SecretBox) -> None:
    assert store.read_now(lambda tx: tenancy.tenant(tx, P)) is None
    for each in (tenancy, tenancy, Tenancy(box, FULL)):
        store.write_now(lambda tx, each=each: each.ensure_project(tx, P))
    tenant = store.read_now(lambda tx: tenancy.tenant(tx, P))
    assert tenant is not None
    assert tenant.service_status == "active"


def test_a_tenant_whose_transaction_failed_is_made_again(store: SqliteStore, tenancy: Tenancy) -> None:
    def fail(tx: Tx) -> None:
        tenancy.ensure_project(tx, P)
        raise RuntimeError("afterwards")

    with pytest.raises(RuntimeError):
        store.write_now(fail)
    assert store.read_now(lambda tx: tenancy.tenant(tx, P)) is None
    store.write_now(lambda tx: tenancy.ensure_project(tx, P))
    assert store.read_now(lambda tx: tenancy.tenant(tx, P)) is not None


def test_quota_is_claimed_and_given_back(store: SqliteStore, tenancy: Tenancy) -> None:
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P)) == FULL
    assert store.write_now(lambda tx: tenancy.claim_quota(tx, P, NEED)) == []
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P)) == {
        "INSTANCES": 3, "VOLUMES": 4, "VOLUME_GIGABYTES": 240, "CORES": 4, "MEMORY": 3072, "GPU_INSTANCES": 0,
    }  # fmt: skip
    store.write_now(lambda tx: tenancy.release_quota(tx, P, NEED))
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P)) == FULL


def test_a_claim_that_falls_short_takes_nothing(store: SqliteStore, tenancy: Tenancy) -> None:
    need = {**NEED, "CORES": 7, "GPU_INSTANCES": 1}
    short = store.write_now(lambda tx: tenancy.claim_quota(tx, P, need))
    assert short == [Shortage("CORES", 6, 7), Shortage("GPU_INSTANCES", 0, 1)]
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P)) == FULL


def test_claims_end_exactly_at_the_limit(store: SqliteStore, tenancy: Tenancy) -> None:
    answers = [store.write_now(lambda tx: tenancy.claim_quota(tx, P, {"CORES": 2})) for _ in range(4)]
    assert answers == [[], [], [], [Shortage("CORES", 0, 2)]]


def test_projects_do_not_share_quota(store: SqliteStore, tenancy: Tenancy) -> None:
    store.write_now(lambda tx: tenancy.claim_quota(tx, P, {"CORES": 6}))
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, "other")) == FULL


def test_giving_back_too_much_does_not_go_below_nothing(store: SqliteStore, tenancy: Tenancy) -> None:
    store.write_now(lambda tx: tenancy.claim_quota(tx, P, {"CORES": 1}))
    store.write_now(lambda tx: tenancy.release_quota(tx, P, {"CORES": 5}))
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P)) == FULL


def test_a_limit_of_its_own_replaces_the_default(store: SqliteStore, tenancy: Tenancy, box: SecretBox) -> None:
    store.write_now(lambda tx: tenancy.claim_quota(tx, P, {"CORES": 2}))
    store.write_now(lambda tx: tenancy.quotas.set_limit(tx, P, "CORES", 1))
    assert store.read_now(lambda tx: tenancy.quota_remainders(tx, P))["CORES"] == 0
    raised = Tenancy(box, {**FULL, "CORES": 100, "INSTANCES": 100})
    left = store.read_now(lambda tx: raised.quota_remainders(tx, P))
    assert (left["CORES"], left["INSTANCES"]) == (0, 100)
    store.write_now(lambda tx: tenancy.quotas.set_limit(tx, P, "CORES", None))
    assert store.read_now(lambda tx: raised.quota_remainders(tx, P))["CORES"] == 98


@pytest.mark.parametrize("name", ["administrator", "Administrator", "ADMINISTRATOR"])
def test_users_are_found_whatever_the_case(store: SqliteStore, tenancy: Tenancy, name: str) -> None:
    made = store.write_now(lambda tx: tenancy.create_user(tx, P, NewUser("Administrator")))
    assert store.read_now(lambda tx: tenancy.find_user(tx, P, name)) == made
    assert store.read_now(lambda tx: tenancy.find_user(tx, "other", name)) is None
    with pytest.raises(UserNameTaken):
        store.write_now(lambda tx: tenancy.create_user(tx, P, NewUser(name)))
    store.write_now(lambda tx: tenancy.create_user(tx, "other", NewUser(name)))


def test_passwords_are_sealed(store: SqliteStore, tenancy: Tenancy) -> None:
    new = NewUser("user001", "Sesame-2024")
    made = store.write_now(lambda tx: tenancy.create_user(tx, P, new))
    found: Any = store.read_now(lambda tx: tenancy.find_user(tx, P, "user001"))
    assert tenancy.password_of(found) == "Sesame-2024"
    assert "Sesame" not in f"{made!r} {found!r} {new!r}"
    with sqlite3.connect(store.path) as database:
        dumped = "\n".join(database.iterdump())
    database.close()
    assert "user001" in dumped
    assert "Sesame" not in dumped


def test_a_user_may_have_no_password(store: SqliteStore, tenancy: Tenancy) -> None:
    made = store.write_now(lambda tx: tenancy.create_user(tx, P, NewUser("user001")))
    assert tenancy.password_of(made) is None
