"""Decisions in words: the action, the resource, and the reason.

The texts go into the `error_msg` of a 403, so they stay within the contract's limit, whatever the names.
"""

from __future__ import annotations

from enum import StrEnum

from goldsmith.errors import MESSAGE_LIMIT


class Reason(StrEnum):
    """Why a request was allowed or refused; in the order in which they are asked."""

    EXPLICIT_DENY = "explicit_deny"
    ROOT = "root"
    ALLOW = "allow"
    IMPLICIT_DENY = "implicit_deny"
    SESSION_POLICY = "session_policy"


_SHOWN = 44
"""Longest name of a user, policy or statement in a message."""

_SHOWN_ACTION = 60


def explain(
    reason: Reason, *, action: str, resource: str = "", policy: str = "", statement: str = "", who: str = "You"
) -> str:
    """One sentence about a decision, at most `MESSAGE_LIMIT` characters.

    In: the reason; `resource` is empty for actions without one, `policy` and `statement` when none decided; `who`
    begins the sentence. Long names are shortened, the resource first.
    """
    by = f"{'' if statement.startswith('Statement[') else 'statement '}{_short(statement)} of policy {_short(policy)}"
    verb, cause = {
        Reason.EXPLICIT_DENY: ("may not", f"denied by {by}."),
        Reason.ROOT: ("may", "the root user may do everything in its account."),
        Reason.ALLOW: ("may", f"allowed by {by}."),
        Reason.IMPLICIT_DENY: ("may not", "no statement allows it."),
        Reason.SESSION_POLICY: ("may not", "the policy of the temporary credentials does not allow it."),
    }[reason]
    return _sentence(f"{_short(who)} {verb} perform {_short(action, _SHOWN_ACTION)}", resource, cause)


def explain_dependency(action: str, missing: str, *, resource: str = "", who: str = "You") -> str:
    """The sentence for a refusal because a further permission, which `action` needs, is missing.

    `resource` is that of the action itself.
    """
    return _sentence(
        f"{_short(who)} may not perform {_short(action, _SHOWN_ACTION)}",
        resource,
        f"dependency {_short(missing, _SHOWN_ACTION)} is missing.",
    )


def explain_some(action: str, *, who: str = "You") -> str:
    """The sentence for a list that is let in and shows what the caller may see."""
    return _sentence(
        f"{_short(who)} may perform {_short(action, _SHOWN_ACTION)}", "", "it lists what the user may see."
    )


def _sentence(head: str, resource: str, cause: str) -> str:
    room = MESSAGE_LIMIT - len(head) - len(": ") - len(cause) - len(" on ")
    on = f" on {_short(resource, room)}" if resource and room >= 12 else ""
    return f"{head}{on}: {cause}"


def _short(text: str, room: int = _SHOWN) -> str:
    clean = "".join(character if character.isprintable() else "?" for character in text[: room + 1])
    return clean if len(clean) <= room else clean[: room - 1] + "…"
