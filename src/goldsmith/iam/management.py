"""Everything that manages users, groups, policies and keys, put together for `app`."""

from __future__ import annotations

from goldsmith.iam.credentials_api import CredentialsApi
from goldsmith.iam.enterprise_grants_api import EnterpriseGrantsApi
from goldsmith.iam.granting import Granting, RequireEnterpriseProject
from goldsmith.iam.groups_api import GroupsApi
from goldsmith.iam.identity_policies_api import IdentityPoliciesApi
from goldsmith.iam.role_grants_api import RoleGrantsApi
from goldsmith.iam.roles_api import RolesApi
from goldsmith.iam.service import Iam
from goldsmith.iam.users import HasRunningJobs
from goldsmith.iam.users_api import IamUsersApi


def management_apis(
    iam: Iam,
    require_enterprise_project: RequireEnterpriseProject,
    has_running_jobs: HasRunningJobs = lambda _tx, _user_id: False,
) -> tuple[object, ...]:
    """The API classes, whose operations `http.collect` gathers."""
    granting = Granting(iam, require_enterprise_project)
    return (
        IamUsersApi(iam, has_running_jobs),
        GroupsApi(iam),
        RolesApi(iam),
        RoleGrantsApi(granting),
        EnterpriseGrantsApi(granting),
        IdentityPoliciesApi(iam, granting),
        CredentialsApi(iam),
    )
