"""What conditions may ask of whoever wants something, known before the request is looked at."""

from __future__ import annotations

from typing import Any

from goldsmith.iam.directory import Person
from goldsmith.iam.service import Caller


def facts_of(who: Caller | Person, region: str) -> dict[str, Any]:
    """The global condition keys about a user (contract: authentication, section 6)."""
    return {
        "g:UserId": who.user_id,
        "g:UserName": who.user_name,
        "g:DomainId": who.domain_id,
        "g:DomainName": who.domain_name,
        "g:PrincipalUrn": f"iam::{who.domain_id}:user:{who.user_name}",
        "g:PrincipalAccount": who.domain_id,
        "g:PrincipalType": "User",
        "g:PrincipalIsRootUser": str(who.is_root).lower(),
        "g:MFAPresent": "false",
        "g:RequestedRegion": region,
    }


GLOBAL_SERVICES = frozenset({"iam", "eps", "sts"})
"""Services that stand above projects: grants for projects do not reach them."""


def is_global(action: str) -> bool:
    """Whether the action is one of a service that knows no projects."""
    return action.partition(":")[0].lower() in GLOBAL_SERVICES
