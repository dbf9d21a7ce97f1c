"""Random policies and requests: the fast evaluator agrees with the naive one, and the laws of policies hold."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.iam.policies.reference import decide_one

from goldsmith.iam.policies.conditions import OPERATORS, Kind
from goldsmith.iam.policies.evaluate import Grant, PolicySet, Reason, Request, compile
from goldsmith.iam.policies.grammar import parse
from goldsmith.iam.policies.scopes import Scope

ACTIONS = ["ws:server:get", "ws:server:list", "ws:app:get", "ims:images:list"]
ACTION_PATTERNS = [*ACTIONS, "*", "ws:*:*", "ws:*:g?t", "*:server:*", "WS:Server:Get", "ws:server:?"]
RESOURCES = ["ws:r:a:server:1", "ws:r:a:server:2", "ws::a:app:x:y", "ims:r:b:image:1"]
RESOURCE_PATTERNS = [*RESOURCES, "*", "ws:*:a:server:*", "*:*:*:*:?", "ws:*:*:*:*", "ws:*:a:app:*:y", "?ms:*:*:*:*"]
KEYS = ["g:UserName", "g:TagKeys", "g:RequestTag/k", "g:EnterpriseProjectId"]
SCOPES = ["everywhere", "project:p", "all_projects", "domain", "enterprise_project:a"]
VALUES: dict[Kind, list[str]] = {
    Kind.TEXT: ["a", "A", "ab", "", "5"],
    Kind.PATTERN: ["a", "a*", "?", "*b", ""],
    Kind.NUMBER: ["5", "5.0", "-1", "10"],
    Kind.DATE: ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-06-01"],
    Kind.BOOL: ["true", "false"],
    Kind.NULL: ["true", "false"],
    Kind.NETWORK: ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"],
}
CONTEXT_VALUES = st.sampled_from([
    "a", "A", "ab", "b", "", "5", "7.5", "true", "False", "10.1.2.3", "11.0.0.1", "fd00::1",
    "2026-01-01T00:00:00Z", "2026-03-01",
])  # fmt: skip


def some(values: list[str]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values) | st.lists(st.sampled_from(values), min_size=1, max_size=3)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 2))):
        operator = draw(st.sampled_from([each for each in OPERATORS.values() if not each.is_classic_only]))
        name = operator.name
        if operator.kind is not Kind.NULL:
            name = draw(st.sampled_from(["", "ForAnyValue:", "ForAllValues:"])) + name
            name += draw(st.sampled_from(["", "IfExists"]))
        made.setdefault(name, {})[draw(st.sampled_from(KEYS))] = draw(some(VALUES[operator.kind]))
    return made


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": effect or draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    made[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(some(ACTION_PATTERNS))
    about = draw(st.sampled_from([None, "Resource", "Resource", "NotResource"]))
    if about:
        made[about] = draw(some(RESOURCE_PATTERNS))
    if draw(st.booleans()):
        made["Condition"] = draw(conditions())
    return made


def documents(statement: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(statement, min_size=1, max_size=4).map(lambda made: {"Version": "5.0", "Statement": made})


Given = list[tuple[dict[str, Any], str]]
GRANTS: st.SearchStrategy[Given] = st.lists(st.tuples(documents(statements()), st.sampled_from(SCOPES)), max_size=4)
CONTEXTS = st.dictionaries(st.sampled_from(KEYS), CONTEXT_VALUES | st.lists(CONTEXT_VALUES, max_size=3))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    return Request(
        draw(st.sampled_from(ACTIONS)),
        (draw(st.sampled_from(RESOURCES)),),
        draw(CONTEXTS),
        draw(st.sampled_from([None, "p", "q"])),
        draw(st.integers(0, 4)) == 0,
    )


def made_of(grants: Given) -> PolicySet:
    return compile(
        [
            Grant(parse(document), str(index), str(index), Scope.of(scope))
            for index, (document, scope) in enumerate(grants)
        ],
        known_actions=ACTIONS,
    )


@settings(max_examples=300)
@given(GRANTS, st.none() | GRANTS, requests())
def test_the_fast_evaluator_agrees_with_the_naive_one(grants: Given, session: Given | None, request: Request) -> None:
    expected = decide_one(
        grants,
        session,
        request.action,
        request.resources[0],
        dict(request.context),
        request.project_id,
        request.is_root,
    )
    policies, narrowing = made_of(grants), made_of(session) if session is not None else None
    for _ in range(2):  # looked up, then remembered
        decision = policies.decide(request, narrowing)
        assert decision.reason == expected
        assert decision.allowed is (expected in {"allow", "root"})
    seen = policies.visible(
        request.action, [(request.resources[0], request.context)],
        project_id=request.project_id, is_root=request.is_root, session=narrowing,
    )  # fmt: skip
    assert seen == [decision.allowed]


@given(GRANTS, requests(), documents(statements("Deny")), st.sampled_from(SCOPES))
def test_adding_a_deny_never_grants(grants: Given, request: Request, denying: dict[str, Any], scope: str) -> None:
    after = made_of([*grants, (denying, scope)]).decide(request)
    assert not after.allowed or made_of(grants).decide(request).allowed


@given(GRANTS, requests(), st.data())
def test_removing_an_allow_never_grants(grants: Given, request: Request, data: st.DataObject) -> None:
    kept = []
    for document, scope in grants:
        left = [
            statement
            for statement in document["Statement"]
            if statement["Effect"] == "Deny" or data.draw(st.booleans(), label="keep")
        ]
        if left:
            kept.append(({"Version": "5.0", "Statement": left}, scope))
    assert not made_of(kept).decide(request).allowed or made_of(grants).decide(request).allowed


@given(GRANTS, requests(), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_statements_does_not_matter(grants: Given, request: Request, random: Any) -> None:
    shuffled = [
        ({**document, "Statement": random.sample(document["Statement"], len(document["Statement"]))}, scope)
        for document, scope in grants
    ]
    random.shuffle(shuffled)
    before, after = made_of(grants).decide(request), made_of(shuffled).decide(request)
    assert (before.allowed, before.reason) == (after.allowed, after.reason)


@given(GRANTS, GRANTS, requests())
def test_a_session_policy_never_grants(grants: Given, session: Given, request: Request) -> None:
    policies = made_of(grants)
    assert not policies.decide(request, made_of(session)).allowed or policies.decide(request).allowed


@given(GRANTS, requests())
def test_what_is_allowed_could_be_allowed(grants: Given, request: Request) -> None:
    policies = made_of(grants)
    if policies.decide(request).reason is Reason.ALLOW:
        assert policies.could_allow(request.action, project_id=request.project_id)


@given(st.lists(documents(statements("Deny"))), requests())
def test_only_an_allow_grants(denying: list[dict[str, Any]], request: Request) -> None:
    decision = made_of([(document, "everywhere") for document in denying]).decide(request)
    assert decision.reason is not Reason.ALLOW


@given(GRANTS, requests(), requests())
def test_a_decision_about_two_resources_is_the_worse_of_both(grants: Given, first: Request, second: Request) -> None:
    policies = made_of(grants)
    both = Request(first.action, (*first.resources, *second.resources), first.context, first.project_id, first.is_root)
    apart = [
        policies.decide(Request(first.action, (name,), first.context, first.project_id, first.is_root))
        for name in both.resources
    ]
    assert policies.decide(both).allowed is all(decision.allowed for decision in apart)
