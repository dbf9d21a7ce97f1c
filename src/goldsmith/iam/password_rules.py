"""What a password of an IAM user has to be."""

from __future__ import annotations

from goldsmith.errors import Problems

SHORTEST, LONGEST = 8, 128
KINDS = 2


def check_password(problems: Problems, field: str, password: str, user_name: str) -> None:
    """Note what is wrong with a new password; the password itself is never repeated."""
    if not SHORTEST <= len(password) <= LONGEST:
        problems.add(field, None, "length", f"Between {SHORTEST} and {LONGEST} characters.")
    if not all(character.isprintable() for character in password):
        problems.add(field, None, "pattern", "No line breaks or other control characters.")
    if _kinds(password) < KINDS:
        message = "At least two of: capital letters, small letters, digits, other characters."
        problems.add(field, None, "pattern", message)
    if user_name and password.casefold() in {user_name.casefold(), user_name.casefold()[::-1]}:
        problems.add(field, None, "pattern", "Not the name of the user, forwards or backwards.")


def _kinds(password: str) -> int:
    tests = (str.isupper, str.islower, str.isdigit, lambda c: not c.isalnum())
    return sum(any(test(character) for character in password) for test in tests)
