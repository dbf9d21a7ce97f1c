"""The gate of every operation: may this caller do this?

First the operation's own action on everything it touches, then what it depends on.

The order is that of the contract (authentication, section 6): an explicit deny wins, the root user may, an Allow is
needed otherwise. A refusal says why, and carries the whole story encrypted for those who may open it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.operations import Access, Call, Resource, Touched
from goldsmith.iam.policies.evaluate import Decision, PolicySet, Request
from goldsmith.iam.policies.explain import Reason, explain, explain_dependency
from goldsmith.iam.policies.keys import ENTERPRISE_PROJECT
from goldsmith.iam.principal import facts_of, is_global
from goldsmith.iam.service import Caller, Iam
from goldsmith.iam.tokens import wire_time

Context = dict[str, Any]


class Admission:
    """Authenticates callers, and decides their calls by their grants: the `Gate` of the routes."""

    def __init__(self, iam: Iam, region: str) -> None:
        self._iam = iam
        self._region = region

    async def authenticate(
        self,
        *,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source_ip: str,
    ) -> Caller:
        """See `Iam.authenticate`."""
        return await self._iam.authenticate(
            method=method, raw_path=raw_path, query_string=query_string, headers=headers, body=body, source_ip=source_ip
        )

    async def may_in_account(self, call: Call) -> bool:
        """Whether the caller of an operation in a project may do the same for what belongs to no project."""
        caller = call.caller
        policies = await self._iam.policies_of(caller.user_id)
        context = self._context(call, Touched(), "")
        request = Request(call.operation.action or "", (), context, None, caller.is_root)
        return policies.decide(request, caller.session_policy).allowed

    async def admit(self, call: Call, touched: Callable[[], Awaitable[Touched]] | None) -> None:
        """Let the call pass, noting the decision on it, or raise `FOREIGN_PROJECT` or `FORBIDDEN`.

        For a list that names no single resource, being allowed on some is enough: `call.sees` then tells which.
        """
        operation, caller = call.operation, call.caller
        project_name = ""
        if operation.is_in_project:
            project_name = (await self._iam.require_project(caller, call.project_id)).name
        if operation.action is None:
            return
        policies = await self._iam.policies_of(caller.user_id)
        if caller.is_root and not policies.grants and caller.session_policy is None:
            call.decision = "root"
            return
        about = await touched() if touched is not None else Touched()
        context = self._context(call, about, project_name)
        decision = self._decide(call, policies, operation.action, about.resources, context)
        is_list = operation.access is Access.LIST and operation.resource_type is not None and not about.resources
        if is_list:
            call.sees = self._filter(call, policies, context)
        if decision.allowed:
            call.decision = f"{decision.policy_name}/{decision.statement}" if decision.policy_name else decision.reason
        elif is_list and self._may_see_some(call, policies, decision):
            call.decision = "some"
        else:
            raise self._refusal(call, decision, context)
        self._require_dependencies(call, policies, context, about.resources)

    def _decide(
        self, call: Call, policies: PolicySet, action: str, resources: Sequence[Resource], context: Context
    ) -> Decision:
        """The decision on the first resource that is refused, else on the last; its context then has the facts."""
        caller, project = call.caller, project_of(call)
        decision, plain = None, dict(context) if len(resources) > 1 else context
        for resource in resources or (None,):
            names = [self.urn(call, resource)] if resource is not None else []
            facts = _facts_of(resource)
            known = plain | facts if facts else plain
            decision = policies.decide(Request(action, names, known, project, caller.is_root), caller.session_policy)
            if not decision.allowed:
                context.update(facts)
                break
        assert decision is not None
        return decision

    def _may_see_some(self, call: Call, policies: PolicySet, decision: Decision) -> bool:
        """Whether a list may be empty instead of refused: each of its entries is decided by itself."""
        if decision.reason is Reason.EXPLICIT_DENY:
            return False
        action, project = call.operation.action or "", project_of(call)
        session = call.caller.session_policy
        is_in_reach = call.caller.is_root or policies.could_allow(action, project_id=project)
        return is_in_reach and (session is None or session.could_allow(action, project_id=project))

    def _filter(self, call: Call, policies: PolicySet, context: Context) -> Callable[[Iterable[Resource]], list[bool]]:
        caller = call.caller

        def sees(resources: Iterable[Resource]) -> list[bool]:
            candidates = [(self.urn(call, each), context | _facts_of(each)) for each in resources]
            return policies.visible(
                call.operation.action or "", candidates, project_id=project_of(call),
                is_root=caller.is_root, session=caller.session_policy,
            )  # fmt: skip

        return sees

    def _require_dependencies(
        self, call: Call, policies: PolicySet, context: Context, resources: Sequence[Resource]
    ) -> None:
        """The further permissions, on everything of their service, in the enterprise projects that are touched."""
        caller, project = call.caller, project_of(call)
        for needed in call.operation.dependencies:
            for resource in resources or (None,):
                facts = context | _facts_of(resource)
                found = policies.decide(Request(needed, (), facts, project, caller.is_root), caller.session_policy)
                if not found.allowed:
                    name = self.urn(call, resource) if resource is not None else ""
                    raise self._refusal(call, found, facts, needed_on=name)

    def urn(self, call: Call, resource: Resource) -> str:
        """`<service>:<region>:<account>:<type>:<id>` of what a call touches."""
        service = (call.operation.action or "").partition(":")[0]
        return f"{service}:{self._region}:{call.caller.domain_id}:{resource.type}:{resource.id or '*'}"

    def _context(self, call: Call, touched: Touched, project_name: str) -> Context:
        """The global keys that are known of this call (contract: authentication, section 6)."""
        caller = call.caller
        context: Context = {
            "g:CurrentTime": wire_time(self._iam.now_ms()),
            **facts_of(caller, self._region),
            "g:SecureTransport": "true" if call.is_secure else "false",
        }
        for key, value in (
            ("g:ProjectName", project_name), ("g:SourceIp", call.source_ip), ("g:UserAgent", call.user_agent),
            ("g:Referer", call.referer),
        ):  # fmt: skip
            if value:
                context[key] = value
        if caller.token is not None:
            context["g:TokenIssueTime"] = wire_time(caller.token.issued_at)
        if touched.request_tags:
            context["g:TagKeys"] = list(touched.request_tags)
            context |= {f"g:RequestTag/{key}": value for key, value in touched.request_tags.items() if value}
        return context

    def _refusal(
        self, call: Call, decision: Decision, context: Mapping[str, Any], *, needed_on: str | None = None
    ) -> ServiceError:
        """The 403 for a decision; `needed_on` is the resource of the call when it was about a dependency."""
        call.decision = f"{decision.policy_name}/{decision.statement}" if decision.policy_name else decision.reason
        who, action = f"User {call.caller.user_name}", call.operation.action or ""
        if needed_on is None:
            resource, missing = decision.resource, None
            message = explain(
                decision.reason, action=action, resource=resource, policy=decision.policy_name,
                statement=decision.statement, who=who,
            )  # fmt: skip
        else:
            resource, missing = needed_on, decision.action
            call.decision = f"dependency {missing}: {call.decision}"
            message = explain_dependency(action, decision.action, resource=resource, who=who)
        story = {
            "user_id": call.caller.user_id, "user": call.caller.user_name, "operation": call.operation.name,
            "action": action, "missing_dependency": missing, "resource": resource, "reason": str(decision.reason),
            "policy_id": decision.policy_id, "policy": decision.policy_name, "statement": decision.statement,
            "project_id": project_of(call), "context": dict(context),
            "request_id": call.request_id,
        }  # fmt: skip
        refused = errors.FORBIDDEN.error(message)
        refused.extras["encoded_authorization_message"] = self._iam.box.seal(json.dumps(story))
        return refused


def project_of(call: Call) -> str | None:
    """The project a call is decided in: that of the path, else that of the credential; none for global services.

    Otherwise the administrator of one project would administer the account, with a token for that project.
    """
    if call.project_id:
        return call.project_id
    return None if is_global(call.operation.action or "") else call.caller.project_id


def _facts_of(resource: Resource | None) -> Context:
    if resource is None:
        return {}
    facts: Context = {f"g:ResourceTag/{key}": value for key, value in resource.tags.items()}
    if resource.enterprise_project_id is not None:
        facts[ENTERPRISE_PROJECT] = resource.enterprise_project_id
    return facts
