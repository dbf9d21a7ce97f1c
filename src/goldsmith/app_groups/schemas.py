"""Wire shapes of app groups and authorisations (contract: operations, section 10)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from goldsmith.app_servers.shared_schemas import Description, Name, Plain
from goldsmith.http.wire import Answer, Body, Ids

Unused = Annotated[str, Field(max_length=255, description="Accepted and not used: nobody is notified.")]


class AppGroup(Answer):
    """An app group."""

    id: str
    name: str
    tenant_id: str
    app_server_group_id: str
    app_server_group_name: str
    description: str
    create_at: str
    authorization_type: Literal["APP", "APP_GROUP"]
    app_type: Literal["SESSION_DESKTOP_APP", "COMMON_APP"]
    app_count: int = Field(0, description="Published apps; there are none.")


class AppGroupDetail(AppGroup):
    """An app group by itself."""

    app_server_group_description: str


class AppGroupPage(Answer):
    """A page of app groups, newest first."""

    count: int
    items: list[AppGroup]


class UpdateAppGroup(Body):
    """What to change; what is absent stays. A group can be bound to a server group while it is bound to none."""

    name: Name | None = None
    description: Description | None = None
    app_server_group_id: Annotated[str, Field(max_length=128)] | None = None


class AppGroupIds(Body):
    """Which groups to delete."""

    ids: Ids


class Account(Body):
    """An account to authorise, or whose authorisation to take back."""

    id: Annotated[str, Field(max_length=128)] | None = None
    account: Annotated[str, Field(min_length=1, max_length=128), Plain]
    account_type: Literal["USER", "USER_GROUP"]
    domain: Annotated[str, Field(max_length=64), Plain] | None = None
    email: Unused | None = None
    telephone_number: Unused | None = None
    platform_type: Literal["AD", "LOCAL", "SYSTEM"] | None = None


class Authorize(Body):
    """Accounts and groups; every account is meant for every group."""

    accounts: Annotated[list[Account], Field(min_length=1, max_length=50)]
    app_group_ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=10)
    ]


class Authorization(Answer):
    """An account's right to use a group; `app_id` and `app_name` are empty, since the right is for all its apps."""

    account_id: str
    account: str
    account_type: Literal["USER", "USER_GROUP"]
    domain: str
    app_group_id: str
    app_group_name: str
    app_id: str = ""
    app_name: str = ""
    authorization_type: Literal["APP", "APP_GROUP"]
    platform_type: Literal["AD", "LOCAL"]
    create_at: str


class Authorizations(Answer):
    """A page of authorisations, newest first."""

    count: int
    authorizations: list[Authorization]
