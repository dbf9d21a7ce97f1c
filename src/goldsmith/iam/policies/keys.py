"""The condition keys a policy may name: the global ones, and the two families of tags.

Source: contract, authentication section 6, "Global keys". Spelling counts, as in the context of a request.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

ENTERPRISE_PROJECT = "g:EnterpriseProjectId"

NEVER = "never known here"

GLOBAL_KEYS: dict[str, str] = {
    "g:CurrentTime": "when the call is decided, in ISO 8601",
    "g:SourceIp": "the address the call comes from",
    "g:SecureTransport": "`true` when it came over TLS",
    "g:UserAgent": "what the client calls itself",
    "g:Referer": "the header `Referer`",
    "g:RequestedRegion": "the region that this goldsmith is",
    "g:UserId": "the caller's id",
    "g:UserName": "the caller's name",
    "g:DomainId": "id of the caller's account",
    "g:DomainName": "its name",
    "g:ProjectName": "name of the project that the call is about",
    "g:PrincipalUrn": "`iam::<account id>:user:<name>`",
    "g:PrincipalAccount": "id of the caller's account",
    "g:PrincipalType": "`User`",
    "g:PrincipalIsRootUser": "`true` for the account's root user",
    "g:TokenIssueTime": "when the caller's token was issued; absent for a signature",
    "g:MFAPresent": "`false`: there is no second factor",
    ENTERPRISE_PROJECT: "of what the call touches, or of what it would make",
    "g:TagKeys": "keys of the tags in the request",
    "g:MFAAge": NEVER, "g:PrincipalOrgId": NEVER, "g:PrincipalOrgPath": NEVER, "g:VpcSourceIp": NEVER,
    "g:SourceVpc": NEVER, "g:CalledVia": NEVER, "g:ViaService": NEVER, "g:SourceIdentity": NEVER,
}  # fmt: skip
"""What each is in a request. Those that are never known make a positive operator false."""

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
