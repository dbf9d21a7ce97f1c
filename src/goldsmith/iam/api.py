"""The IAM operations clients need to start up (contract: authentication, section 2; terraform, section 7)."""

from __future__ import annotations

from typing import Annotated

from starlette.requests import Request
from starlette.responses import Response

from goldsmith import errors
from goldsmith.errors import Problems
from goldsmith.http.operations import Access, Surface, operation
from goldsmith.http.parameters import Header, Query
from goldsmith.http.routes import CurrentCall
from goldsmith.iam import examples, rendering
from goldsmith.iam.login import Issued, Login, Scope, UserName
from goldsmith.iam.projects import Projects, Wanted
from goldsmith.iam.schemas import (
    DomainList,
    DomainName,
    Identity,
    NewProjectRequest,
    ProjectAnswer,
    ProjectList,
    TokenAnswer,
    TokenRequest,
    TokenScope,
)
from goldsmith.iam.service import Caller, Iam

TAG = "Identity"
SUBJECT = "X-Subject-Token"
Page = Annotated[int, Query(ge=1, le=1_000_000)]
PerPage = Annotated[int, Query(ge=0, le=5000)]
Filter = Annotated[str | None, Query(max_length=255)]


class IamApi:
    """Tokens, projects and accounts."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam
        self._login = Login(iam)
        self._projects = Projects(iam)

    @operation(
        "KeystoneCreateToken", "POST", "/v3/auth/tokens", surface=Surface.IAM, tag=TAG, success=201,
        is_public=True, example=examples.LOGIN,
        errors=(errors.UNAUTHENTICATED, errors.FOREIGN_PROJECT, errors.TOO_MANY_REQUESTS),
        answer=examples.TOKEN,
    )  # fmt: skip
    async def create_token(
        self, call: CurrentCall, body: TokenRequest, response: Response, nocatalog: str | None = None
    ) -> TokenAnswer:
        """Get a token by password or by another token; it is in the header X-Subject-Token."""
        check_login(body)
        identity, scope = body.auth.identity, _scope(body.auth.scope)
        if identity.password is not None and identity.methods == ["password"]:
            user = identity.password.user
            domain = user.domain or DomainName()
            name = UserName(user.id, user.name, domain.id, domain.name)
            issued = await self._login.by_password(name, user.password, scope, call.source_ip)
        else:
            assert identity.token is not None
            issued = await self._login.by_token(identity.token.id, scope)
        return self._answer(issued, call.base_url, nocatalog, response)

    @operation(
        "KeystoneValidateToken", "GET", "/v3/auth/tokens", surface=Surface.IAM, tag=TAG,
        errors=(errors.NOT_FOUND,),
        answer=examples.TOKEN,
    )  # fmt: skip
    async def validate_token(
        self,
        call: CurrentCall,
        response: Response,
        subject: Annotated[str, Header(alias=SUBJECT)],
        nocatalog: str | None = None,
    ) -> TokenAnswer:
        """Show what is behind a token: the caller's own, or for the root user any of the account."""
        try:
            issued = await self._login.describe(subject)
        except errors.ServiceError as error:
            if error.kind is not errors.UNAUTHENTICATED:
                raise
            raise _invalid_subject() from error
        if not _may_see(call.caller, issued):
            raise _invalid_subject()
        return self._answer(issued, call.base_url, nocatalog, response)

    def _answer(self, issued: Issued, base_url: str, nocatalog: str | None, response: Response) -> TokenAnswer:
        response.headers[SUBJECT] = issued.text
        services = rendering.catalog(base_url, self._iam.region) if nocatalog is None else None
        return rendering.token_answer(issued, services)

    @operation(
        "KeystoneListProjects", "GET", "/v3/projects", surface=Surface.IAM, tag=TAG, exclude_none=False,
        answer=examples.PROJECTS,
    )  # fmt: skip
    async def list_projects(
        self,
        call: CurrentCall,
        request: Request,
        name: Filter = None,
        domain_id: Filter = None,
        parent_id: Filter = None,
        enabled: bool | None = None,
        is_domain: bool | None = None,
        page: Page = 1,
        per_page: PerPage = 0,
    ) -> ProjectList:
        """List the projects of the caller's account."""
        wanted = Wanted(name, enabled, page, per_page)
        own = {None, call.caller.domain_id}
        if is_domain or domain_id not in own or parent_id not in own:
            return rendering.project_list((), 0, wanted, call.base_url, request.url.path, _query(request))
        found, total = await self._projects.list(call.caller, wanted)
        return rendering.project_list(found, total, wanted, call.base_url, request.url.path, _query(request))

    @operation(
        "KeystoneListAuthProjects", "GET", "/v3/auth/projects", surface=Surface.IAM, tag=TAG,
        exclude_none=False,
        answer=examples.PROJECTS,
    )  # fmt: skip
    async def list_auth_projects(self, call: CurrentCall, request: Request) -> ProjectList:
        """List the projects the caller's credential is good for."""
        found, total = await self._projects.list(call.caller, Wanted(enabled=True))
        return rendering.project_list(found, total, Wanted(), call.base_url, request.url.path, {})

    @operation(
        "KeystoneListAuthDomains", "GET", "/v3/auth/domains", surface=Surface.IAM, tag=TAG,
        exclude_none=False,
        answer=examples.DOMAINS,
    )  # fmt: skip
    async def list_auth_domains(self, call: CurrentCall) -> DomainList:
        """Show the account the caller belongs to."""
        return rendering.domain_list(await self._projects.account(call.caller), call.base_url)

    @operation(
        "KeystoneCreateProject", "POST", "/v3/projects", surface=Surface.IAM, tag=TAG, success=201,
        action="iam:projects:createProject", access=Access.WRITE, errors=(errors.CONFLICT,),
        example={"project": {"name": "local-1_team-b", "description": "Images of team B"}},
        answer=examples.PROJECT,
    )  # fmt: skip
    async def create_project(self, call: CurrentCall, body: NewProjectRequest) -> ProjectAnswer:
        """Add a project to the caller's account."""
        wanted, problems = body.project, Problems()
        for field in ("domain_id", "parent_id"):
            value = getattr(wanted, field)
            if value not in {None, call.caller.domain_id}:
                message = "This is not your account; leave the field out or send your own account's id."
                problems.add(f"project.{field}", value, "account", message)
        problems.raise_if_any()
        project = await self._projects.add(call.caller, wanted.name, wanted.description)
        return ProjectAnswer(project=rendering.project_body(project, call.base_url))


def check_login(body: TokenRequest) -> None:
    """Raise `errors.INVALID` for a login that lacks something; no value is repeated, it may be a secret."""
    problems, identity = Problems(), body.auth.identity
    _check_identity(identity, problems)
    project = body.auth.scope.project if body.auth.scope is not None else None
    if project is not None and project.id is None and project.name is None:
        problems.add("auth.scope.project", None, "required", "Give the project's id or name.")
    problems.raise_if_any()


def _check_identity(identity: Identity, problems: Problems) -> None:
    method = identity.methods[0]
    at = f"auth.identity.{method}"
    if getattr(identity, method) is None:
        problems.add(at, None, "required", f"The method {method} needs this object.")
    elif method == "password" and identity.password is not None:
        user, domain = identity.password.user, identity.password.user.domain or DomainName()
        if user.id is None and (user.name is None or (domain.id is None and domain.name is None)):
            problems.add(f"{at}.user", None, "required", "Give the user's id, or its name and domain.")


def _scope(scope: TokenScope | None) -> Scope:
    if scope is None:
        return Scope()
    project = scope.project
    if project is None:
        domain = scope.domain or DomainName()
        return Scope(domain_id=domain.id, domain_name=domain.name)
    domain = project.domain or DomainName()
    return Scope(project.id, project.name, domain.id, domain.name)


def _may_see(caller: Caller, issued: Issued) -> bool:
    person = issued.person
    return caller.user_id == person.user_id or (caller.is_root and caller.domain_id == person.domain_id)


def _invalid_subject() -> errors.ServiceError:
    return errors.NOT_FOUND.error(f"{SUBJECT} is invalid in the request")


def _query(request: Request) -> dict[str, str]:
    return dict(request.query_params)
