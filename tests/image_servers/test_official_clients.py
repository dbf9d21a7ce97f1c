"""The official SDKs drive every operation, signed with the access key and with a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, ServerResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkiam import v3 as iam
from huaweicloudsdkims import v2 as ims
from huaweicloudsdkvpc import v2 as vpc2
from huaweicloudsdkvpc import v3 as vpc3
from huaweicloudsdkworkspace.v2 import workspace_client as workspace
from huaweicloudsdkworkspace.v2.model import (
    CreateDesktopUserRequest,
    CreateUserRequest,
    DeleteUserRequest,
    EditUserReq,
    ListUserDetailRequest,
    ListWorkspacesRequest,
    UpdateUserInfoRequest,
)
from huaweicloudsdkworkspaceapp import v1 as app
from tests.service import EXAMPLE, PROJECT, Service, example, until

Client = Callable[..., Any]


class TokenCredentials(BasicCredentials):  # type: ignore[misc]
    """Sends a token instead of a signature, through the official client."""

    def __init__(self, token: str) -> None:
        super().__init__("unused", "unused", PROJECT)
        self.token = token

    def sign_request(self, request: SdkRequest) -> SdkRequest:
        signed = super().sign_request(request)
        del signed.header_params["Authorization"], signed.header_params["X-Sdk-Date"]
        signed.header_params["X-Auth-Token"] = self.token
        return signed


TokenCredentials.__name__ = BasicCredentials.__name__  # the builder knows credentials by the name of their class


@pytest.fixture(params=["access key", "token"])
def client(request: pytest.FixtureRequest, service: Service) -> Client:
    """Makes official clients of any service."""
    if request.param == "access key":
        return service.sdk
    credentials = TokenCredentials(service.token())

    def with_token(kind: Any = app.WorkspaceAppClient) -> Any:
        config = HttpConfig.get_default_config()
        config.retry_times = 0
        builder = kind.new_builder().with_http_config(config).with_credentials(credentials)
        return builder.with_endpoint(service.endpoint).build()

    return with_token


def ended(client: Any, job_id: str) -> Any:
    """The job once it has ended; Terraform's rule for the first look holds at every look."""

    def look() -> Any:
        job = client.show_image_job(app.ShowImageJobRequest(job_id=job_id))
        assert job.status in {"RUNNING", "SUCCESS"}, job
        assert job.sub_jobs[0].job_resource_info.resource_id
        return job if job.status == "SUCCESS" else None

    return until(look)


def test_an_image_server_lives_and_its_jobs_tell(client: Client, request: pytest.FixtureRequest) -> None:
    sdk = client()
    name = f"sdk {request.node.callspec.id}"
    body = app.CreateImageServerReq(
        name=name, description="from the SDK", availability_zone="",
        image_ref=app.ImageRef(**EXAMPLE["image_ref"]), vpc_id=EXAMPLE["vpc_id"], subnet_id=EXAMPLE["subnet_id"],
        product_id=EXAMPLE["product_id"], attach_apps=[], is_vdi=True,
        authorize_accounts=[app.ImageAccountInfo(account="administrator", account_type="USER")],
        root_volume=app.Volume(type="SATA", size=60),
    )  # fmt: skip
    job_id = sdk.create_image_server(
        app.CreateImageServerRequest(service_transaction_id=name, x_linked_id="link-1", body=body)
    ).job_id
    job = ended(sdk, job_id)
    server_id = job.sub_jobs[0].job_resource_info.resource_id
    assert (job.job_type, job.sub_jobs_total, len(job.sub_jobs)) == ("CREATE_SERVER", 1, 1)
    assert job.sub_jobs[0].job_execute_info.to_dict() == {"error_code": "", "error_message": ""}

    shown = sdk.show_image_server(app.ShowImageServerRequest(server_id=server_id))
    assert (shown.name, shown.status, shown.description) == (name, "ACTIVE", "from the SDK")
    listed = sdk.list_image_servers(app.ListImageServersRequest(server_id=server_id))
    assert (listed.count, listed.items[0].id) == (1, server_id)
    sdk.update_image_server(
        app.UpdateImageServerRequest(server_id, app.UpdateImageServerReq(name=f"{name} 2", description=""))
    )
    assert sdk.show_image_server(app.ShowImageServerRequest(server_id=server_id)).name == f"{name} 2"

    jobs = sdk.list_image_jobs(app.ListImageJobsRequest(job_type="CREATE_SERVER", status="SUCCESS", limit=100))
    assert job_id in [each.id for each in jobs.items]
    subs = sdk.list_image_sub_jobs(app.ListImageSubJobsRequest(job_type="CREATE_SERVER", job_id=job_id))
    assert [each.job_resource_info.resource_id for each in subs.items] == [server_id]
    counted = sdk.count_image_sub_jobs(app.CountImageSubJobsRequest(job_id=job_id, job_type="CREATE_SERVER"))
    assert counted.count == 1
    assert sdk.show_job(app.ShowJobRequest(job_id=job_id)).job.job_status == 1
    assert sdk.show_job_detail(app.ShowJobDetailRequest(job_id=job_id)).status == "SUCCESS"

    deletion = sdk.batch_delete_image_server(
        app.BatchDeleteImageServerRequest(app.BatchDeleteImageServerReq(items=[server_id], recursive=True))
    )
    ended(sdk, deletion.job_id)
    with pytest.raises(ClientRequestException) as refusal:
        sdk.show_image_server(app.ShowImageServerRequest(server_id=server_id))
    assert (refusal.value.status_code, refusal.value.error_code) == (404, "WKS.00211902")
    sub_job_id = subs.items[0].id
    sdk.batch_delete_image_sub_jobs(app.BatchDeleteImageSubJobsRequest(app.BatchDeleteSubJobsReq(items=[sub_job_id])))
    assert sdk.count_image_sub_jobs(app.CountImageSubJobsRequest(job_id=job_id)).count == 0


def test_the_catalogue_and_the_tenant_are_served(client: Client) -> None:
    sdk = client()
    assert {each.volume_type for each in sdk.list_volume_type(app.ListVolumeTypeRequest()).volume_types} >= {"SATA"}
    zones = sdk.list_availability_zone(app.ListAvailabilityZoneRequest())
    assert zones.total_count == len(zones.availability_zones) == 3
    assert sdk.list_az(app.ListAzRequest()).default_type == "CENTER"
    products = sdk.list_product(app.ListProductRequest(product_id=EXAMPLE["product_id"]))
    assert {each.product_id for each in products.products} == {EXAMPLE["product_id"]}
    kinds = [each.session_type for each in sdk.list_session_type(app.ListSessionTypeRequest()).session_types]
    asked = sdk.show_session_types(app.ShowSessionTypesRequest(app.QuerySessionTypesReq()))
    assert kinds == [each.session_type for each in asked.session_types] == ["GPU", "CPU"]
    quota = sdk.check_quota(
        app.CheckQuotaRequest(product_id=EXAMPLE["product_id"], subscription_num=1, disk_size=60, disk_num=1)
    )
    assert quota.is_enough is True
    assert (
        sdk.initialize_tenant(
            app.InitializeTenantRequest(app.InitializeTenantReq(service_status="active"))
        ).service_status
        == "active"
    )
    profile = sdk.list_tenant_profile(app.ListTenantProfileRequest())
    assert (profile.project_id, profile.open_with_ad) == (PROJECT, False)


def test_images_and_networks_are_served(client: Client) -> None:
    images = client(ims.ImsClient)
    image_id = EXAMPLE["image_ref"]["id"]
    assert [each.id for each in images.list_images(ims.ListImagesRequest(id=image_id)).images] == [image_id]
    with pytest.warns(DeprecationWarning, match="glance_show_image"):
        assert images.glance_show_image(ims.GlanceShowImageRequest(image_id=image_id)).id == image_id
    old, new = client(vpc2.VpcClient), client(vpc3.VpcClient)
    assert EXAMPLE["vpc_id"] in {each.id for each in old.list_vpcs(vpc2.ListVpcsRequest()).vpcs}
    assert old.show_vpc(vpc2.ShowVpcRequest(vpc_id=EXAMPLE["vpc_id"])).vpc.id == EXAMPLE["vpc_id"]
    assert EXAMPLE["vpc_id"] in {each.id for each in new.list_vpcs(vpc3.ListVpcsRequest()).vpcs}
    subnets = old.list_subnets(vpc2.ListSubnetsRequest(vpc_id=EXAMPLE["vpc_id"])).subnets
    assert EXAMPLE["subnet_id"] in {each.id for each in subnets}
    shown = old.show_subnet(vpc2.ShowSubnetRequest(subnet_id=EXAMPLE["subnet_id"])).subnet
    assert shown.vpc_id == EXAMPLE["vpc_id"]


def test_the_address_of_a_server_is_a_port(client: Client, service: Service, request: pytest.FixtureRequest) -> None:
    server_id = service.made(f"port {request.node.callspec.id}")
    instance_id = service.call("GET", service.servers(f"/{server_id}")).json()["instance_id"]
    ports = client(vpc3.VpcClient).list_ports(vpc3.ListPortsRequest(device_id=[instance_id])).ports
    assert [each.virsubnet_id for each in ports] == [EXAMPLE["subnet_id"]]
    found = client(vpc2.VpcClient).list_ports(vpc2.ListPortsRequest(device_id=instance_id)).ports
    assert [each.id for each in found] == [ports[0].id]
    assert service.delete(server_id)["status"] == "SUCCESS"
    assert client(vpc3.VpcClient).list_ports(vpc3.ListPortsRequest(device_id=[instance_id])).ports == []


def test_users_and_the_workspace_are_served(client: Client, request: pytest.FixtureRequest) -> None:
    sdk = client(workspace.WorkspaceClient)
    assert sdk.list_workspaces(ListWorkspacesRequest()).vpc_id
    name = f"sdk-{request.node.callspec.id.replace(' ', '-')}"
    wanted = CreateUserRequest(user_name=name, active_type="ADMIN_ACTIVATE", password="Sesame-2024")
    user_id = sdk.create_desktop_user(CreateDesktopUserRequest(body=wanted)).id
    assert sdk.list_user_detail(ListUserDetailRequest(user_id=user_id)).user_detail.user_name == name
    sdk.update_user_info(UpdateUserInfoRequest(user_id, EditUserReq(description="changed")))
    assert sdk.list_user_detail(ListUserDetailRequest(user_id=user_id)).user_detail.description == "changed"
    sdk.delete_user(DeleteUserRequest(user_id=user_id))
    with pytest.raises(ClientRequestException):
        sdk.list_user_detail(ListUserDetailRequest(user_id=user_id))


def test_iam_tells_projects_and_the_account(client: Client) -> None:
    sdk = client(iam.IamClient)
    projects = sdk.keystone_list_projects(iam.KeystoneListProjectsRequest(name="local-1")).projects
    assert [each.id for each in projects] == [PROJECT]
    assert PROJECT in {
        each.id for each in sdk.keystone_list_auth_projects(iam.KeystoneListAuthProjectsRequest()).projects
    }
    assert len(sdk.keystone_list_auth_domains(iam.KeystoneListAuthDomainsRequest()).domains) == 1


def test_iam_issues_and_explains_tokens(service: Service) -> None:
    sdk, known = service.sdk(iam.IamClient), service.credentials
    user = iam.PwdPasswordUser(
        name=known["user_name"], password=known["password"], domain=iam.PwdPasswordUserDomain(known["domain_name"])
    )
    identity = iam.PwdIdentity(methods=["password"], password=iam.PwdPassword(user))
    auth = iam.PwdAuth(identity=identity, scope=iam.AuthScope(project=iam.AuthScopeProject(id=PROJECT)))
    answer = sdk.keystone_create_user_token_by_password(
        iam.KeystoneCreateUserTokenByPasswordRequest(body=iam.KeystoneCreateUserTokenByPasswordRequestBody(auth))
    )
    assert answer.token.project.id == PROJECT
    token = answer.x_subject_token
    seen = sdk.keystone_validate_token(iam.KeystoneValidateTokenRequest(x_subject_token=token))
    assert seen.token.user.name == known["user_name"]
    assert httpx.get(service.endpoint + service.servers(), headers={"X-Auth-Token": token}).status_code == 200


def test_zones_of_ecs_are_served_to_terraform(service: Service) -> None:
    for headers in ({"X-Auth-Token": service.token()}, None):
        path = f"/v2.1/{PROJECT}/os-availability-zone"
        answer = httpx.get(service.endpoint + path, headers=headers) if headers else service.call("GET", path)
        zones = answer.json()["availabilityZoneInfo"]
        assert [(each["zoneName"], each["zoneState"]["available"]) for each in zones] == [
            ("local-1a", True), ("local-1b", True), ("local-1c", True),
        ]  # fmt: skip


def test_the_sdk_understands_refusals(service: Service) -> None:
    body = example("refused", product_id="nothing")
    with pytest.raises((ClientRequestException, ServerResponseException)) as refusal:
        service.sdk().create_image_server(app.CreateImageServerRequest(body=body))
    error = refusal.value
    assert (error.status_code, error.error_code) == (400, "WKS.00211102")
    assert error.error_msg.startswith("product_id: ")
    assert error.request_id


def test_what_is_answered_has_only_fields_that_the_sdk_or_the_document_knows(service: Service) -> None:
    document = httpx.get(f"{service.endpoint}/openapi.json", timeout=60).json()
    known = set(app.ShowImageServerResponse.attribute_map.values())
    assert set(document["components"]["schemas"]["ImageServer"]["properties"]) <= known
    job = document["components"]["schemas"]["ImageJob"]["properties"]
    extra = set(job) - set(app.ShowImageJobResponse.attribute_map.values())
    assert all(job[name]["description"].startswith("Extension: ") for name in extra), json.dumps(sorted(extra))
