"""The words of a refusal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goldsmith.errors import MESSAGE_LIMIT
from goldsmith.iam.policies.explain import Reason, explain, explain_dependency

GET, ONE = "workspace:imageServer:get", "workspace:r:a:imageServer:1"


def test_each_reason_has_its_words() -> None:
    told = {
        reason: explain(reason, action=GET, resource=ONE, policy="P", statement="S", who="User u") for reason in Reason
    }
    head = f"perform {GET} on {ONE}: "
    assert told == {
        Reason.EXPLICIT_DENY: f"User u may not {head}denied by statement S of policy P.",
        Reason.ROOT: f"User u may {head}the root user may do everything in its account.",
        Reason.ALLOW: f"User u may {head}allowed by statement S of policy P.",
        Reason.IMPLICIT_DENY: f"User u may not {head}no statement allows it.",
        Reason.SESSION_POLICY: f"User u may not {head}the policy of the temporary credentials does not allow it.",
    }


def test_an_action_without_resource_and_a_statement_without_sid() -> None:
    told = explain(Reason.EXPLICIT_DENY, action="workspace:quotas:get", policy="P", statement="Statement[2]")
    assert told == "You may not perform workspace:quotas:get: denied by Statement[2] of policy P."


def test_a_missing_dependency_is_named() -> None:
    told = explain_dependency("workspace:imageServer:create", "ims:images:list")
    assert told == "You may not perform workspace:imageServer:create: dependency ims:images:list is missing."


@given(st.sampled_from(Reason), st.text(), st.text(), st.text(), st.text(), st.text(), st.integers(1, 300))
def test_messages_stay_within_the_limit_on_one_line(
    reason: Reason, action: str, resource: str, policy: str, statement: str, who: str, times: int
) -> None:
    told = explain(
        reason, action=action * times, resource=resource * times, policy=policy * times, statement=statement * times,
        who=who * times,
    )  # fmt: skip
    assert len(told) <= MESSAGE_LIMIT
    assert told.isprintable()
    assert len(explain_dependency(action * times, policy * times, resource=resource * times)) <= MESSAGE_LIMIT
