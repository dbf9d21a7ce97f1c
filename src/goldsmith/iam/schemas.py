"""Wire shapes of the IAM operations (contract: authentication, section 2)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class DomainName(BaseModel):
    """An account by id or by name."""

    id: Name | None = None
    name: Name | None = None


class User(BaseModel):
    """Who logs in: by id, or by name and account."""

    id: Name | None = None
    name: Name | None = None
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    domain: DomainName | None = None


class Password(BaseModel):
    """Proof by password."""

    user: User


class TokenProof(BaseModel):
    """Proof by another token."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Identity(BaseModel):
    """Proof of identity."""

    methods: Annotated[list[Literal["password", "token"]], Field(min_length=1, max_length=1)]
    password: Password | None = None
    token: TokenProof | None = None


class ProjectScope(BaseModel):
    """A project by id, or by name within an account (the user's own by default)."""

    id: Name | None = None
    name: Name | None = None
    domain: DomainName | None = None


class TokenScope(BaseModel):
    """What the token shall be good for; a project goes before an account."""

    project: ProjectScope | None = None
    domain: DomainName | None = None


class Auth(BaseModel):
    """Identity and scope."""

    identity: Identity
    scope: TokenScope | None = None


class TokenRequest(BaseModel):
    """Body of `POST /v3/auth/tokens`."""

    auth: Auth


class Reference(BaseModel):
    """Id and name of an account."""

    id: str
    name: str


class ProjectReference(BaseModel):
    """Id and name of a project and its account."""

    domain: Reference
    id: str
    name: str


class UserReference(BaseModel):
    """Id and name of a user and its account."""

    domain: Reference
    id: str
    name: str
    password_expires_at: str = ""


class Endpoint(BaseModel):
    """Where a service is reached."""

    id: str
    interface: str = "public"
    region: str
    region_id: str
    url: str


class Service(BaseModel):
    """An entry of the catalogue."""

    endpoints: list[Endpoint]
    id: str
    name: str
    type: str


class TokenBody(BaseModel):
    """The claims of a token as they are shown."""

    catalog: list[Service] | None = None
    domain: Reference | None = None
    expires_at: str
    issued_at: str
    methods: list[str]
    project: ProjectReference | None = None
    roles: list[Reference]
    user: UserReference


class TokenAnswer(BaseModel):
    """Answer of both token operations; the token itself is in the header X-Subject-Token."""

    token: TokenBody


class Links(BaseModel):
    """Where this list and its neighbouring pages are."""

    next: str | None = None
    previous: str | None = None
    self: str


class SelfLink(BaseModel):
    """Where one thing is."""

    self: str


class ProjectBody(BaseModel):
    """A project; its parent is the account."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    enabled: bool
    is_domain: bool = False
    description: str
    links: SelfLink


class ProjectList(BaseModel):
    """Answer of the project lists."""

    links: Links
    projects: list[ProjectBody]


class ProjectAnswer(BaseModel):
    """Answer of `POST /v3/projects`."""

    project: ProjectBody


class NewProject(BaseModel):
    """The project that is wanted; `domain_id` and `parent_id` may only name the caller's account."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    domain_id: Name | None = None
    parent_id: Name | None = None
    description: Annotated[str, StringConstraints(max_length=255)] = ""


class NewProjectRequest(BaseModel):
    """Body of `POST /v3/projects`."""

    project: NewProject


class DomainBody(BaseModel):
    """An account."""

    id: str
    name: str
    enabled: bool
    description: str
    links: SelfLink


class DomainList(BaseModel):
    """Answer of `GET /v3/auth/domains`."""

    domains: list[DomainBody]
    links: Links
