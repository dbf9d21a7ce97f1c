"""A refusal says what, on what, and why; those who may can open the whole story, and simulate it beforehand."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from goldsmith.http.operations import Operation
from goldsmith.iam.policies import system
from tests.permissions.expectations import Verdict, verdict_of
from tests.permissions.personas import World, shown
from tests.permissions.place import Answer, document
from tests.service import PROGRAM, Service


def named(world: World, name: str) -> Operation:
    return next(each for each in world.table if each.name == name)


def post(world: World, path: str, body: Any, user: str = system.ADMINISTRATOR.name) -> Answer:
    return world.place.call("POST", path, body, world.token(user))


def story_of(world: World, answer: Answer) -> dict[str, Any]:
    body = {"encoded_message": answer.inner["encoded_authorization_message"]}
    opened = post(world, "/v5/decode-authorization-message", body)
    assert opened.status == 200, opened.text
    found: dict[str, Any] = json.loads(opened.json()["decoded_message"])
    return found


def test_every_refusal_names_action_and_reason_in_its_surfaces_code(world: World) -> None:
    for operation in world.table:
        if operation.action is None or operation.method == "HEAD":
            continue
        for user, reason in (("nothing", "no statement allows it"), ("denied", "denied by statement Never of policy")):
            answer = world.ask(operation, user)
            assert answer.status == 403, operation.name
            assert len(answer.message) <= 255, operation.name
            assert f"User {user} may not perform {operation.action}" in answer.message, answer.message
            assert reason in answer.message, answer.message
            code = answer.inner.get("error_code") or answer.inner.get("code")
            if operation.surface == "workspace":
                assert code == operation.codes.get(403, "WKS.00081102"), operation.name


def test_the_resource_is_named(world: World) -> None:
    place, server = world.place, world.north.ids["server"]
    answer = world.ask(named(world, "ShowImageServer"), "south")
    assert f"workspace:local-1:{place.domain}:imageServer:{server}" in answer.message
    assert answer.inner["error_code"] == "WKS.00081102"


def test_the_story_is_complete(world: World) -> None:
    operation = named(world, "ShowImageServer")
    answer = world.ask(operation, "denied")
    story = story_of(world, answer)
    assert story | {"context": 0, "policy_id": 0, "request_id": 0} == {
        "user_id": world.users["denied"], "user": "denied", "operation": "ShowImageServer", "action": operation.action,
        "missing_dependency": None, "reason": "explicit_deny", "policy": "denied-1", "statement": "Never",
        "resource": f"workspace:local-1:{world.place.domain}:imageServer:{world.north.ids['server']}",
        "project_id": world.place.project, "context": 0, "policy_id": 0, "request_id": 0,
    }  # fmt: skip
    assert story["request_id"] == answer.headers["x-request-id"]
    assert story["policy_id"]
    assert story["context"].items() >= {
        "g:EnterpriseProjectId": world.north.north, "g:UserName": "denied", "g:SourceIp": "127.0.0.1",
        "g:SecureTransport": "false", "g:DomainId": world.place.domain, "g:RequestedRegion": "local-1",
    }.items()  # fmt: skip
    story = story_of(world, world.ask(named(world, "CreateImageServer"), "not ims:images:list"))
    assert (story["action"], story["missing_dependency"]) == ("workspace:imageServer:create", "ims:images:list")
    path = f"/v1/{world.place.project}/audit-records?request_id={story['request_id']}"
    (record,) = world.place.root("GET", path).json()["items"]
    assert record["decision"] == "dependency ims:images:list: implicit_deny"


def test_stories_open_for_those_who_may_and_in_their_own_account_only(world: World) -> None:
    place = world.place
    sealed = world.ask(named(world, "ListUsers"), "nothing").inner["encoded_authorization_message"]
    path, body = "/v5/decode-authorization-message", {"encoded_message": sealed}
    assert post(world, path, body, "nothing").status == 403
    assert post(world, path, body, system.READ_ONLY.name).status == 403
    stranger = place.token(place.other.user_id, domain=place.other.domain_id, project=None)
    assert place.call("POST", path, body, stranger).status == 400
    secret = place.read(lambda tx: tx.row(_A_SECRET))
    assert secret is not None
    for text in (sealed[:-4] + "AAA=", "gAAAA", "ü", "\u0000", secret["sealed_secret"]):
        answer = post(world, path, {"encoded_message": text})
        assert answer.status == 400, (text, shown(answer))
        assert "decoded" not in answer.text


def _a_secret() -> Any:
    from sqlalchemy import select

    from goldsmith.iam.models import access_keys

    return select(access_keys.c.sealed_secret).limit(1)


_A_SECRET = _a_secret()


def test_to_simulate_is_to_do(world: World) -> None:
    """The simulator, told what the story of a real call says, decides alike: for every action, for several users."""
    asked = 0
    for user in ("north", "denied", "in account", "not ims:images:list", system.READ_ONLY.name):
        for operation in world.table:
            if operation.action is None or operation.method == "HEAD" or operation.access == "List":
                continue
            real = world.ask(operation, user)
            is_refused = verdict_of(operation, real) is Verdict.REFUSED
            wanted: dict[str, Any] = {
                "user_name": user, "actions": [operation.action], "project_id": world.place.project
            }  # fmt: skip
            if is_refused:
                story = story_of(world, real)
                wanted |= {"context": story["context"], "resources": [story["resource"]] if story["resource"] else None}
            elif user == "north":
                continue  # what the call touched is told in refusals only
            answer = post(world, "/v5/policies/simulate", wanted)
            assert answer.status == 200, (operation.name, shown(answer))
            decision = answer.json()["decisions"][0]
            assert decision["allowed"] is not is_refused, (user, operation.name, decision, shown(real))
            if is_refused:
                assert decision["missing_dependencies"][:1] == list(filter(None, [story["missing_dependency"]]))
                if not story["missing_dependency"]:
                    same = ("reason", "statement", "policy_id")
                    assert [decision[each] for each in same] == [story[each] for each in same]
                assert real.message.split(": ")[-1] == decision["explanation"].split(": ")[-1]
            asked += 1
    assert asked > 400


def test_the_simulator_refuses_what_makes_no_sense(world: World) -> None:
    path, actions = "/v5/policies/simulate", ["workspace:imageServer:get"]
    for body in (
        {"actions": actions}, {"actions": actions, "user_id": "x", "user_name": "north"},
        {"actions": [], "user_name": "north"}, {"actions": actions, "user_name": "nobody there"},
        {"actions": actions, "user_name": "north", "project_id": world.place.other.project_id},
        {"actions": actions, "user_name": "north", "resources": ["no urn"]},
        {"actions": actions, "user_id": world.place.other.user_id},
        {"actions": actions, "user_name": "north", "context": {"g:EnterpriseProjectId": 7}},
        {"actions": ["workspace:imageServer"], "user_name": "north"},
        {"actions": ["workspace:imageServer:*"], "user_name": "north"},
        {"actions": actions, "user_name": "north", "context": {"g:enterpriseProjectId": "0"}},
    ):  # fmt: skip
        answer = post(world, path, body)
        assert answer.status == 400, (body, shown(answer))
        assert answer.inner["details"]
    assert post(world, path, {"actions": actions, "user_name": "north"}, "nothing").status == 403
    twice = ["workspace:::imageServer:a"] * 2
    other = post(world, path, {"actions": actions, "user_name": "nothing", "resources": twice})
    assert [each["allowed"] for each in other.json()["decisions"]] == [False, False]


def test_the_simulator_assumes_what_a_call_would_touch(world: World) -> None:
    """Policies about resources: one that is yet to be made, and a list that shows what may be seen."""
    mine = {"Action": ["workspace:imageServer:*"], "Resource": ["workspace:*:*:imageServer:*"]}
    one = {
        "Action": ["workspace:imageServer:list"],
        "Resource": [f"workspace:*:*:imageServer:{world.north.ids['server']}"],
    }
    needed = {"Action": ["ims:images:list", "vpc:ports:get", "vpc:subnets:get"]}
    place = world.place
    place.people({"maker": [(document(mine, needed), "everywhere")], "looker": [(document(one), "everywhere")]})

    def ask(user: str, name: str) -> Any:
        wanted = {"user_name": user, "actions": [str(named(world, name).action)], "project_id": place.project}
        return post(world, "/v5/policies/simulate", wanted).json()["decisions"][0]

    made = ask("maker", "CreateImageServer")
    assert (made["allowed"], made["resource"]) == (True, f"workspace:local-1:{place.domain}:imageServer:*")
    seen = ask("looker", "ListImageServers")
    assert (seen["allowed"], seen["reason"], seen["resource"]) == (True, "some", "")
    assert not ask("nothing", "ListImageServers")["allowed"]
    assert not ask("denied", "ListImageServers")["allowed"]
    assert not ask("looker", "ShowImageServer")["allowed"]


def test_a_list_denied_as_a_whole_is_refused(world: World) -> None:
    no_lists = document({"Effect": "Deny", "Action": ["*:*:list*"]})
    held = [(system.ADMINISTRATOR.id, "everywhere"), (no_lists, "everywhere")]
    user = world.place.people({"lists denied": held})["lists denied"]
    path = f"/v1/{world.place.project}/image-servers"
    assert world.place.call("GET", path, headers=world.place.token(user)).status == 403
    assert world.place.call("GET", f"{path}/{world.north.ids['server']}", headers=world.place.token(user)).status == 200


def test_the_command_line_simulates_and_decodes(service: Service) -> None:
    def iam(*words: str, expect: int = 0, text: str = "") -> str:
        done = subprocess.run(
            [PROGRAM, "iam", *words, "--data-dir", service.data_dir], input=text, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    iam("user", "create", "decided", "--password-file", "-", text="Str0ng enough\n")
    action = "workspace:imageServer:create"
    told = iam("simulate", "decided", action, "--project", "local-1", "-c", "g:EnterpriseProjectId=0", expect=1)
    on = f"workspace:local-1:{service.credentials['domain_id']}:imageServer:*"
    assert told.startswith(f"refused  {action}: decided may not perform {action} on {on}: no statement allows it.")
    assert iam("simulate", "admin", action).startswith("allowed")
    assert "--context takes KEY=VALUE" in iam("simulate", "decided", action, "-c", "nothing", expect=1)
    words = ("--json", "--resource", "workspace:::imageServer:a")
    found = json.loads(iam("simulate", "decided", action, *words, expect=1))
    assert found["decisions"][0]["resource"] == "workspace:::imageServer:a"
    sealed = _refusal(service)
    assert json.loads(iam("decode", text=sealed))["reason"] == "implicit_deny"
    assert "no message of this service" in iam("decode", "gAAAA", expect=1)


def _refusal(service: Service) -> str:
    import httpx

    user = {"name": "decided", "password": "Str0ng enough", "domain": {"name": service.credentials["domain_name"]}}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"id": service.credentials["project_id"]}},
    }
    token = httpx.post(f"{service.endpoint}/v3/auth/tokens", json={"auth": auth}).headers["X-Subject-Token"]
    answer = httpx.get(service.endpoint + service.servers("/1"), headers={"X-Auth-Token": token})
    assert answer.status_code == 403, answer.text
    return str(answer.json()["encoded_authorization_message"])
