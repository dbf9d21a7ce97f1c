"""The decision: who may do what, and which statement says so.

Order: an explicit deny anywhere wins; the root user may; an allow; else refused. A session policy narrows: it has to
allow as well, even for the root user. A grant takes part only when the request is in its scope.

A `PolicySet` is made once per user and kept while the user's policies stay the same. What applies to an action is
looked up once and remembered, for the actions the service knows and no others, so that nobody can fill the memory.
Source: contract, authentication sections 5 and 6; measured alternatives in research/stack.md, section D.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from goldsmith.iam.policies.conditions import Context
from goldsmith.iam.policies.explain import Reason, explain
from goldsmith.iam.policies.grammar import Effect, Policy
from goldsmith.iam.policies.keys import ENTERPRISE_PROJECT
from goldsmith.iam.policies.scopes import EVERYWHERE, Scope, ScopeKind
from goldsmith.iam.policies.urn import PartsTest, parts_of

__all__ = ["Decision", "Grant", "PolicySet", "Reason", "Request", "Scope", "ScopeKind", "compile"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A policy given to someone, in a scope."""

    policy: Policy
    id: str
    name: str
    scope: Scope = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Request:
    """What someone wants to do.

    `resources` are the names of all resources it touches (`urn.urn`), and all have to be allowed; none for an
    action that has no resource, which only statements about every resource of its service allow. `context` holds
    the condition keys. `project_id` is None for requests outside projects.
    """

    action: str
    resources: Sequence[str] = ()
    context: Context = field(default_factory=dict)
    project_id: str | None = None
    is_root: bool = False


class Decision(NamedTuple):
    """The answer and what it rests on.

    `resource` is the one that decided. `policy_id`, `policy_name` and `statement` (its Sid, or `Statement[i]`)
    name the statement that decided, and are empty when none did.
    """

    allowed: bool
    reason: Reason
    action: str
    resource: str = ""
    policy_id: str = ""
    policy_name: str = ""
    statement: str = ""

    @property
    def explanation(self) -> str:
        """The decision in words (`explain.explain`)."""
        return explain(
            self.reason, action=self.action, resource=self.resource, policy=self.policy_name, statement=self.statement
        )


class _Rule(NamedTuple):
    """A statement within its grant, taken apart for the loop."""

    scope_kind: ScopeKind | None
    scope_id: str
    resource_test: PartsTest | None
    is_not_resource: bool
    conditions: tuple[Callable[[Context], bool], ...]
    grant: Grant
    label: str


@dataclass(frozen=True, slots=True)
class _Rules:
    """What speaks of one action."""

    denies: tuple[_Rule, ...]
    allows: tuple[_Rule, ...]


_Verdict = tuple[Reason, _Rule | None]

_GRANTING = frozenset({Reason.ALLOW, Reason.ROOT})


def compile(grants: Iterable[Grant], *, known_actions: Collection[str] = ()) -> PolicySet:
    """The set of everything one user is granted, by itself and through groups.

    In: the grants, and the actions the service knows, for which look-ups are remembered.
    """
    return PolicySet(tuple(grants), frozenset(known_actions))


class PolicySet:
    """Decides requests by a fixed set of grants. Safe to share between threads."""

    def __init__(self, grants: tuple[Grant, ...], known_actions: frozenset[str]) -> None:
        self.grants = grants
        self._known = known_actions
        self._by_action: dict[str, _Rules] = {}

    def decide(self, request: Request, session: PolicySet | None = None) -> Decision:
        """Whether the request is allowed, and why.

        In: the request; `session`, the policy that narrows temporary credentials. Raises ValueError for a resource
        whose name is none.
        """
        action = request.action
        rules = self._rules(action)
        session_rules = session._rules(action) if session is not None else None
        resources = request.resources or (_no_resource(action),)
        context, project_id, is_root = request.context, request.project_id, request.is_root
        decisive, found = "", None
        for resource in resources:
            verdict = _judge(rules, session_rules, parts_of(resource), context, project_id, is_root)
            if found is None or (verdict[0] not in _GRANTING and found[0] in _GRANTING):
                decisive, found = resource, verdict
            if verdict[0] is Reason.EXPLICIT_DENY:
                decisive, found = resource, verdict
                break
        assert found is not None  # there is at least one resource
        return _decision(action, decisive, found)

    def visible(
        self,
        action: str,
        candidates: Iterable[tuple[str, Context]],
        *,
        project_id: str | None = None,
        is_root: bool = False,
        session: PolicySet | None = None,
    ) -> list[bool]:
        """For each resource with its context, whether the action is allowed on it; for filtering lists."""
        rules = self._rules(action)
        session_rules = session._rules(action) if session is not None else None
        return [
            _judge(rules, session_rules, parts_of(resource), context, project_id, is_root)[0] in _GRANTING
            for resource, context in candidates
        ]

    def could_allow(self, action: str, *, project_id: str | None = None) -> bool:
        """Whether some resource and context might be allowed: a list may then be empty instead of refused.

        False only when no Allow in reach of the project speaks of the action. It never replaces a decision.
        """
        return any(
            _in_project(rule, project_id) and not (rule.is_not_resource and rule.resource_test is None)
            for rule in self._rules(action).allows
        )

    def could_deny(self, action: str, *, project_id: str | None = None) -> bool:
        """Whether some resource and context might be denied: a Deny in reach of the project speaks of the action."""
        return any(_in_project(rule, project_id) for rule in self._rules(action).denies)

    def _rules(self, action: str) -> _Rules:
        found = self._by_action.get(action)
        if found is None:
            found = self._collect(action.lower())
            if action in self._known:
                self._by_action[action] = found
        return found

    def _collect(self, action: str) -> _Rules:
        by_effect: dict[Effect, list[_Rule]] = {Effect.DENY: [], Effect.ALLOW: []}
        for grant in self.grants:
            for statement in grant.policy.statements:
                if statement.covers_action(action) and not statement.never_applies:
                    everywhere = grant.scope.kind is ScopeKind.EVERYWHERE
                    by_effect[statement.effect].append(
                        _Rule(
                            None if everywhere else grant.scope.kind,
                            grant.scope.id,
                            statement.resource_test,
                            statement.is_not_resource,
                            tuple(condition.holds for condition in statement.conditions),
                            grant,
                            statement.label,
                        )
                    )
        return _Rules(tuple(by_effect[Effect.DENY]), tuple(by_effect[Effect.ALLOW]))


def _judge(
    rules: _Rules,
    session: _Rules | None,
    parts: Sequence[str],
    context: Context,
    project_id: str | None,
    is_root: bool,
) -> _Verdict:
    denier = _first(rules.denies, parts, context, project_id)
    if denier is None and session is not None:
        denier = _first(session.denies, parts, context, project_id)
    if denier is not None:
        return Reason.EXPLICIT_DENY, denier
    allower = None if is_root else _first(rules.allows, parts, context, project_id)
    if not is_root and allower is None:
        return Reason.IMPLICIT_DENY, None
    if session is not None and _first(session.allows, parts, context, project_id) is None:
        return Reason.SESSION_POLICY, None
    return (Reason.ROOT if is_root else Reason.ALLOW), allower


def _first(rules: tuple[_Rule, ...], parts: Sequence[str], context: Context, project_id: str | None) -> _Rule | None:
    """The first rule that applies."""
    for rule in rules:
        scope_kind, _, test, is_not_resource, conditions, _, _ = rule
        if scope_kind is not None and not _in_scope(rule, context, project_id):
            continue
        if test is not None and test(parts) is is_not_resource:
            continue
        for holds in conditions:
            if not holds(context):
                break
        else:
            return rule
    return None


def _in_scope(rule: _Rule, context: Context, project_id: str | None) -> bool:
    if rule.scope_kind is ScopeKind.ENTERPRISE_PROJECT:
        return context.get(ENTERPRISE_PROJECT) == rule.scope_id
    return _in_project(rule, project_id)


def _in_project(rule: _Rule, project_id: str | None) -> bool:
    """Whether the rule's scope can be met in this project (None: outside projects)."""
    match rule.scope_kind:
        case ScopeKind.PROJECT:
            return project_id == rule.scope_id
        case ScopeKind.ALL_PROJECTS:
            return project_id is not None
        case ScopeKind.DOMAIN:
            return project_id is None
        case _:
            return True


def _no_resource(action: str) -> str:
    """Stands for the resource of an action that has none: a pattern matches it only when it has `*` there."""
    return f"{action.partition(':')[0].lower()}::::"


def _decision(action: str, resource: str, verdict: _Verdict) -> Decision:
    reason, rule = verdict
    shown = "" if resource == _no_resource(action) else resource
    if rule is None:
        return Decision(reason in _GRANTING, reason, action, shown)
    return Decision(reason in _GRANTING, reason, action, shown, rule.grant.id, rule.grant.name, rule.label)
