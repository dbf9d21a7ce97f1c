"""Who calls: for every persona how its request is made, and what the table says must come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from goldsmith.http.operations import Operation
from goldsmith.iam.policies import system
from goldsmith.iam.policies.scopes import ScopeKind
from tests.permissions import expectations as expect
from tests.permissions.expectations import ENTERPRISE, REQUEST_TAG, RESOURCE_TAG, Verdict
from tests.permissions.place import DAY_MS, Answer, Place, document, where
from tests.permissions.things import GATE_ONLY, NORTH, QUERIES, Things, send

SESSION = ("workspace:*:get*", "ims:*:list*", "iam:*:list*", "vpc:ports:get", "vpc:subnets:get", "workspace:*:create")
SESSION_POLICY = {"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": list(SESSION)}]}
NEVER = document({"Effect": "Deny", "Sid": "Never"})
Held = Sequence[tuple[Any, str]]


@dataclass
class World:
    """The place, what is in it in the enterprise project `north` and in the default one, ids that nobody has, users."""

    place: Place
    north: Things
    zero: Things
    unknown: Things
    users: dict[str, str]
    temporary: dict[str, dict[str, str]]

    @property
    def table(self) -> tuple[Operation, ...]:
        return self.place.house.operations

    def token(self, user: str, **scope: Any) -> dict[str, str]:
        return self.place.token(self.users[user], **scope)

    def ask(self, operation: Operation, user: str, things: Things | None = None, **more: Any) -> Answer:
        """Call an operation as one of the users; writes stop behind the gate."""
        return send(self.place, operation, things or self.north, self.token(user), **more)


def cast(place: Place, north: str) -> dict[str, str]:
    """Make every user that a persona needs, at once."""
    wanted: dict[str, Held] = {
        "nothing": [],
        "north": [(document(where(ENTERPRISE, north)), "everywhere")],
        "south": [(document(where(ENTERPRISE, uuid4().hex)), "everywhere")],
        "zero": [(document(where(ENTERPRISE, "0")), "everywhere")],
        "north scope": [(system.ADMINISTRATOR.id, f"enterprise_project:{north}")],
        "zero scope": [(system.ADMINISTRATOR.id, "enterprise_project:0")],
        "tagged": [(document(where("g:ResourceTag/team", NORTH)), "everywhere")],
        "tagged otherwise": [(document(where("g:ResourceTag/team", "x")), "everywhere")],
        "tagging": [(document(where("g:RequestTag/team", NORTH)), "everywhere")],
        "tagging otherwise": [(document(where("g:RequestTag/team", "x")), "everywhere")],
        "denied": [(system.ADMINISTRATOR.id, "everywhere"), (NEVER, "everywhere")],
        "in project": [(system.ADMINISTRATOR.id, f"project:{place.project}")],
        "in second project": [(system.ADMINISTRATOR.id, f"project:{place.second_project}")],
        "in all projects": [(system.ADMINISTRATOR.id, "all_projects")],
        "in account": [(system.ADMINISTRATOR.id, "domain")],
    }
    wanted |= {each.name: [(each.id, "everywhere")] for each in system.SYSTEM_POLICIES}
    for operation in place.house.operations:
        if operation.action is None:
            continue
        only = document({"Action": [operation.action, *operation.dependencies]})
        wanted[f"only {operation.action}"] = [(only, "everywhere")]
        for each in (operation.action, *operation.dependencies):
            all_but = {"Effect": "Allow", "NotAction": [each], "Resource": ["*"]}
            wanted[f"not {each}"] = [({"Version": "5.0", "Statement": [all_but]}, "everywhere")]
    return place.people(wanted)


def temporary(place: Place, user_id: str) -> dict[str, str]:
    """A temporary key of a user, narrowed by a session policy."""
    identity = {"methods": ["token"], "token": {"duration_seconds": 900}, "policy": SESSION_POLICY}
    answer = place.call(
        "POST", "/v3.0/OS-CREDENTIAL/securitytokens", {"auth": {"identity": identity}}, place.token(user_id)
    )
    assert answer.status == 201, answer.text
    made: dict[str, str] = answer.json()["credential"]
    return made


@dataclass(frozen=True)
class Persona:
    """`ask` makes the call; `expects` is what must come of it, None when it says nothing of this operation."""

    ask: Callable[[World, Operation], Answer]
    expects: Callable[[Operation], Verdict | None]


def user(name: str, expects: Callable[[Operation], Verdict | None]) -> Persona:
    return Persona(lambda world, operation: world.ask(operation, name), expects)


def _bad_signature(world: World, operation: Operation) -> Answer:
    place, things = world.place, world.north
    headers = place.signed(
        operation.method, things.path(operation, place.project), things.body(operation),
        access=place.known["access_key"], secret="0" * 40,
    )  # fmt: skip
    return send(place, operation, things, headers)


def _narrowed(name: str) -> Callable[[World, Operation], Answer]:
    def ask(world: World, operation: Operation) -> Answer:
        return signed_call(world, operation, world.temporary[name])

    return ask


def signed_call(world: World, operation: Operation, key: dict[str, str]) -> Answer:
    """The call signed with an access key; writes stop behind the gate."""
    place, things = world.place, world.north
    query = QUERIES.get(operation.name, "")
    target = things.path(operation, place.project) + (f"?{query}" if query else "")
    body, more = things.body(operation), {"X-Project-Id": place.project}
    if "securitytoken" in key:
        more["X-Security-Token"] = key["securitytoken"]
    stop = GATE_ONLY if operation.access == "Write" else {}
    headers = place.signed(
        operation.method, target, body, access=key["access"], secret=key["secret"], more={**more, **stop}
    )
    return place.call(operation.method, target, body, headers)


def _anonymous(world: World, operation: Operation) -> Answer:
    return send(world.place, operation, world.north, {})


def _expired(world: World, operation: Operation) -> Answer:
    headers = world.token(system.ADMINISTRATOR.name, age_ms=DAY_MS + 60_000)
    return send(world.place, operation, world.north, headers)


def _elsewhere(world: World, operation: Operation) -> Answer:
    headers = world.token(system.ADMINISTRATOR.name, project=world.place.second_project)
    return send(world.place, operation, world.north, headers)


def _account_scoped(world: World, operation: Operation) -> Answer:
    return send(world.place, operation, world.north, world.token(system.ADMINISTRATOR.name, project=None))


def _stranger(world: World, operation: Operation) -> Answer:
    other = world.place.other
    headers = world.place.token(other.user_id, domain=other.domain_id, project=other.project_id)
    return send(world.place, operation, world.north, headers)


def _only(world: World, operation: Operation) -> Answer:
    return world.ask(operation, f"only {operation.action}" if operation.action else "nothing")


def _not(world: World, operation: Operation) -> Answer:
    return world.ask(operation, f"not {operation.action}" if operation.action else "nothing")


def _free(operation: Operation) -> Verdict:
    return Verdict.REFUSED if operation.action else Verdict.PASSED


def _condition(key: str, holds: bool) -> Callable[[Operation], Verdict]:
    return lambda operation: expect.if_condition(operation, key, holds=holds)


def _scope(kind: ScopeKind) -> Callable[[Operation], Verdict]:
    return lambda operation: expect.in_scope(operation, kind)


def _enterprise(holds: bool) -> Callable[[Operation], Verdict | None]:
    """Networks are in the default enterprise project, whatever is built in them."""

    def expects(operation: Operation) -> Verdict | None:
        in_default = (operation.action or "").startswith("vpc:") and not expect.filters(operation)
        return None if in_default else expect.if_condition(operation, ENTERPRISE, holds=holds)

    return expects


PERSONAS: dict[str, Persona] = {
    "nobody": Persona(_anonymous, expect.without_credentials),
    "bad signature": Persona(_bad_signature, expect.without_credentials),
    "expired token": Persona(_expired, expect.without_credentials),
    "no permissions": user("nothing", _free),
    "only the action": Persona(_only, lambda _: Verdict.PASSED),
    "everything but the action": Persona(_not, _free),
    "explicitly denied": user("denied", _free),
    "right enterprise project": user("north", _enterprise(True)),
    "wrong enterprise project": user("south", _enterprise(False)),
    "granted in the enterprise project": user("north scope", _enterprise(True)),
    "right resource tag": user("tagged", _condition(RESOURCE_TAG, True)),
    "wrong resource tag": user("tagged otherwise", _condition(RESOURCE_TAG, False)),
    "right request tag": user("tagging", _condition(REQUEST_TAG, True)),
    "wrong request tag": user("tagging otherwise", _condition(REQUEST_TAG, False)),
    "token of another project": Persona(_elsewhere, lambda op: expect.in_foreign_project(op, Verdict.PASSED)),
    "token of the account": Persona(_account_scoped, lambda op: expect.in_foreign_project(op, Verdict.PASSED)),
    "root of another account": Persona(_stranger, lambda op: expect.in_foreign_project(op, Verdict.PASSED)),
    "administrator of the project": user("in project", _scope(ScopeKind.PROJECT)),
    "administrator of another project": user("in second project", _free),
    "administrator of all projects": user("in all projects", _scope(ScopeKind.ALL_PROJECTS)),
    "administrator outside projects": user("in account", _scope(ScopeKind.DOMAIN)),
    "narrowed administrator": Persona(_narrowed("admin"), lambda op: expect.with_actions(op, SESSION)),
    "narrowed root": Persona(_narrowed("root"), lambda op: expect.with_actions(op, SESSION)),
}  # fmt: skip
PERSONAS |= {each.name: user(each.name, partial(expect.with_system_policy, each.id)) for each in system.SYSTEM_POLICIES}


def shown(answer: Answer) -> str:
    return f"{answer.status} {json.dumps(answer.text)[:300]}"
