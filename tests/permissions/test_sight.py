"""What an answer contains is what the caller may see: nothing of other enterprise projects, projects or accounts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from goldsmith.http.operations import Access, Operation, Surface
from goldsmith.iam.policies import system
from tests.permissions.expectations import ENTERPRISE, Verdict, filters, verdict_of
from tests.permissions.personas import World, shown
from tests.permissions.place import Answer, document
from tests.permissions.things import NORTH, ZERO, Things, names_something, send

IN_ENTERPRISE_PROJECTS = ("server", "app_server", "server_group", "app_group", "image")
SHARED = {"ListPorts", "ListPortsV1", "ShowPort", "ShowPortV1"}
"""Networks are in the default enterprise project as a whole, and a port's name tells which image server uses it."""
VARYING = re.compile(r"[0-9a-f]{32}|gAAAA[\w=-]+|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{18,19}")
"""Request ids, sealed stories, times and ids of jobs."""


def reads(world: World) -> list[Operation]:
    return [each for each in world.table if each.access is not Access.WRITE and not each.is_public]


def marks(things: Things, name: str) -> set[str]:
    return {name, *(things.ids[kind] for kind in IN_ENTERPRISE_PROJECTS)}


@pytest.mark.parametrize("user", ["zero", "zero scope"])
def test_nothing_of_another_enterprise_project_is_in_any_answer(user: str, world: World) -> None:
    hidden, listed = marks(world.north, NORTH), 0
    for operation in reads(world):
        if ENTERPRISE not in operation.condition_keys or operation.name in SHARED:
            continue
        answer = world.ask(operation, user, world.zero)
        assert verdict_of(operation, answer) is Verdict.PASSED, (operation.name, shown(answer))
        found = {each for each in hidden if each in answer.text}
        assert not found, (operation.name, found)
        listed += ZERO in answer.text
        if filters(operation):
            assert_counted(operation, answer)
    assert listed >= 8


def assert_counted(operation: Operation, answer: Answer) -> None:
    """Counts are of what is shown, not of what there is."""
    found = answer.json()
    if isinstance(found, dict) and "count" in found:
        entries = next(value for value in found.values() if isinstance(value, list))
        assert found["count"] == len(entries), operation.name


def test_a_list_is_empty_for_whom_no_entry_is_meant(world: World) -> None:
    """The user may see a resource that does not exist: every list lets it in, and shows it nothing."""
    nobodys = {"Resource": [f"{service}:*:*:*:nobodys" for service in ("workspace", "ims", "vpc", "eps")]}
    place, user = world.place, world.place.people({"narrow": [(document(nobodys), "everywhere")]})["narrow"]
    lists = [each for each in world.table if filters(each)]
    assert len(lists) >= 12
    for operation in lists:
        answer = send(place, operation, world.north, place.token(user))
        assert answer.status == operation.success, (operation.name, shown(answer))
        assert not any(value for value in answer.json().values() if isinstance(value, list)), operation.name
        assert not {each for each in world.north.ids.values() if len(each) > 12 and each in answer.text}, operation.name
        assert answer.json().get("count", 0) == answer.json().get("total_count", 0) == 0


def test_one_resource_is_all_that_a_policy_for_it_opens(world: World) -> None:
    ids = [world.north.ids[kind] for kind in IN_ENTERPRISE_PROJECTS]
    mine = {"Resource": [f"{service}:*:*:*:{each}" for service in ("workspace", "ims") for each in ids]}
    place, user = world.place, world.place.people({"of one": [(document(mine), "everywhere")]})["of one"]
    opened = 0
    for operation in world.table:
        if operation.resource_type not in {"server", "serverGroup", "imageServer", "image"} or operation.is_public:
            continue
        if filters(operation):
            answer = send(place, operation, world.north, place.token(user))
            assert answer.status == 200, (operation.name, shown(answer))
            assert not {each for each in marks(world.zero, ZERO) if each in answer.text}, operation.name
        elif names_something(operation):
            for things, expected in ((world.north, Verdict.PASSED), (world.zero, Verdict.REFUSED)):
                answer = send(place, operation, things, place.token(user))
                assert verdict_of(operation, answer) is expected, (operation.name, shown(answer))
            opened += 1
    assert opened >= 20


def test_ids_of_a_project_are_worth_nothing_in_another(world: World) -> None:
    """Under one's own project's path, another project's id gets exactly what an id that nobody has gets."""
    place = world.place
    own = place.token(world.users[system.ADMINISTRATOR.name], project=place.second_project)
    asked = 0
    for operation in world.table:
        if (operation.is_in_project or operation.surface is Surface.IMS) and names_something(operation):
            answers = [
                send(place, operation, things, own, project=place.second_project, for_real=True)
                for things in (world.north, world.unknown)
            ]
            assert_same(world, operation, answers)
            assert answers[0].status != 403, (operation.name, shown(answers[0]))
            asked += 1
    assert asked >= 35
    assert_all_there(world)


def test_ids_of_an_account_are_worth_nothing_in_another(world: World) -> None:
    place, other = world.place, world.place.other
    own = place.token(other.user_id, domain=other.domain_id, project=other.project_id)
    asked = 0
    for operation in world.table:
        if names_something(operation):
            answers = [
                send(place, operation, things, own, project=other.project_id, for_real=True)
                for things in (world.north, world.unknown)
            ]
            assert_same(world, operation, answers)
            asked += 1
    assert asked >= 90
    assert_all_there(world)


def test_whose_project_it_is_makes_no_difference(world: World) -> None:
    """A project that is not yours is refused in the same words, whether it exists or not."""
    place = world.place
    headers = place.token(world.users[system.ADMINISTRATOR.name], project=place.second_project)
    for operation in world.table:
        if operation.is_in_project:
            answers = [
                send(place, operation, world.north, headers, project=project)
                for project in (place.other.project_id, "0123456789abcdef0123456789abcdef", place.project)
            ]
            assert {answer.status for answer in answers} == {403}, operation.name
            assert len({neutral(world, answer) for answer in answers}) == 1, operation.name


def test_an_id_in_a_foreign_enterprise_project_is_like_one_that_nobody_has(world: World) -> None:
    asked = 0
    for operation in world.table:
        if ENTERPRISE in operation.condition_keys and names_something(operation):
            if str(operation.action).startswith("vpc:") or operation.name == "CreateImageServer":
                continue
            answers = [world.ask(operation, "south", things) for things in (world.north, world.unknown)]
            assert_same(world, operation, answers)
            asked += 1
    assert asked >= 25


def test_nothing_of_others_is_listed_to_another_account(world: World) -> None:
    place, other = world.place, world.place.other
    own = place.token(other.user_id, domain=other.domain_id, project=other.project_id)
    hidden = {NORTH, ZERO, "ann", "lookers", *(each for each in world.north.ids.values() if len(each) > 12)}
    shared = {place.project}  # the owner of the public images, which everybody sees
    for operation in reads(world):
        if operation.name == "ExportAuditRecords":
            lines = send(place, operation, world.unknown, own, project=other.project_id).text.splitlines()
            assert {json.loads(line)["domain_id"] for line in lines} == {other.domain_id}
        elif not names_something(operation) and operation.action != "cts:trace:list":
            answer = send(place, operation, world.unknown, own, project=other.project_id)
            found = {each for each in hidden - shared if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", answer.text)}
            assert not found, (operation.name, found)


def assert_same(world: World, operation: Operation, answers: list[Answer]) -> None:
    assert len({answer.status for answer in answers}) == 1, (operation.name, [shown(each) for each in answers])
    assert len({neutral(world, answer) for answer in answers}) == 1, (operation.name, [shown(each) for each in answers])


def neutral(world: World, answer: Answer) -> str:
    """The body without the ids that were sent, and without what differs every time."""
    text = answer.text
    for things in (world.north, world.unknown):
        for each in sorted(things.ids.values(), key=len, reverse=True):
            text = text.replace(each, "ID") if len(each) > 3 else text.replace(f'"{each}"', '"ID"')
    text = re.sub(r"\bv(1|99)\b", "ID", text)
    return VARYING.sub("#", text)


def assert_all_there(world: World) -> None:
    """Nothing of the first project was changed by those who may not."""
    for operation in reads(world):
        if names_something(operation):
            answer = world.ask(operation, system.ADMINISTRATOR.name)
            assert answer.status == operation.success, (operation.name, shown(answer))
    names = json.dumps(_names(world))
    assert NORTH in names
    assert ZERO in names


def _names(world: World) -> Any:
    found = world.place.root("GET", f"/v1/{world.place.project}/image-servers").json()["items"]
    return [each["name"] for each in found]
