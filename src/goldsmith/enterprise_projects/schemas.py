"""Wire shapes of enterprise projects."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from goldsmith.enterprise_projects.service import DEFAULT_NAME, EnterpriseProject
from goldsmith.http.wire import Answer, Body, wire_seconds

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-\u4e00-\u9fff]{1,64}$")]
Description = Annotated[str, StringConstraints(max_length=512)]
Kind = Literal["prod", "poc"]
EPOCH = "1970-01-01T00:00:00Z"


class NewEnterpriseProject(Body):
    """Body of `POST /v1.0/enterprise-projects`."""

    name: Name
    description: Description = ""
    type: Kind = "prod"

    @field_validator("name")
    @classmethod
    def _is_not_the_default_ones(cls, name: str) -> str:
        return _not_default(name)


class EnterpriseProjectChanges(Body):
    """Body of `PUT /v1.0/enterprise-projects/{id}`; what is left out stays."""

    name: Name
    description: Description | None = None
    type: Kind | None = None

    @field_validator("name")
    @classmethod
    def _is_not_the_default_ones(cls, name: str) -> str:
        return _not_default(name)


class Act(Body):
    """Body of `POST /v1.0/enterprise-projects/{id}/action`."""

    action: Literal["enable", "disable"]


class ShownProject(Answer):
    """An enterprise project; `status` is 1 for enabled, 2 for disabled."""

    id: str
    name: str
    description: str
    status: int
    type: str
    delete_flag: bool = False
    created_at: str
    updated_at: str


class ProjectAnswer(Answer):
    """One enterprise project."""

    enterprise_project: ShownProject


class ProjectList(Answer):
    """A page of enterprise projects, and how many match in all."""

    enterprise_projects: list[ShownProject]
    total_count: int


class Quota(Answer):
    """How many there may be, and are."""

    type: str = "enterprise_project"
    used: int
    quota: int


class Quotas(Answer):
    """All quotas."""

    resources: Annotated[list[Quota], Field(description="One entry: enterprise projects.")]


class QuotaAnswer(Answer):
    """Answer of the quotas."""

    quotas: Quotas


def shown(project: EnterpriseProject) -> ShownProject:
    """An enterprise project on the wire."""
    return ShownProject(
        id=project.id,
        name=project.name,
        description=project.description,
        status=int(project.status),
        type=project.type,
        created_at=wire_seconds(project.created_at) or EPOCH,
        updated_at=wire_seconds(project.updated_at) or EPOCH,
    )


def _not_default(name: str) -> str:
    if name.casefold() == DEFAULT_NAME:
        raise ValueError("reserved", "This name is the default enterprise project's; choose another one.")
    return name
