"""Every operation of the table, called as everybody: what comes of it follows from its row."""

from __future__ import annotations

import pytest

from goldsmith import docs
from goldsmith.http.operations import Access
from goldsmith.http.routes import OperationRoute
from goldsmith.iam.policies import system
from tests.permissions.expectations import REFUSED_BY_HANDLERS, Verdict, filters, verdict_of, with_system_policy
from tests.permissions.personas import PERSONAS, World, shown
from tests.permissions.things import GATE_ONLY, names_something, send


def test_the_table_is_everything_that_is_declared_anywhere(world: World) -> None:
    assert {each.name for each in world.table} == {each.name for each in docs.operations()}
    assert len({each.name for each in world.table}) == len(world.table)


def test_nothing_is_served_beside_the_table(world: World) -> None:
    routes = world.place.routes()
    assert {each.path for each in routes if not isinstance(each, OperationRoute)} == BESIDE_THE_TABLE
    served = sorted(each.operation.name for each in routes if isinstance(each, OperationRoute))
    assert served == sorted(each.name for each in world.table)


BESIDE_THE_TABLE = {"/openapi.json", "/healthz", "/readyz", "/metrics"}


def test_who_needs_no_permission_is_meant_to(world: World) -> None:
    """An operation whose action was forgotten would be let in for everybody with a credential."""
    assert {each.name for each in world.table if each.action is None} == set(WITHOUT_ACTION)
    assert [each.name for each in world.table if each.is_public] == ["KeystoneCreateToken"]


WITHOUT_ACTION = {
    "KeystoneCreateToken": "the login itself",
    "KeystoneValidateToken": "whoever has a token's text could use it",
    "KeystoneRevokeToken": "one's own token; the root user ends those of others",
    "KeystoneUpdateUserPassword": "one's own password",
    "CreateTemporaryAccessKeyByToken": "one's own rights, or fewer",
    "KeystoneListAuthDomains": "the caller's own account",
    "KeystoneListAuthProjects": "clients look their project up by the region's name",
    "KeystoneListProjects": "clients look their project up by the region's name",
}


@pytest.mark.parametrize("name", PERSONAS)
def test_every_operation_as(name: str, world: World) -> None:
    persona, wrong, asked = PERSONAS[name], [], 0
    for operation in world.table:
        expected = persona.expects(operation)
        if expected is None:
            continue
        answer = persona.ask(world, operation)
        asked += 1
        found = verdict_of(operation, answer)
        if found is not expected:
            wrong.append(f"{operation.name}: expected {expected}, found {found}: {shown(answer)}")
    assert wrong == []
    assert asked > len(world.table) * 0.9


def test_every_dependency_is_needed_and_named(world: World) -> None:
    asked = 0
    for operation in world.table:
        for needed in operation.dependencies:
            answer = world.ask(operation, f"not {needed}")
            asked += 1
            assert verdict_of(operation, answer) is Verdict.REFUSED, (operation.name, needed, shown(answer))
            assert f"dependency {needed} is missing" in answer.message
            assert str(operation.action) in answer.message
    assert asked >= 5


def test_an_administrator_is_served_by_every_operation(world: World) -> None:
    """For real: reads of what exists, writes about what does not."""
    wrong = []
    for operation in world.table:
        if operation.is_public or operation.name in {*REFUSED_BY_HANDLERS, *NEED_MORE}:
            continue
        is_write = operation.access is Access.WRITE
        things = world.unknown if is_write else world.north
        headers = world.token(system.ADMINISTRATOR.name)
        answer = send(world.place, operation, things, headers, for_real=True)
        if answer.status not in ({operation.success, 400, 404, 409} if is_write else {operation.success}):
            wrong.append(f"{operation.name}: {shown(answer)}")
    assert wrong == []


NEED_MORE = {
    "DecodeAuthorizationMessage": "a message, see test_refusals",
    "SimulatePolicies": "a user of that name, see test_refusals",
}


def test_writes_stop_behind_the_gate(world: World) -> None:
    """What the personas rest on: the header makes every write of somebody who is let in a 400, and nothing else."""
    for operation in world.table:
        if operation.access is Access.WRITE:
            answer = world.ask(operation, system.ADMINISTRATOR.name)
            assert answer.status == 400, (operation.name, shown(answer))
            if operation.method != "HEAD":
                assert next(iter(GATE_ONLY)).lower() in answer.text, (operation.name, shown(answer))


def test_reading_needs_no_right_to_write_and_the_other_way_round(world: World) -> None:
    for operation in world.table:
        if operation.action is None or not operation.action.startswith("workspace:"):
            continue
        expected = Verdict.REFUSED if operation.access is Access.WRITE else Verdict.PASSED
        assert with_system_policy(system.READ_ONLY.id, operation) is expected, operation.name


def test_what_the_table_declares_is_consistent(world: World) -> None:
    by_action: dict[str, tuple[object, ...]] = {}
    for each in world.table:
        if each.action is None:
            assert (each.dependencies, each.condition_keys, each.resource_type) == ((), (), None), each.name
            continue
        row = (each.access, each.dependencies)
        assert by_action.setdefault(each.action, row) == row, f"{each.name}: same action, another row"
        if each.resource_type is not None and each.access is not Access.LIST:
            assert each.touches, f"{each.name} has a resource type, but never says which resource"
        if each.condition_keys:
            assert each.touches or filters(each), f"{each.name} has condition keys, but nothing tells their values"
        if each.touches and names_something(each) and each.access is not Access.LIST:
            assert each.resource_type is not None, f"{each.name} touches something without a type"
