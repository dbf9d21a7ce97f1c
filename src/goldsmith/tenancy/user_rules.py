"""What must hold for a new user beyond the shape of the request."""

from __future__ import annotations

from typing import Any

from goldsmith.errors import Problem, Problems
from goldsmith.store import Tx
from goldsmith.tenancy.service import Tenancy
from goldsmith.tenancy.user_schemas import CreateUser
from goldsmith.tenancy.users import ADMIN_ACTIVATE, USER_ACTIVATE

SHORTEST, LONGEST = 8, 32
KINDS_NEEDED = 3


def problems_of_new(tenancy: Tenancy, tx: Tx, project_id: str, wanted: CreateUser) -> list[Problem]:
    """Every problem; fields of `wanted` may be None where their shape was wrong."""
    problems = Problems()
    if wanted.user_name is not None:
        taken = tenancy.find_user(tx, project_id, wanted.user_name)
        if taken is not None:
            text = f"The user name is in use by user {taken.id}; names that differ only in case are the same."
            problems.add("user_name", wanted.user_name, "unique", text, conflict=True)
    _check_password(tenancy, wanted, problems)
    if wanted.active_type == USER_ACTIVATE and not (wanted.user_email or wanted.user_phone):
        text = "A user who activates the account needs user_email or user_phone; or send ADMIN_ACTIVATE."
        problems.add("user_email", wanted.user_email, "contact", text)
    if wanted.group_ids:
        text = "There are no user groups; leave group_ids out."
        problems.add("group_ids", wanted.group_ids, "exists", text)
    directory = tenancy.directory
    if directory is not None and wanted.domain and wanted.domain.casefold() != directory.domain_name.casefold():
        problems.add("domain", wanted.domain, "directory", f"The connected directory is {directory.domain_name}.")
    return problems.found


def _check_password(tenancy: Tenancy, wanted: CreateUser, problems: Problems) -> None:
    if wanted.password is not None:
        fault = password_fault(wanted.password, wanted.user_name or "")
        if fault:
            problems.add("password", None, "password", fault)
    elif wanted.active_type == ADMIN_ACTIVATE and not tenancy.has_directory:
        text = "ADMIN_ACTIVATE needs a password when no Active Directory is connected."
        problems.add("password", None, "required", text)


def password_fault(password: Any, user_name: str) -> str:
    """Why this is no acceptable password, "" when it is; the text never repeats it."""
    if not isinstance(password, str):
        return "Send a string."
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        return f"Send {SHORTEST} to {LONGEST} printable characters."
    kinds = [
        any(each.islower() for each in password),
        any(each.isupper() for each in password),
        any(each.isdigit() for each in password),
        any(not each.isalnum() for each in password),
    ]
    if sum(kinds) < KINDS_NEEDED:
        return "Use at least three of: lower case, upper case, digits, other characters."
    folded, name = password.casefold(), user_name.casefold()
    if name and (name in folded or name[::-1] in folded):
        return "The password must not contain the user name, forwards or backwards."
    return ""
