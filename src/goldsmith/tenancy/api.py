"""Operations on quotas, the tenant and the Workspace service of a project."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from goldsmith import errors
from goldsmith.catalog.service import Catalog
from goldsmith.http.operations import Access, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import wire_time
from goldsmith.store import Store, Tx
from goldsmith.tenancy import schemas
from goldsmith.tenancy.service import ACTIVE, QUOTA_TYPES, Tenancy, Tenant

TAG = "tenancy"
FAMILY_13 = dict.fromkeys((400, 403, 404, 409, 500), "WKS.00139901")


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC of the project and the ids of its subnets."""

    vpc_id: str
    vpc_name: str
    subnet_ids: Sequence[str]


class TenancyApi:
    """HTTP side of tenancy.

    `networks_of` gives the VPCs of a project inside a transaction, `name_of` the name of a project.
    """

    def __init__(
        self,
        store: Store,
        tenancy: Tenancy,
        catalog: Catalog,
        *,
        networks_of: Callable[[Tx, str], Sequence[Network]],
        name_of: Callable[[str], Awaitable[str]],
    ) -> None:
        self._store, self._tenancy, self._catalog = store, tenancy, catalog
        self._networks_of, self._name_of = networks_of, name_of

    @operation(
        "CheckQuota", "GET", "/v1/{project_id}/check/quota",
        action="workspace:quotas:get", tag=TAG,
        answer={"is_enough": True, "quota_remainder": [{"type": "INSTANCES", "remainder": 490, "need": 1}]},
    )  # fmt: skip
    async def check_quota(
        self,
        call: CurrentCall,
        product_id: Annotated[str, Query(min_length=1, max_length=255)],
        subscription_num: Annotated[int, Query(ge=1, le=100, description="Instances.")],
        disk_size: Annotated[int, Query(ge=10, le=328704, description="GB of disk for each instance.")],
        disk_num: Annotated[int, Query(ge=1, le=11, description="Disks of each instance.")],
        flavor_id: Annotated[str, Query(max_length=255)] = "",
        is_period: Annotated[bool, Query(description="Accepted and ignored: nothing is billed.")] = False,
        deh_id: Annotated[str, Query(max_length=255)] = "",
        cluster_id: Annotated[str, Query(max_length=255)] = "",
    ) -> schemas.QuotaCheck:
        """Tell whether the quotas of the project cover an order."""
        instance = self._instance(product_id, flavor_id)
        instance |= {"VOLUMES": disk_num, "VOLUME_GIGABYTES": disk_size}
        left = await self._store.read(lambda tx: self._tenancy.quota_remainders(tx, call.project_id))
        rows = [
            schemas.QuotaRemainder(type=name, remainder=left[name], need=instance[name] * subscription_num)
            for name in QUOTA_TYPES
            if name in instance
        ]
        is_enough = all(row.need <= row.remainder for row in rows)
        return schemas.QuotaCheck(is_enough=is_enough, quota_remainder=rows)

    @operation(
        "InitializeTenant", "POST", "/v1/{project_id}/tenant/action/active",
        action="workspace:tenants:active", access=Access.WRITE, codes=FAMILY_13, tag=TAG,
        example={"service_status": "active"},
        answer={"project_id": "a4da8115c9d8464ead3a38309130523f", "service_status": "active"},
    )  # fmt: skip
    async def activate(self, call: CurrentCall, body: schemas.ActivateTenant) -> schemas.TenantStatus:
        """Make the tenant active or inactive."""
        status = body.service_status
        await self._store.write(lambda tx: self._tenancy.set_status(tx, call.project_id, status))
        return schemas.TenantStatus(project_id=call.project_id, service_status=status)

    @operation(
        "ListTenantProfile", "GET", "/v1/{project_id}/tenant/profile",
        action="workspace:tenants:listTenantProfile", codes=FAMILY_13, tag=TAG,
        answer={
            "project_id": "a4da8115c9d8464ead3a38309130523f", "project_name": "local-1",
            "tenant_domain_id": "0ad2a0c4b2e84a5a9bbf4b9b6e2e9c1d", "tenant_domain_name": "goldsmith",
            "service_status": "active", "open_with_ad": False, "create_time": "2024-05-07T07:54:21.009Z",
        },
    )  # fmt: skip
    async def show_profile(self, call: CurrentCall) -> schemas.TenantProfile:
        """Show the tenant."""
        tenant = await self._tenant(call.project_id)
        return schemas.TenantProfile(
            project_id=call.project_id,
            project_name=await self._name_of(call.project_id),
            tenant_domain_id=call.caller.domain_id,
            tenant_domain_name=call.caller.domain_name,
            service_status=tenant.service_status,
            open_with_ad=self._tenancy.has_directory,
            create_time=wire_time(tenant.created_at) or "",
        )

    @operation(
        "ListWorkspaces", "GET", "/v2/{project_id}/workspaces",
        action="workspace:tenants:get", tag=TAG,
        answer={
            "id": "5c0ae1bd-31b1-5e0a-9a2c-f7a2f2f4c111", "is_global": False, "status": "SUBSCRIBED",
            "ad_domains": {"domain_type": "LITE_AS"}, "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175",
            "vpc_name": "vpc-default", "subnet_ids": [{"subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977"}],
            "vpc_config_infos": [], "access_mode": "INTERNET", "access_status": "init", "config_status": "3",
            "progress": "100%", "closable": False, "is_send_email": False, "authorized_collect_log": False,
            "authorized_hda_upgrade": False, "enterprise_project_id": "0",
        },
    )  # fmt: skip
    async def show_workspace(self, call: CurrentCall) -> schemas.Workspace:
        """Show the Workspace service of the project: one object, not a list."""
        tenant = await self._tenant(call.project_id)
        networks = await self._store.read(lambda tx: self._networks_of(tx, call.project_id))
        first = networks[0] if networks else Network("", "", ())
        return schemas.Workspace(
            id=str(uuid5(NAMESPACE_URL, f"goldsmith/workspaces/{call.project_id}")),
            status="SUBSCRIBED" if tenant.service_status == ACTIVE else "CLOSED",
            ad_domains=self._ad_domains(),
            vpc_id=first.vpc_id,
            vpc_name=first.vpc_name,
            subnet_ids=[schemas.SubnetRef(subnet_id=each) for each in first.subnet_ids],
            vpc_config_infos=[
                schemas.VpcConfig(
                    vpc_id=each.vpc_id, subnet_ids=list(each.subnet_ids), default_access_vpc=each is first
                )
                for each in networks
            ],
            config_status="0" if self._tenancy.has_directory else "3",
        )

    @operation(
        "ShowWorkspaceLock", "GET", "/v2/{project_id}/workspaces/lock-status",
        action="workspace:tenants:get", tag=TAG,
        answer={"is_lock": 0, "is_locked": 0, "lock_time": "", "lock_reason": ""},
    )  # fmt: skip
    async def show_lock(self, call: CurrentCall) -> schemas.LockStatus:
        """Tell that the service is not locked: goldsmith never locks it."""
        return schemas.LockStatus()

    @operation(
        "ShowAssistAuthConfig", "GET", "/v2/{project_id}/assist-auth-config/method-config",
        action="workspace:assistAuthConfig:get", tag=TAG, answer={"otp_config_info": {"enable": False}},
    )  # fmt: skip
    async def show_assist_auth(self, call: CurrentCall) -> schemas.AssistAuthConfig:
        """Tell that no second factor is asked for."""
        return schemas.AssistAuthConfig()

    def _instance(self, product_id: str, flavor_id: str) -> dict[str, int]:
        """What one machine needs beside its disks; refuses products and flavors that do not exist."""
        problems = errors.Problems()
        product = self._catalog.product(product_id)
        if product is None:
            text = "There is no such product; GET /v1/{project_id}/product lists them."
            problems.add("product_id", product_id, "exists", text)
            raise errors.refusal(problems.found)
        flavor = product.flavor(flavor_id)
        if flavor is None:
            known = ", ".join(each.flavor_id for each in product.flavors)
            text = f"This flavor does not belong to product {product_id}; it has {known}."
            problems.add("flavor_id", flavor_id, "in_product", text)
            raise errors.refusal(problems.found)
        need = {"INSTANCES": 1, "CORES": flavor.vcpus, "MEMORY": flavor.memory_mib}
        return need | ({"GPU_INSTANCES": 1} if product.is_gpu else {})

    async def _tenant(self, project_id: str) -> Tenant:
        tenant = await self._store.read(lambda tx: self._tenancy.tenant(tx, project_id))
        if tenant is None:
            await self._store.write(lambda tx: self._tenancy.ensure_project(tx, project_id))
            tenant = await self._store.read(lambda tx: self._tenancy.tenant(tx, project_id))
            assert tenant is not None
        return tenant

    def _ad_domains(self) -> schemas.AdDomains:
        directory = self._tenancy.directory
        if directory is None:
            return schemas.AdDomains(domain_type="LITE_AS")
        return schemas.AdDomains(
            domain_type="LOCAL_AD",
            domain_name=directory.domain_name,
            domain_admin_account=directory.admin_account,
        )
