"""Wire shapes of users, as the official SDK sends and reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from goldsmith.http.wire import Answer, Body
from goldsmith.iam.schemas import Links, SelfLink
from goldsmith.iam.tokens import wire_time
from goldsmith.store import Row

UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z _.\-][A-Za-z0-9 _.\-]{0,63}$")]
NewPassword = Annotated[str, StringConstraints(max_length=1024)]
Description = Annotated[str, StringConstraints(max_length=255)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Email = Annotated[str, StringConstraints(max_length=255, pattern=r"^([^@\s]+@[^@\s]+)?$")]
Phone = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,32}$")]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[0-9+]{0,8}$")]
AccessMode = Literal["default", "programmatic", "console"]


class Contact(Body):
    """What the administrator's operations know beside the Keystone ones."""

    access_mode: AccessMode | None = None
    email: Email | None = None
    areacode: AreaCode | None = None
    phone: Phone | None = None


class NewUser(Contact):
    """The user that is wanted (`POST /v3.0/OS-USER/users`)."""

    name: UserName
    domain_id: Id
    password: NewPassword | None = Field(default=None, repr=False)
    enabled: bool = True
    pwd_status: bool = False
    description: Description = ""


class NewUserRequest(Body):
    """Body of `POST /v3.0/OS-USER/users`."""

    user: NewUser


class UserChanges(Contact):
    """What is to change (`PUT /v3.0/OS-USER/users/{user_id}`); what is left out stays."""

    name: UserName | None = None
    password: NewPassword | None = Field(default=None, repr=False)
    enabled: bool | None = None
    pwd_status: bool | None = None
    description: Description | None = None


class UserChangesRequest(Body):
    """Body of `PUT /v3.0/OS-USER/users/{user_id}`."""

    user: UserChanges


class NewKeystoneUser(Body):
    """The user that is wanted (`POST /v3/users`); the account is the caller's."""

    name: UserName
    domain_id: Id | None = None
    password: NewPassword | None = Field(default=None, repr=False)
    enabled: bool = True
    description: Description = ""


class NewKeystoneUserRequest(Body):
    """Body of `POST /v3/users`."""

    user: NewKeystoneUser


class KeystoneUserChanges(Body):
    """What is to change (`PATCH /v3/users/{user_id}`)."""

    domain_id: Id | None = None
    name: UserName | None = None
    password: NewPassword | None = Field(default=None, repr=False)
    enabled: bool | None = None
    description: Description | None = None
    pwd_status: bool | None = None


class KeystoneUserChangesRequest(Body):
    """Body of `PATCH /v3/users/{user_id}`."""

    user: KeystoneUserChanges


class PasswordChange(Body):
    """The caller's old password and the new one."""

    password: NewPassword = Field(repr=False)
    original_password: NewPassword = Field(repr=False)


class PasswordChangeRequest(Body):
    """Body of `POST /v3/users/{user_id}/password`."""

    user: PasswordChange


class KeystoneUser(Answer):
    """A user as the Keystone operations show it."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    description: str
    pwd_status: bool
    password_expires_at: str | None = None
    last_project_id: str = ""
    access_mode: str
    links: SelfLink


class KeystoneUserAnswer(Answer):
    """One user."""

    user: KeystoneUser


class KeystoneUserList(Answer):
    """The users of an account, or of a group."""

    links: Links
    users: list[KeystoneUser]


class User(Answer):
    """A user as the administrator's operations show it. The root user is the owner of the account."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    description: str
    pwd_status: bool
    access_mode: str
    email: str
    areacode: str
    phone: str
    is_domain_owner: bool
    create_time: str
    update_time: str | None = None
    pwd_create_time: str | None = None
    password_expires_at: str | None = None
    links: SelfLink | None = None


class UserAnswer(Answer):
    """One user."""

    user: User


def keystone_user(row: Row, base_url: str) -> KeystoneUser:
    """A row of `models.users` for the Keystone operations."""
    return KeystoneUser(
        id=row["id"],
        name=row["name"],
        domain_id=row["domain_id"],
        enabled=bool(row["enabled"]),
        description=row["description"],
        pwd_status=bool(row["must_change_password"]),
        access_mode=row["access_mode"],
        links=SelfLink(self=f"{base_url}/v3/users/{row['id']}"),
    )


def keystone_users(rows: list[Row], base_url: str, path: str) -> KeystoneUserList:
    """A list of them; it is never paged."""
    return KeystoneUserList(links=Links(self=base_url + path), users=[keystone_user(row, base_url) for row in rows])


def full_user(row: Row, base_url: str) -> User:
    """A row of `models.users` for the administrator's operations."""
    return User(
        id=row["id"],
        name=row["name"],
        domain_id=row["domain_id"],
        enabled=bool(row["enabled"]),
        description=row["description"],
        pwd_status=bool(row["must_change_password"]),
        access_mode=row["access_mode"],
        email=row["email"],
        areacode=row["areacode"],
        phone=row["phone"],
        is_domain_owner=bool(row["is_root"]),
        create_time=wire_time(row["created_at"]),
        update_time=_time(row["updated_at"]),
        pwd_create_time=_time(row["password_changed_at"]),
        links=SelfLink(self=f"{base_url}/v3/users/{row['id']}"),
    )


def _time(milliseconds: int) -> str | None:
    return wire_time(milliseconds) if milliseconds else None
