"""The order of a decision, scopes, session policies, resources, and what is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from goldsmith.iam.policies.evaluate import Grant, PolicySet, Reason, Request, compile
from goldsmith.iam.policies.grammar import parse
from goldsmith.iam.policies.scopes import Scope

GET, CREATE = "workspace:imageServer:get", "workspace:imageServer:create"
ONE, TWO = (f"workspace:local-1:acc:imageServer:{id_}" for id_ in ("1", "2"))


def grant(*statements: dict[str, Any], scope: str = "everywhere", name: str = "P") -> Grant:
    return Grant(parse({"Version": "5.0", "Statement": list(statements)}), f"id of {name}", name, Scope.of(scope))


def allow(**changes: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "workspace:*:*", **changes}


def deny(**changes: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "workspace:*:*", **changes}


def reason(policies: PolicySet, session: PolicySet | None = None, **request: Any) -> Reason:
    given = {"action": GET, "resources": (ONE,), **request}
    return policies.decide(Request(**given), session).reason


def test_nothing_is_allowed_without_a_statement() -> None:
    decision = compile([]).decide(Request(GET, (ONE,)))
    assert not decision.allowed
    assert decision.reason is Reason.IMPLICIT_DENY
    assert (decision.policy_id, decision.policy_name, decision.statement) == ("", "", "")
    assert decision.resource == ONE


def test_an_allow_names_the_statement_that_allows() -> None:
    decision = compile([grant(allow(Action="ims:*:*"), allow(Sid="all"), name="Mine")]).decide(Request(GET, (ONE,)))
    assert decision.allowed
    assert decision.reason is Reason.ALLOW
    assert (decision.policy_id, decision.policy_name, decision.statement) == ("id of Mine", "Mine", "all")


def test_an_explicit_deny_anywhere_wins_even_over_root() -> None:
    policies = compile([grant(allow(), name="A"), grant(allow(), deny(Action=GET), name="B")])
    decision = policies.decide(Request(GET, (ONE,), is_root=True))
    assert decision.reason is Reason.EXPLICIT_DENY
    assert (decision.policy_name, decision.statement) == ("B", "Statement[1]")
    assert reason(policies, action=CREATE) is Reason.ALLOW


def test_root_needs_no_allow() -> None:
    decision = compile([]).decide(Request(GET, (ONE,), is_root=True))
    assert decision.allowed
    assert decision.reason is Reason.ROOT


@pytest.mark.parametrize(
    ("statement", "action", "expected"),
    [
        (allow(Action="WORKSPACE:IMAGESERVER:GET"), GET, Reason.ALLOW),
        (allow(Action=GET), "Workspace:ImageServer:GET", Reason.ALLOW),
        (allow(Action="*"), GET, Reason.ALLOW),
        (allow(Action="workspace:image?erver:ge?"), GET, Reason.ALLOW),
        (allow(Action="workspace:*:get*"), CREATE, Reason.IMPLICIT_DENY),
        ({"Effect": "Allow", "NotAction": [CREATE]}, GET, Reason.ALLOW),
        ({"Effect": "Allow", "NotAction": [CREATE]}, CREATE, Reason.IMPLICIT_DENY),
        ({"Effect": "Deny", "NotAction": "ims:*:*"}, GET, Reason.EXPLICIT_DENY),
        (allow(Resource=ONE), GET, Reason.ALLOW),
        (allow(Resource=TWO), GET, Reason.IMPLICIT_DENY),
        (allow(NotResource=TWO), GET, Reason.ALLOW),
        (allow(NotResource=[TWO, "workspace:*:*:imageServer:*"]), GET, Reason.IMPLICIT_DENY),
        (allow(NotResource="*"), GET, Reason.IMPLICIT_DENY),
    ],
)
def test_statements_speak_of_actions_and_resources(statement: dict[str, Any], action: str, expected: Reason) -> None:
    assert reason(compile([grant(statement)]), action=action) is expected


def test_every_resource_has_to_be_allowed() -> None:
    policies = compile([grant(allow(Resource=ONE), deny(Resource="workspace:*:*:imageServer:9"))])
    assert reason(policies, resources=(ONE,)) is Reason.ALLOW
    decision = policies.decide(Request(GET, (ONE, TWO)))
    assert (decision.reason, decision.resource) == (Reason.IMPLICIT_DENY, TWO)
    nine = ONE[:-1] + "9"
    decision = policies.decide(Request(GET, (ONE, TWO, nine)))
    assert (decision.reason, decision.resource) == (Reason.EXPLICIT_DENY, nine)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({}, True),
        ({"Resource": "*"}, True),
        ({"Resource": "workspace:*:*:*:*"}, True),
        ({"Resource": "ims:*:*:*:*"}, False),
        ({"Resource": "workspace:*:*:imageServer:*"}, False),
        ({"NotResource": "workspace:*:*:imageServer:*"}, True),
    ],
)
def test_an_action_without_resource_needs_a_statement_about_all(resource: dict[str, Any], expected: bool) -> None:
    decision = compile([grant(allow(**resource))]).decide(Request("workspace:quotas:get"))
    assert decision.allowed is expected
    assert decision.resource == ""


@pytest.mark.parametrize(
    ("scope", "project", "enterprise_project", "expected"),
    [
        ("everywhere", "p", "0", True),
        ("everywhere", None, None, True),
        ("project:p", "p", "0", True),
        ("project:p", "q", "0", False),
        ("project:p", None, None, False),
        ("all_projects", "q", "0", True),
        ("all_projects", None, None, False),
        ("domain", None, None, True),
        ("domain", "p", "0", False),
        ("enterprise_project:e", "p", "e", True),
        ("enterprise_project:e", "p", "0", False),
        ("enterprise_project:e", "p", None, False),
    ],
)
def test_a_grant_takes_part_in_its_scope_only(
    scope: str, project: str | None, enterprise_project: str | None, expected: bool
) -> None:
    context = {} if enterprise_project is None else {"g:EnterpriseProjectId": enterprise_project}
    allowing = compile([grant(allow(), scope=scope)])
    assert reason(allowing, project_id=project, context=context) is (Reason.ALLOW if expected else Reason.IMPLICIT_DENY)
    denying = compile([grant(allow()), grant(deny(), scope=scope)])
    assert reason(denying, project_id=project, context=context) is (Reason.EXPLICIT_DENY if expected else Reason.ALLOW)


@pytest.mark.parametrize("text", ["", "project", "project:", "domain:x", "everywhere:1", "planet"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scope|valid"):
        Scope.of(text)


def test_a_scope_reads_back_as_it_was_written() -> None:
    for text in ("project:p", "enterprise_project:0", "all_projects", "domain", "everywhere"):
        assert str(Scope.of(text)) == text


def test_a_session_policy_narrows_and_never_widens() -> None:
    everything, reads = compile([grant(allow())]), compile([grant(allow(Action=GET))])
    nothing, denying = compile([]), compile([grant(deny(), name="S")])
    assert reason(everything, reads) is Reason.ALLOW
    assert reason(everything, reads, action=CREATE) is Reason.SESSION_POLICY
    assert reason(reads, everything, action=CREATE) is Reason.IMPLICIT_DENY
    assert reason(everything, nothing) is Reason.SESSION_POLICY
    assert reason(everything, denying) is Reason.EXPLICIT_DENY
    assert reason(nothing, reads, is_root=True) is Reason.ROOT
    assert reason(nothing, reads, is_root=True, action=CREATE) is Reason.SESSION_POLICY


def test_lists_show_what_may_be_seen() -> None:
    policies = compile([
        grant(allow(), scope="enterprise_project:a"),
        grant(deny(Condition={"StringEquals": {"g:ResourceTag/secret": "yes"}})),
    ])  # fmt: skip
    contexts = [
        {"g:EnterpriseProjectId": "a"},
        {"g:EnterpriseProjectId": "b"},
        {"g:EnterpriseProjectId": "a", "g:ResourceTag/secret": "yes"},
    ]
    assert policies.visible(GET, [(ONE, context) for context in contexts]) == [True, False, False]
    root = policies.visible(GET, [(ONE, context) for context in contexts], is_root=True)
    assert root == [True, True, False]
    assert policies.visible(GET, [(ONE, contexts[0])], session=compile([])) == [False]


def test_could_allow_tells_an_empty_list_from_a_refusal() -> None:
    policies = compile([grant(allow(Action=GET), scope="enterprise_project:a"), grant(allow(), scope="project:p")])
    assert policies.could_allow(GET, project_id="q")
    assert not policies.could_allow(CREATE, project_id="q")
    assert policies.could_allow(CREATE, project_id="p")
    assert not compile([grant(allow(NotResource="*"))]).could_allow(GET)


def test_only_known_actions_are_remembered() -> None:
    policies = compile([grant(allow())], known_actions={GET, CREATE})
    for action in (GET, CREATE, *(f"workspace:made:up{number}" for number in range(100))):
        assert reason(policies, action=action) is Reason.ALLOW
    assert set(policies._by_action) == {GET, CREATE}


def test_a_resource_without_a_name_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not the name"):
        compile([]).decide(Request(GET, ("42",)))
