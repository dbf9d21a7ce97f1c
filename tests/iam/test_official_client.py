"""The official SDK manages users, groups, policies and keys of a running service, and they are in force at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkiam import v3, v5
from huaweicloudsdkworkspaceapp.v1 import ListImageServersRequest, WorkspaceAppClient
from tests.service import PROJECT, Service

PASSWORD = "Str0ng enough"


@pytest.fixture
def iam(service: Service) -> Any:
    known = service.credentials
    credentials = GlobalCredentials(known["access_key"], known["secret_key"], known["domain_id"])
    return v3.IamClient.new_builder().with_credentials(credentials).with_endpoint(service.endpoint).build()


@pytest.fixture
def iam5(service: Service) -> Any:
    known = service.credentials
    credentials = GlobalCredentials(known["access_key"], known["secret_key"], known["domain_id"])
    return v5.IamClient.new_builder().with_credentials(credentials).with_endpoint(service.endpoint).build()


def new_user(iam: Any, service: Service, name: str) -> str:
    option = v3.CreateUserOption(name=name, domain_id=service.credentials["domain_id"], password=PASSWORD, enabled=True)
    made = iam.create_user(v3.CreateUserRequest(body=v3.CreateUserRequestBody(user=option))).user
    assert (made.name, made.is_domain_owner) == (name, False)
    return str(made.id)


def new_key(iam: Any, user_id: str) -> Any:
    option = v3.CreateCredentialOption(user_id=user_id, description="sdk")
    body = v3.CreatePermanentAccessKeyRequestBody(credential=option)
    return iam.create_permanent_access_key(v3.CreatePermanentAccessKeyRequest(body=body)).credential


def may_list_servers(service: Service, key: Any) -> bool:
    credentials = BasicCredentials(key.access, key.secret, PROJECT)
    token = getattr(key, "securitytoken", None)
    if token:
        credentials = credentials.with_security_token(token)
    client = WorkspaceAppClient.new_builder().with_credentials(credentials).with_endpoint(service.endpoint).build()
    try:
        client.list_image_servers(ListImageServersRequest())
    except ClientRequestException as error:
        if error.status_code != 403:
            raise
        return False
    return True


def test_a_group_with_a_custom_policy_lets_its_members_in(iam: Any, service: Service) -> None:
    user = new_user(iam, service, "sdk-ann")
    key = new_key(iam, user)
    group = iam.keystone_create_group(
        v3.KeystoneCreateGroupRequest(
            body=v3.KeystoneCreateGroupRequestBody(group=v3.KeystoneCreateGroupOption(name="sdk-builders"))
        )
    ).group
    statement = v3.ServiceStatement(action=["workspace:*:list*"], effect="Allow")
    option = v3.ServicePolicyRoleOption(
        display_name="sdk-lookers", type="XA", description="d",
        policy=v3.ServicePolicy(version="1.1", statement=[statement]),
    )  # fmt: skip
    role = iam.create_cloud_service_custom_policy(
        v3.CreateCloudServiceCustomPolicyRequest(body=v3.CreateCloudServiceCustomPolicyRequestBody(role=option))
    ).role
    assert iam.show_custom_policy(v3.ShowCustomPolicyRequest(role.id)).role.references == 0
    iam.keystone_associate_group_with_project_permission(
        v3.KeystoneAssociateGroupWithProjectPermissionRequest(project_id=PROJECT, group_id=group.id, role_id=role.id)
    )
    assert not may_list_servers(service, key)
    iam.keystone_add_user_to_group(v3.KeystoneAddUserToGroupRequest(group_id=group.id, user_id=user))
    iam.keystone_check_user_in_group(v3.KeystoneCheckUserInGroupRequest(group_id=group.id, user_id=user))
    assert may_list_servers(service, key)
    listed = iam.keystone_list_project_permissions_for_group(
        v3.KeystoneListProjectPermissionsForGroupRequest(project_id=PROJECT, group_id=group.id)
    )
    assert [each.display_name for each in listed.roles] == ["sdk-lookers"]
    members = iam.keystone_list_users_for_group_by_admin(v3.KeystoneListUsersForGroupByAdminRequest(group.id)).users
    assert [each.id for each in members] == [user]
    groups = iam.keystone_list_groups_for_user(v3.KeystoneListGroupsForUserRequest(user)).groups
    assert [each.id for each in groups] == [group.id]
    iam.keystone_remove_project_permission_from_group(
        v3.KeystoneRemoveProjectPermissionFromGroupRequest(project_id=PROJECT, group_id=group.id, role_id=role.id)
    )
    assert not may_list_servers(service, key)
    iam.update_domain_group_inherit_role(
        v3.UpdateDomainGroupInheritRoleRequest(service.credentials["domain_id"], group.id, role.id)
    )
    assert may_list_servers(service, key)
    iam.keystone_delete_group(v3.KeystoneDeleteGroupRequest(group.id))
    assert not may_list_servers(service, key)
    iam.delete_custom_policy(v3.DeleteCustomPolicyRequest(role.id))


def test_an_identity_policy_is_attached_and_detached(iam: Any, iam5: Any, service: Service) -> None:
    user = new_user(iam, service, "sdk-bob")
    key = new_key(iam, user)
    text = json.dumps({"Version": "5.0", "Statement": [{"Effect": "Allow", "Action": ["workspace:imageServer:list"]}]})
    body = v5.CreatePolicyReqBody(policy_name="sdk-viewers", policy_document=text)
    policy = iam5.create_policy_v5(v5.CreatePolicyV5Request(body=body)).policy
    assert (policy.policy_type, policy.default_version_id) == ("custom", "v1")
    iam5.attach_user_policy_v5(v5.AttachUserPolicyV5Request(policy.policy_id, v5.AttachUserPolicyReqBody(user)))
    assert may_list_servers(service, key)
    attached = iam5.list_attached_user_policies_v5(v5.ListAttachedUserPoliciesV5Request(user_id=user))
    assert [each.policy_name for each in attached.attached_policies] == ["sdk-viewers"]
    entities = iam5.list_entities_for_policy_v5(v5.ListEntitiesForPolicyV5Request(policy_id=policy.policy_id))
    assert [each.user_id for each in entities.policy_users] == [user]
    versions = iam5.list_policy_versions_v5(v5.ListPolicyVersionsV5Request(policy_id=policy.policy_id)).versions
    assert json.loads(versions[0].document) == json.loads(text)
    iam5.detach_user_policy_v5(v5.DetachUserPolicyV5Request(policy.policy_id, v5.DetachUserPolicyReqBody(user)))
    assert not may_list_servers(service, key)
    iam5.delete_policy_v5(v5.DeletePolicyV5Request(policy.policy_id))
    with pytest.raises(ClientRequestException) as caught:
        iam5.get_policy_v5(v5.GetPolicyV5Request(policy_id=policy.policy_id))
    assert (caught.value.status_code, caught.value.error_code) == (404, "IAM.0004")


def test_users_and_keys_live_their_lives(iam: Any, service: Service) -> None:
    user = new_user(iam, service, "sdk-cyd")
    changed = v3.UpdateUserOption(description="second shift", email="cyd@example.com")
    iam.update_user(v3.UpdateUserRequest(user_id=user, body=v3.UpdateUserRequestBody(user=changed)))
    shown = iam.show_user(v3.ShowUserRequest(user)).user
    assert (shown.description, shown.email) == ("second shift", "cyd@example.com")
    assert [each.id for each in iam.keystone_list_users(v3.KeystoneListUsersRequest(name="sdk-cyd")).users] == [user]
    key = new_key(iam, user)
    option = v3.UpdateCredentialOption(status="inactive")
    body = v3.UpdatePermanentAccessKeyRequestBody(credential=option)
    iam.update_permanent_access_key(v3.UpdatePermanentAccessKeyRequest(access_key=key.access, body=body))
    listed = iam.list_permanent_access_keys(v3.ListPermanentAccessKeysRequest(user_id=user)).credentials
    assert [(each.access, each.status) for each in listed] == [(key.access, "inactive")]
    iam.delete_permanent_access_key(v3.DeletePermanentAccessKeyRequest(key.access))
    iam.keystone_delete_user(v3.KeystoneDeleteUserRequest(user))
    with pytest.raises(ClientRequestException) as caught:
        iam.keystone_show_user(v3.KeystoneShowUserRequest(user))
    assert caught.value.status_code == 404


def test_a_temporary_key_is_narrowed_by_its_policy(iam: Any, service: Service) -> None:
    def key(*actions: str) -> Any:
        statement = v3.ServiceStatement(action=list(actions), effect="Allow")
        policy = v3.ServicePolicy(version="1.1", statement=[statement])
        identity = v3.TokenAuthIdentity(
            methods=["token"], token=v3.IdentityToken(id=service.token(), duration_seconds=900), policy=policy
        )
        body = v3.CreateTemporaryAccessKeyByTokenRequestBody(auth=v3.TokenAuth(identity=identity))
        return iam.create_temporary_access_key_by_token(v3.CreateTemporaryAccessKeyByTokenRequest(body=body)).credential

    assert may_list_servers(service, key("workspace:imageServer:list"))
    assert not may_list_servers(service, key("workspace:imageServer:get"))


def test_system_policies_are_granted_in_an_enterprise_project(iam: Any, service: Service) -> None:
    request = v3.KeystoneListPermissionsRequest(display_name="Workspace ReadOnlyAccess")
    role = iam.keystone_list_permissions(request).roles[0]
    user = new_user(iam, service, "sdk-dan")
    iam.associate_role_to_user_on_enterprise_project(
        v3.AssociateRoleToUserOnEnterpriseProjectRequest(enterprise_project_id="0", user_id=user, role_id=role.id)
    )
    found = iam.list_roles_for_user_on_enterprise_project(
        v3.ListRolesForUserOnEnterpriseProjectRequest(enterprise_project_id="0", user_id=user)
    )
    assert [each.id for each in found.roles] == [role.id]
