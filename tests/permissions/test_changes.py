"""What changes is in force at once here and within a second elsewhere; what it costs those who may do everything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert

from goldsmith.http.operations import Call, Touched
from goldsmith.iam.admission_api import Admission
from goldsmith.iam.models import grants
from goldsmith.iam.policies import system
from goldsmith.iam.service import Caller, CredentialKind
from goldsmith.store import Tx
from tests.permissions.expectations import Verdict, verdict_of
from tests.permissions.personas import World, signed_call, temporary
from tests.permissions.place import Answer, Place, document
from tests.permissions.things import send
from tests.service import until


def listing(place: Place, headers: dict[str, str]) -> int:
    return place.call("GET", f"/v1/{place.project}/image-servers", headers=headers).status


def test_a_grant_is_in_force_at_once_and_ends_the_tokens_from_before(world: World) -> None:
    place, path = world.place, f"/v5/policies/{system.READ_ONLY.id}"
    user = place.people({"changing": []})["changing"]
    key = place.root("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"user_id": user}}).json()["credential"]
    before = place.token(user)
    assert listing(place, before) == 403
    operation = next(each for each in world.table if each.name == "ListImageServers")
    for verb, expected in (("attach", 200), ("detach", 403), ("attach", 200)):
        place.root("POST", f"{path}/{verb}-user", {"user_id": user})
        assert listing(place, before) == 401
        before = place.token(user)
        assert listing(place, before) == expected
        assert signed_call(world, operation, key).status == expected, "keys go on, with the new permissions"
    group = place.root("POST", "/v3/groups", {"group": {"name": "changing"}}).json()["group"]["id"]
    for change in (("PUT", 200), ("DELETE", 200)):
        place.root(change[0], f"/v3/groups/{group}/users/{user}")
        assert listing(place, before) == 401, "membership is permission as well"
        before = place.token(user)


def test_another_process_changes_a_policy(world: World) -> None:
    place = world.place
    user = place.people({"afar": []})["afar"]
    headers = place.token(user)
    assert listing(place, headers) == 403
    row = ("user", user, system.READ_ONLY.id, "everywhere", place.domain, 0)
    for statement, values, expected in (
        ("INSERT INTO iam_grants (subject_kind, subject_id, policy_id, scope, domain_id, created_at)"
         " VALUES (?, ?, ?, ?, ?, ?)", row, 200),
        ("DELETE FROM iam_grants WHERE subject_kind = ? AND subject_id = ?", row[:2], 403),
    ):  # fmt: skip
        with database(place) as connection:
            connection.execute(statement, values)
            connection.execute("UPDATE iam_revision SET number = number + 1")
        until(lambda status=expected: listing(place, headers) == status, seconds=20, every=0.02)  # type: ignore[misc]


@contextmanager
def database(place: Place) -> Iterator[sqlite3.Connection]:
    """The database as another process has it."""
    (path,) = place.settings.data_dir.glob("*.db")
    connection = sqlite3.connect(path, timeout=30)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def test_a_deny_binds_even_the_root_user(world: World) -> None:
    place, other = world.place, world.place.other
    headers = place.token(other.user_id, domain=other.domain_id, project=other.project_id)
    path = f"/v1/{other.project_id}/image-servers"
    assert place.call("GET", path, headers=headers).status == 200
    place.people({"holder": [(document({"Effect": "Deny", "Sid": "Quiet"}), "everywhere")]})
    policy_id = place.read(lambda tx: tx.scalar(_POLICY))
    mine = {"subject_kind": "user", "subject_id": other.user_id, "policy_id": policy_id, "scope": "everywhere"}

    def bind(tx: Tx) -> None:
        tx.run(insert(grants).values(**mine, domain_id=other.domain_id, created_at=tx.now))

    place.do(place.house.iam.change(bind))
    refused = place.call("GET", path, headers=headers)
    assert refused.status == 403
    assert "denied by statement Quiet" in refused.message
    place.do(place.house.iam.change(lambda tx: tx.run(delete(grants).where(grants.c.subject_id == other.user_id))))
    assert place.call("GET", path, headers=headers).status == 200


def _policy() -> Any:
    from sqlalchemy import select

    from goldsmith.iam.models import policies

    return select(policies.c.id).where(policies.c.name == "holder-0")


_POLICY = _policy()


def test_a_session_policy_gives_nothing(world: World) -> None:
    """It narrows what the user may; a user without permissions stays without."""
    key = temporary(world.place, world.users["nothing"])
    for operation in world.table:
        if operation.action is not None:
            answer = signed_call(world, operation, key)
            assert verdict_of(operation, answer) is Verdict.REFUSED, operation.name


def test_nothing_is_looked_up_for_the_root_user(world: World) -> None:
    """Whatever its resources: no read for the decision, so that it costs next to nothing."""
    place, reads = world.place, 0
    gate, operation = Admission(place.house.iam, "local-1"), next(e for e in world.table if e.name == "ShowImageServer")
    caller = Caller(
        place.root_id, "admin", place.domain, "goldsmith", None, True, CredentialKind.ACCESS_KEY, uuid4().hex
    )
    call = Call(operation, "r", caller, place.project, "127.0.0.1", "")

    async def touched() -> Touched:
        nonlocal reads
        reads += 1
        return Touched()

    place.do(gate.admit(call, touched))
    assert (reads, call.sees, call.decision) == (0, None, "root")


def test_what_the_gate_hands_on_is_kept_in_the_audit_trail(world: World) -> None:
    """A refusal is on record with the statement that decided."""
    place = world.place
    operation = next(each for each in world.table if each.name == "ShowImageServer")
    answer: Answer = send(place, operation, world.north, world.token("denied"))
    request_id = answer.headers["x-request-id"]
    path = f"/v1/{place.project}/audit-records?request_id={request_id}"
    (record,) = place.root("GET", path).json()["items"]
    assert (record["outcome"], record["status"], record["decision"]) == ("refused", 403, "denied-1/Never")
