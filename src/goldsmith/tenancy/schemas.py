"""Wire shapes of quotas, tenant and workspace (contract: operations, 6.6 and 6.7; neighbours, section 8)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from goldsmith.http.wire import Answer, Body

ServiceStatus = Literal["active", "inactive"]


class QuotaRemainder(Answer):
    """What is left of a quota and what the order needs of it."""

    type: Literal["GPU_INSTANCES", "INSTANCES", "VOLUME_GIGABYTES", "VOLUMES", "CORES", "MEMORY"]
    remainder: int
    need: int


class QuotaCheck(Answer):
    """Whether the quotas cover an order."""

    is_enough: bool
    quota_remainder: list[QuotaRemainder]


class ActivateTenant(Body):
    """Body of the activation of a tenant."""

    service_status: ServiceStatus


class TenantStatus(Answer):
    """Answer to the activation of a tenant."""

    project_id: str
    service_status: ServiceStatus


class TenantProfile(Answer):
    """A tenant. `open_with_ad` says whether an Active Directory is connected."""

    project_id: str
    project_name: str
    tenant_domain_id: str
    tenant_domain_name: str
    service_status: ServiceStatus
    open_with_ad: bool
    create_time: str


class AdDomains(Answer):
    """How users sign in: LITE_AS with accounts of the project, LOCAL_AD with an Active Directory."""

    domain_type: Literal["LITE_AS", "LOCAL_AD"]
    domain_name: str | None = None
    domain_admin_account: str | None = None


class SubnetRef(Answer):
    """A subnet, named by its id."""

    subnet_id: str


class VpcConfig(Answer):
    """A VPC and its subnets."""

    vpc_id: str
    subnet_ids: list[str]
    default_access_vpc: bool


class Workspace(Answer):
    """The Workspace service of a project."""

    id: str
    is_global: bool = False
    status: Literal["SUBSCRIBED", "CLOSED"]
    ad_domains: AdDomains
    vpc_id: str
    vpc_name: str
    subnet_ids: list[SubnetRef]
    vpc_config_infos: list[VpcConfig]
    access_mode: str = "INTERNET"
    access_status: str = "init"
    config_status: Annotated[str, Field(description='"0": AD connected, "3": no AD.')]
    progress: str = "100%"
    closable: bool = False
    is_send_email: bool = False
    authorized_collect_log: bool = False
    authorized_hda_upgrade: bool = False
    enterprise_project_id: str = "0"


class LockStatus(Answer):
    """Whether the service is locked. Documents call the field `is_lock`, the Terraform provider `is_locked`."""

    is_lock: int = 0
    is_locked: int = 0
    lock_time: str = ""
    lock_reason: str = ""


class OtpConfig(Answer):
    """One-time passwords as a second factor."""

    enable: bool = False


class AssistAuthConfig(Answer):
    """Second factors of signing in."""

    otp_config_info: OtpConfig = OtpConfig()
