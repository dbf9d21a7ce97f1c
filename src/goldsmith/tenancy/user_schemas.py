"""Wire shapes of Workspace users (SDK `huaweicloudsdkworkspace` v2; Terraform's `workspace_user`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SkipValidation

from goldsmith.http.wire import Answer, Body

ActiveType = Literal["USER_ACTIVATE", "ADMIN_ACTIVATE"]
_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ")


def expiry_ms(text: str) -> int:
    """`2030-01-01T00:00:00Z`, with or without fraction, in milliseconds; 0 for "0" and "": never.

    Raises `ValueError` with rule and message.
    """
    if text in ("", "0"):
        return 0
    for form in _FORMATS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            continue
    raise ValueError("time", "Send 0 (never) or a time in UTC such as 2030-01-31T12:00:00Z.")


def _expiry(text: str) -> str:
    expiry_ms(text)
    return text


Name = Annotated[str, Field(pattern=r"^([0-9]{1,20}|[A-Za-z][A-Za-z0-9._-]{0,19})$")]
Email = Annotated[str, Field(max_length=64, pattern=r"^([^@\s]+@[^@\s]+)?$")]
Phone = Annotated[str, Field(max_length=32, pattern=r"^(\+?[0-9][0-9 ()-]*)?$")]
Text = Annotated[str, Field(max_length=255)]
Expiry = Annotated[str, Field(max_length=32), AfterValidator(_expiry)]
Password = Annotated[
    SkipValidation[str | None],
    Field(
        description="8 to 32 characters of at least three kinds: upper and lower case, digits, others.",
        json_schema_extra={"writeOnly": True},
    ),
]
"""Checked by `user_rules`, not by pydantic: its findings repeat the input, and a password is never repeated."""


class CreateUser(Body):
    """Body of the creation of a user."""

    user_name: Name
    password: Password = None
    user_email: Email | None = None
    user_phone: Phone | None = None
    account_expires: Expiry | None = None
    active_type: ActiveType = "USER_ACTIVATE"
    enable_change_password: bool = True
    next_login_change_password: bool = True
    group_ids: Annotated[list[str], Field(max_length=100)] | None = None
    description: Text | None = None
    alias_name: Annotated[str, Field(max_length=64)] | None = None
    enterprise_project_id: Annotated[str, Field(max_length=64)] | None = None
    user_info_map: Annotated[str, Field(max_length=1024)] | None = None
    domain: Annotated[str, Field(max_length=64)] | None = None


class EditUser(Body):
    """Body of a change; what is left out stays."""

    description: Text | None = None
    user_email: Email | None = None
    user_phone: Phone | None = None
    active_type: ActiveType | None = None
    account_expires: Expiry | None = None
    enable_change_password: bool | None = None
    next_login_change_password: bool | None = None
    password_never_expired: bool | None = None
    disabled: bool | None = None
    user_info_map: Annotated[str, Field(max_length=1024)] | None = None


class UserId(Answer):
    """The id of a user."""

    id: str


class UserFacts(Answer):
    """What both views of a user have in common."""

    id: str
    user_name: str
    user_email: str
    user_phone: str
    description: str
    active_type: ActiveType
    is_pre_user: bool = False
    locked: bool = False
    enable_change_password: bool
    next_login_change_password: bool
    password_never_expired: bool
    disabled: bool
    group_names: tuple[str, ...] = ()
    share_space_subscription: bool = False
    share_space_desktops: int = 0
    total_desktops: int = 0


class UserDetail(UserFacts):
    """A user in full; `account_expires` in milliseconds, 0 for never."""

    sam_account_name: str
    full_name: str
    account_type: int = 0
    when_created: str
    account_expires: int
    user_expired: bool


class ShownUser(Answer):
    """Answer of the detail operation."""

    user_detail: UserDetail


class UserItem(UserFacts):
    """A user in a list; `account_expires` as a time, "0" for never."""

    account_expires: str
    account_expired: bool
    enterprise_project_id: str
    user_info_map: str
    domain: str


class UserList(Answer):
    """Users that match; `total_count` before paging."""

    total_count: int
    users: list[UserItem]
