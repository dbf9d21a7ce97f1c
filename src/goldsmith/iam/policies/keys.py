"""The condition keys a policy may name: the global ones, and the two families of tags.

Source: contract, authentication section 6, "Global keys". Spelling counts, as in the context of a request.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

ENTERPRISE_PROJECT = "g:EnterpriseProjectId"

GLOBAL_KEYS = frozenset({
    "g:CurrentTime", "g:MFAPresent", "g:MFAAge", "g:UserId", "g:UserName", "g:ProjectName", "g:DomainName",
    "g:DomainId", "g:PrincipalUrn", "g:PrincipalAccount", "g:PrincipalType", "g:PrincipalOrgId",
    "g:PrincipalOrgPath", "g:PrincipalIsRootUser", ENTERPRISE_PROJECT, "g:TagKeys", "g:SourceIp",
    "g:VpcSourceIp", "g:SourceVpc", "g:SecureTransport", "g:RequestedRegion", "g:UserAgent", "g:Referer",
    "g:CalledVia", "g:ViaService", "g:TokenIssueTime", "g:SourceIdentity",
})  # fmt: skip

TAG_FAMILIES = ("g:RequestTag/", "g:ResourceTag/")

MAX_TAG_KEY = 128


def problem_with(key: str, service_keys: Collection[str]) -> str | None:
    """What is wrong with a condition key; None when it is known.

    In: the key, and the keys of services that are known beside the global ones.
    """
    if key in GLOBAL_KEYS or key in service_keys:
        return None
    for family in TAG_FAMILIES:
        if key.startswith(family):
            tag = key[len(family) :]
            if not tag or len(tag) > MAX_TAG_KEY:
                return f"After {family} comes the key of a tag, 1 to {MAX_TAG_KEY} characters."
            if "*" in tag or "?" in tag:
                return "Wildcards are not allowed in the key of a tag."
            return None
    known = sorted({*GLOBAL_KEYS, *TAG_FAMILIES, *service_keys})
    return f"The condition key is unknown.{suggestion(key, known)}"


def suggestion(word: str, known: Collection[str]) -> str:
    """` Did you mean X?`, or nothing when no known word is near."""
    if len(word) > 100:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.75)
    return f" Did you mean {by_lower[near[0]]}?" if near else ""
