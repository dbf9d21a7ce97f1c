"""What a login looks like, and what it answers, as `/openapi.json` shows it."""

from __future__ import annotations

from typing import Any

_HERE = "http://127.0.0.1:8080"
_DOMAIN = {"id": "76a52b38657e460eab3b6d442e4bc9d4", "name": "goldsmith"}
_PROJECT: dict[str, Any] = {
    "id": "a4da8115c9d8464ead3a38309130523f", "name": "local-1", "domain_id": _DOMAIN["id"],
    "parent_id": _DOMAIN["id"], "enabled": True, "is_domain": False, "description": "The default project.",
    "links": {"self": f"{_HERE}/v3/projects/a4da8115c9d8464ead3a38309130523f"},
}  # fmt: skip

LOGIN = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "password": "…", "domain": {"name": "goldsmith"}}},
        },
        "scope": {"project": {"name": "local-1"}},
    }
}
TOKEN = {
    "token": {
        "catalog": [
            {
                "endpoints": [
                    {"id": "8de90dd5196a596b82e0594892d7cd00", "interface": "public", "region": "*",
                     "region_id": "*", "url": f"{_HERE}/v3"},
                ],
                "id": "4b6bd2cc31bb5b1fa0722a97c8339953", "name": "iam", "type": "iam",
            },
        ],
        "expires_at": "2020-01-04T09:05:22.701000Z", "issued_at": "2020-01-03T09:05:22.701000Z",
        "methods": ["password"],
        "project": {"domain": _DOMAIN, "id": _PROJECT["id"], "name": _PROJECT["name"]},
        "roles": [{"id": "0", "name": "te_admin"}],
        "user": {"domain": _DOMAIN, "id": "529892f449f04bcfb03ab778235492eb", "name": "admin",
                 "password_expires_at": ""},
    }
}  # fmt: skip
PROJECT = {"project": _PROJECT}
PROJECTS = {"links": {"next": None, "previous": None, "self": f"{_HERE}/v3/projects"}, "projects": [_PROJECT]}
DOMAINS = {
    "domains": [
        {**_DOMAIN, "enabled": True, "description": "", "links": {"self": f"{_HERE}/v3/domains/{_DOMAIN['id']}"}},
    ],
    "links": {"next": None, "previous": None, "self": f"{_HERE}/v3/auth/domains"},
}  # fmt: skip


def _links(path: str) -> dict[str, str | None]:
    return {"next": None, "previous": None, "self": f"{_HERE}/{path}"}


_USER_ID, _GROUP_ID, _ROLE_ID = (
    "db36be090d354d91916add8e02033405",
    "2ce8fcd3494647ff912f64961bea7ab8",
    "c5d226d9590a4bb1",
)
_PERSON: dict[str, Any] = {
    "id": _USER_ID, "name": "ada", "domain_id": _DOMAIN["id"], "enabled": True, "description": "", "pwd_status": False,
    "access_mode": "default", "links": {"self": f"{_HERE}/v3/users/{_USER_ID}"},
}  # fmt: skip
_MADE = "2020-01-03T09:05:22.701000Z"
_KEYSTONE_USER = {**_PERSON, "password_expires_at": None, "last_project_id": ""}
_GROUP = {
    "id": _GROUP_ID, "name": "builders", "domain_id": _DOMAIN["id"], "description": "", "create_time": 1578042322701,
    "links": {"self": f"{_HERE}/v3/groups/{_GROUP_ID}"},
}  # fmt: skip
_ROLE: dict[str, Any] = {
    "id": _ROLE_ID, "name": f"custom_{_ROLE_ID}", "display_name": "readers", "catalog": "CUSTOMED", "type": "XA",
    "domain_id": _DOMAIN["id"], "description": "Look at everything.", "description_cn": "",
    "policy": {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["workspace:*:get*"]}]},
    "created_time": "1578042322701", "updated_time": "1578042322701",
    "links": {"self": f"{_HERE}/v3/roles/{_ROLE_ID}"},
}  # fmt: skip
_LISTED_ROLE = {**_ROLE, "flag": None, "references": None}
_POLICY = {
    "policy_type": "custom", "policy_name": "readers", "policy_id": "48bc3231b2d14c60a81dcbb29d1ccb4b",
    "urn": f"iam::{_DOMAIN['id']}:policy:readers", "path": "", "default_version_id": "v1", "attachment_count": 0,
    "description": "", "created_at": "2020-01-03T09:05:22.701Z", "updated_at": "2020-01-03T09:05:22.701Z",
}  # fmt: skip
_VERSION = {
    "version_id": "v1", "is_default": True, "created_at": "2020-01-03T09:05:22.701Z",
    "document": '{"Version":"5.0","Statement":[{"Effect":"Allow","Action":["workspace:imageServer:get"]}]}',
}  # fmt: skip
_KEY = {
    "access": "AKEXAMPLE0000000001", "status": "active", "user_id": _USER_ID, "description": "", "create_time": _MADE,
}  # fmt: skip
_ONE_PAGE = {"page_info": {"current_count": 1}}

USER = {
    "user": {
        **_PERSON, "email": "", "areacode": "", "phone": "", "is_domain_owner": False, "create_time": _MADE,
        "update_time": _MADE, "pwd_create_time": _MADE,
    }
}  # fmt: skip
KEYSTONE_USER = {"user": _KEYSTONE_USER}
KEYSTONE_USERS = {"links": _links("v3/users"), "users": [_KEYSTONE_USER]}
GROUP, GROUPS = {"group": _GROUP}, {"groups": [_GROUP], "links": _links("v3/groups")}
ROLE = {"role": _ROLE}
ROLES = {"links": _links("v3.0/OS-ROLE/roles"), "roles": [_LISTED_ROLE], "total_number": 1}
GRANTED_ROLES = {
    "links": _links(f"v3/domains/{_DOMAIN['id']}/groups/{_GROUP_ID}/roles"), "roles": [_LISTED_ROLE],
}  # fmt: skip
GRANTED_GROUPS = {
    "groups": [
        {"id": _GROUP_ID, "name": "builders", "description": "", "domainId": _DOMAIN["id"],
         "createTime": 1578042322701},
    ]
}  # fmt: skip
ENTERPRISE_PROJECT_ROLES = {"roles": [_LISTED_ROLE]}
ENTERPRISE_PROJECT_IDS = {"enterprise-projects": [{"projectId": "0"}]}
POLICY, POLICIES = {"policy": _POLICY}, {"policies": [_POLICY], **_ONE_PAGE}
POLICY_VERSION, POLICY_VERSIONS = {"policy_version": _VERSION}, {"versions": [_VERSION], **_ONE_PAGE}
ENTITIES = {
    "policy_agencies": [], "policy_groups": [],
    "policy_users": [{"user_id": _USER_ID, "attached_at": "2020-01-03T09:05:22.701Z"}], **_ONE_PAGE,
}  # fmt: skip
ATTACHED_POLICIES = {
    "attached_policies": [
        {"policy_name": "readers", "policy_id": _POLICY["policy_id"], "urn": _POLICY["urn"],
         "attached_at": "2020-01-03T09:05:22.701Z"},
    ],
    **_ONE_PAGE,
}  # fmt: skip
NEW_KEY = {"credential": {**_KEY, "secret": "shown only once"}}
KEY, KEYS = {"credential": _KEY}, {"credentials": [_KEY]}
TEMPORARY_KEY = {
    "credential": {
        "access": "AKEXAMPLE0000000002", "secret": "shown only once", "securitytoken": "gAAAA…",
        "expires_at": "2020-01-08T03:50:07.574000Z",
    }
}  # fmt: skip
SIMULATED = {
    "user_id": _USER_ID, "user_name": "builder",
    "decisions": [
        {"action": "workspace:imageServer:create", "resource": "", "allowed": False, "reason": "implicit_deny",
         "policy_id": "", "policy_name": "", "statement": "", "missing_dependencies": [],
         "explanation": "You may not perform workspace:imageServer:create: no statement allows it."},
    ],
}  # fmt: skip
DECODED = {
    "decoded_message": (
        '{"user": "builder", "action": "workspace:imageServer:create", "reason": "implicit_deny", "context": {}}'
    )
}
