"""Scopes: where a granted policy is good. It takes part in a decision only when the request is there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScopeKind(StrEnum):
    """Where a grant is good."""

    EVERYWHERE = "everywhere"
    PROJECT = "project"
    ALL_PROJECTS = "all_projects"
    DOMAIN = "domain"
    ENTERPRISE_PROJECT = "enterprise_project"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a grant is good: `project:<id>`, `all_projects`, `domain`, `enterprise_project:<id>`, `everywhere`.

    `all_projects` are requests in any project, `domain` those in none (users, catalogue …), `everywhere` both:
    identity policies are attached without a scope. An enterprise project's scope is the requests that have
    `g:EnterpriseProjectId` in their context, with this value.
    """

    kind: ScopeKind
    id: str = ""

    @classmethod
    def of(cls, text: str) -> Scope:
        """The scope a text names; raises ValueError when it names none."""
        name, _, id_ = text.partition(":")
        kind = ScopeKind(name)
        if bool(id_) is not (kind in {ScopeKind.PROJECT, ScopeKind.ENTERPRISE_PROJECT}):
            raise ValueError(f"not a scope: {text!r}")
        return cls(kind, id_)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)


EVERYWHERE = Scope(ScopeKind.EVERYWHERE)
