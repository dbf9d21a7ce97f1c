"""Explaining decisions: opening the story of a refusal, and asking "might they, and why" without doing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from goldsmith import errors
from goldsmith.errors import Problems
from goldsmith.http.operations import Access, Operation, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Answer, Body
from goldsmith.iam import examples
from goldsmith.iam.directory import Person
from goldsmith.iam.keys import KeyFileProblem
from goldsmith.iam.policies import keys
from goldsmith.iam.policies.evaluate import Decision, Request
from goldsmith.iam.policies.explain import Reason, explain_dependency, explain_some
from goldsmith.iam.policies.urn import has_wildcard, is_action_pattern, urn
from goldsmith.iam.principal import facts_of, is_global
from goldsmith.iam.service import Iam
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.tokens import wire_time

TAG = "IAM decisions"
SOME = "some"
"""The reason a list is let in that shows only what the user may see."""
Short = Annotated[str, Field(min_length=1, max_length=128)]
Value = Annotated[str, Field(max_length=1024)]


class EncodedMessage(Body):
    """What a refusal carried as `encoded_authorization_message`."""

    encoded_message: Annotated[str, Field(min_length=1, max_length=65536)]


class DecodedMessage(Answer):
    """The story of the refusal, as JSON text."""

    decoded_message: str


class Simulation(Body):
    """Who wants to do what, to which resources, under which circumstances.

    The user is named by id or name. Without `resources` an action of a resource type is decided for a resource that
    is yet to be made, or listed. `context` holds condition keys (`g:EnterpriseProjectId`, …) with their values; what
    is known of the user and the time need not be said.
    """

    user_id: Short | None = None
    user_name: Short | None = None
    actions: Annotated[list[Short], Field(min_length=1, max_length=50)]
    resources: Annotated[list[Annotated[str, Field(min_length=1, max_length=512)]], Field(max_length=50)] | None = None
    project_id: Short | None = None
    context: Annotated[dict[str, Value | list[Value]], Field(max_length=64)] | None = None


class SimulatedDecision(Answer):
    """One decision, and what it rests on."""

    action: str
    resource: str
    allowed: bool
    reason: str
    policy_id: str
    policy_name: str
    statement: str
    missing_dependencies: list[str]
    explanation: str


class Simulated(Answer):
    """One decision for every action and resource."""

    user_id: str
    user_name: str
    decisions: list[SimulatedDecision]


class DecisionsApi:
    """HTTP side of explanations."""

    table: Mapping[str, Operation] = {}
    """An operation for each action, in lower case; set when the table is complete."""

    def __init__(self, iam: Iam, region: str) -> None:
        self._iam, self._region = iam, region

    @operation(
        "DecodeAuthorizationMessage", "POST", "/v5/decode-authorization-message", surface=EXTENSION, codes=CODES,
        action="sts:authorizationMessage:get", tag=TAG, example={"encoded_message": "gAAAA…"},
        answer=examples.DECODED,
    )  # fmt: skip
    async def decode(self, call: CurrentCall, body: EncodedMessage) -> DecodedMessage:
        """Open the encrypted story of a refusal: who, what, why, and everything the decision knew."""
        try:
            story = json.loads(self._iam.box.open(body.encoded_message))
        except (KeyFileProblem, ValueError):
            story = None
        if not isinstance(story, dict) or story.get("context", {}).get("g:DomainId") != call.caller.domain_id:
            text = "This is no message of this service and account; send encoded_authorization_message as it came."
            raise errors.refusal([errors.Problem("encoded_message", None, "message", text)])
        return DecodedMessage(decoded_message=json.dumps(story, ensure_ascii=False))

    @operation(
        "SimulatePolicies", "POST", "/v5/policies/simulate", surface=EXTENSION, codes=CODES,
        action="iam:policies:checkSimulated", tag=TAG, is_extension=True,
        example={"user_name": "builder", "actions": ["workspace:imageServer:create"], "context": {
            "g:EnterpriseProjectId": "0"}},
        answer=examples.SIMULATED,
    )  # fmt: skip
    async def simulate(self, call: CurrentCall, body: Simulation) -> Simulated:
        """Tell whether a user may do something, and why, without doing it."""
        _check(body)
        person = await self._person(call.caller.domain_id, body)
        context = {"g:CurrentTime": wire_time(self._iam.now_ms()), **facts_of(person, self._region)}
        if body.project_id is not None:
            project = await self._iam.directory.project(body.project_id)
            if project is None or project.domain_id != call.caller.domain_id:
                text = "There is no such project in this account; GET /v3/projects lists them."
                raise errors.refusal([errors.Problem("project_id", body.project_id, "exists", text)])
            context["g:ProjectName"] = project.name
        decisions = [
            await self._decide(person, action, resource, body.project_id, {**context, **(body.context or {})})
            for action in body.actions
            for resource in body.resources or [""]
        ]
        return Simulated(user_id=person.user_id, user_name=person.user_name, decisions=decisions)

    async def _person(self, domain_id: str, body: Simulation) -> Person:
        if (body.user_id is None) == (body.user_name is None):
            raise errors.refusal([errors.Problem("user_id", body.user_id, "one_of", "Send user_id or user_name.")])
        if body.user_id is not None:
            found = await self._iam.directory.person(body.user_id)
        else:
            found = await self._iam.directory.person_named(body.user_name or "", domain_id, None)
        if found is None or found.domain_id != domain_id:
            field, value = ("user_id", body.user_id) if body.user_id is not None else ("user_name", body.user_name)
            text = "There is no such user in this account; GET /v3/users lists them."
            raise errors.refusal([errors.Problem(field, value, "exists", text)])
        return found

    async def _decide(
        self, person: Person, action: str, resource: str, project_id: str | None, context: Mapping[str, Any]
    ) -> SimulatedDecision:
        policies = await self._iam.policies_of(person.user_id)

        def ask(what: str, names: list[str]) -> Decision:
            project = None if is_global(what) else project_id
            return policies.decide(Request(what, names, context, project, person.is_root))

        declared = self.table.get(action.lower())
        is_list = declared is not None and declared.access is Access.LIST
        assumed = "" if is_list else self._assumed(person, action, declared)
        try:
            decision = ask(action, [resource or assumed] if resource or assumed else [])
        except ValueError as error:
            raise errors.refusal([errors.Problem("resources", resource, "urn", str(error))]) from error
        allowed, reason, explanation = decision.allowed, str(decision.reason), decision.explanation
        if is_list and not resource and decision.reason is Reason.IMPLICIT_DENY:
            reach = None if is_global(action) else project_id
            if declared and declared.resource_type and policies.could_allow(action, project_id=reach):
                allowed, reason, explanation = True, SOME, explain_some(action)
        needed = declared.dependencies if declared is not None else ()
        missing = [each for each in needed if not ask(each, []).allowed] if allowed else []
        if missing:
            explanation = explain_dependency(action, missing[0], resource=resource or assumed)
        return SimulatedDecision(
            action=action, resource=resource or assumed, allowed=allowed and not missing, reason=reason,
            policy_id=decision.policy_id, policy_name=decision.policy_name, statement=decision.statement,
            missing_dependencies=missing, explanation=explanation,
        )  # fmt: skip

    def _assumed(self, person: Person, action: str, declared: Operation | None) -> str:
        """The resource of an action that was asked about without one, as a call has it that makes one."""
        if declared is None or declared.resource_type is None:
            return ""
        return urn(action.partition(":")[0].lower(), self._region, person.domain_id, declared.resource_type, "*")


def _check(body: Simulation) -> None:
    """Raise `errors.INVALID` for what no call could be about: an answer would be misleading."""
    problems = Problems()
    for index, action in enumerate(body.actions):
        if not is_action_pattern(action) or has_wildcard(action):
            text = "An action has three parts, service:type:operation, without wildcards."
            problems.add(f"actions[{index}]", action, "action", text)
    for key in body.context or {}:
        fault = keys.problem_with(key, ())
        if fault is not None:
            problems.add(f"context[{json.dumps(key[:80])}]", None, "condition_key", fault)
    problems.raise_if_any()
