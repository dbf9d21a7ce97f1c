"""From domain objects to the wire shapes of IAM."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from goldsmith.iam.directory import Project
from goldsmith.iam.login import Issued
from goldsmith.iam.projects import Account, Wanted
from goldsmith.iam.schemas import (
    DomainBody,
    DomainList,
    Endpoint,
    Links,
    ProjectBody,
    ProjectList,
    ProjectReference,
    Reference,
    SelfLink,
    Service,
    TokenAnswer,
    TokenBody,
    UserReference,
)

SERVICES = (
    ("iam", "iam", "/v3"),
    ("workspaceapp", "appstream", ""),
    ("workspace", "workspace", ""),
    ("ims", "ims", ""),
    ("vpc", "vpc", ""),
    ("ecs", "ecs", ""),
    ("evs", "evs", ""),
    ("eps", "eps", ""),
)
"""Name, type and path of what the catalogue lists; all of it is this very server."""
EVERYWHERE = "*"


def catalog(base_url: str, region: str) -> list[Service]:
    """The services at `base_url`; ids depend on nothing but the name."""
    services = []
    for name, kind, path in SERVICES:
        where = EVERYWHERE if kind == "iam" else region
        endpoint = Endpoint(id=_id(f"endpoint/{name}"), region=where, region_id=where, url=base_url + path)
        services.append(Service(endpoints=[endpoint], id=_id(f"service/{name}"), name=name, type=kind))
    return services


def _id(name: str) -> str:
    return uuid5(NAMESPACE_URL, f"goldsmith/{name}").hex


def token_answer(issued: Issued, services: list[Service] | None) -> TokenAnswer:
    """The claims as both token operations show them; `services` None leaves the catalogue out."""
    person, token, project = issued.person, issued.token, issued.project
    domain = Reference(id=person.domain_id, name=person.domain_name)
    shown = None if project is None else ProjectReference(domain=domain, id=project.id, name=project.name)
    return TokenAnswer(
        token=TokenBody(
            catalog=services,
            domain=domain if shown is None else None,
            project=shown,
            expires_at=token.expires_text,
            issued_at=token.issued_text,
            methods=list(token.methods),
            roles=[Reference(id="0", name="te_admin")] if person.is_root else [],
            user=UserReference(domain=domain, id=person.user_id, name=person.user_name),
        )
    )


def project_body(project: Project, base_url: str) -> ProjectBody:
    """A project; its parent is its account."""
    return ProjectBody(
        id=project.id,
        name=project.name,
        domain_id=project.domain_id,
        parent_id=project.domain_id,
        enabled=project.enabled,
        description=project.description,
        links=SelfLink(self=f"{base_url}/v3/projects/{project.id}"),
    )


def project_list(
    found: Sequence[Project], total: int, wanted: Wanted, base_url: str, path: str, query: dict[str, str]
) -> ProjectList:
    """One page of projects with links to its neighbours; `query` are the filters as they were sent."""
    address = f"{base_url}{path}"

    def page(number: int) -> str:
        return f"{address}?{urlencode(query | {'page': number, 'per_page': wanted.per_page})}"

    has_more = wanted.per_page > 0 and wanted.page * wanted.per_page < total
    links = Links(
        self=f"{address}?{urlencode(query)}" if query else address,
        next=page(wanted.page + 1) if has_more else None,
        previous=page(wanted.page - 1) if wanted.per_page and wanted.page > 1 else None,
    )
    return ProjectList(links=links, projects=[project_body(project, base_url) for project in found])


def domain_list(account: Account, base_url: str) -> DomainList:
    """The one account a credential belongs to."""
    body = DomainBody(
        id=account.id,
        name=account.name,
        enabled=account.enabled,
        description=account.description,
        links=SelfLink(self=f"{base_url}/v3/domains/{account.id}"),
    )
    return DomainList(domains=[body], links=Links(self=f"{base_url}/v3/auth/domains"))
