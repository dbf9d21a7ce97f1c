"""What must be true of the world before an image server may be created.

One pass finds every problem; `?dry_run=true` runs the same function. Fields of the request may be None although
the contract requires them: their shape was wrong, which has been reported already, so checks that need them are
left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from goldsmith.catalog.service import Catalog, Flavor, Product
from goldsmith.clouds.port import Host
from goldsmith.enterprise_projects.service import EnterpriseProjects
from goldsmith.errors import Problem, Problems
from goldsmith.image_servers.models import image_servers
from goldsmith.image_servers.placement import Placement, Size
from goldsmith.images.service import Image, Images
from goldsmith.networks.service import Networks, Subnet
from goldsmith.store import Tx, prepare
from goldsmith.tenancy.service import ACTIVE, Tenancy, WorkspaceUser

_NAME_TAKEN = prepare(
    select(image_servers.c.id).where(
        image_servers.c.project_id == bindparam("project"), image_servers.c.name == bindparam("name")
    )
)
SESSIONS_PER_VCPU = 10


@dataclass(frozen=True, slots=True)
class Rooms:
    """The services a check may ask."""

    catalog: Catalog
    images: Images
    networks: Networks
    tenancy: Tenancy
    placement: Placement
    enterprise_projects: EnterpriseProjects


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose image server it will be: a project, and the account it belongs to."""

    project_id: str
    domain_id: str


@dataclass(slots=True)
class Plan:
    """What a request that is right in every way leads to; complete only when no problem was found."""

    image: Image | None = None
    product: Product | None = None
    flavor: Flavor | None = None
    subnet: Subnet | None = None
    account: WorkspaceUser | None = None
    size: Size | None = None
    hosts: Sequence[Host] = ()


def name_problem(tx: Tx, project_id: str, name: str, *, other_than: str = "") -> Problem | None:
    """The conflict with another image server of this name, if there is one."""
    taken = tx.scalar(_NAME_TAKEN, {"project": project_id, "name": name})
    if taken is None or taken == other_than:
        return None
    text = f"The name '{name}' is in use by image server {taken}; choose another name."
    return Problem("name", name, "unique", text, conflict=True)


class Preflight:
    """Checks one request against the world, inside the caller's transaction.

    `request` is a `schemas.CreateImageServer` of which any field may be None.
    """

    def __init__(self, rooms: Rooms, tx: Tx, owner: Owner, request: Any) -> None:
        self._rooms, self._tx, self._request = rooms, tx, request
        self._project_id, self._domain_id = owner.project_id, owner.domain_id
        self._problems = Problems()
        self.plan = Plan()

    def check(self) -> list[Problem]:
        """Every problem, in the order of the fields of the contract; `plan` is filled on the way."""
        self._check_tenant()
        self._check_name()
        self._check_image()
        self._check_network()
        self._check_product()
        self._check_volume()
        self._check_apps_and_account()
        self._check_mode()
        self._check_sessions()
        self._check_tags()
        self._check_enterprise_project()
        self._check_placement()
        self._check_quota()
        return self._problems.found

    def _add(self, field: str, value: Any, rule: str, message: str) -> None:
        self._problems.add(field, value, rule, message)

    def _check_tenant(self) -> None:
        tenant = self._rooms.tenancy.tenant(self._tx, self._project_id)
        if tenant is not None and tenant.service_status != ACTIVE:
            text = "The service is inactive for this project; POST /v1/{project_id}/tenant/action/active activates it."
            self._add("project_id", self._project_id, "service_active", text)

    def _check_name(self) -> None:
        if self._request.name is not None:
            found = name_problem(self._tx, self._project_id, self._request.name)
            if found is not None:
                self._problems.found.append(found)

    def _check_image(self) -> None:
        ref = self._request.image_ref
        if ref is None:
            return
        found = self._rooms.images.check_ref(
            self._tx, self._project_id, image_id=ref.id, image_type=ref.image_type,
            spce_code=ref.spce_code, product_id=ref.product_id,
        )  # fmt: skip
        if isinstance(found, list):
            self._problems.found.extend(found)
        else:
            self.plan.image = found

    def _check_network(self) -> None:
        vpc_id, subnet_id = self._request.vpc_id, self._request.subnet_id
        networks = self._rooms.networks
        subnet = networks.find_subnet(self._tx, self._project_id, subnet_id) if subnet_id is not None else None
        is_vpc_of_subnet = subnet is not None and subnet.vpc_id == vpc_id
        is_vpc = is_vpc_of_subnet or (vpc_id is not None and self._is_vpc(vpc_id))
        if vpc_id is not None and not is_vpc:
            text = "There is no such VPC in this project; GET /v1/{project_id}/vpcs lists them."
            self._add("vpc_id", vpc_id, "exists", text)
        if subnet_id is None:
            return
        if subnet is None:
            text = "There is no such subnet in this project; GET /v1/{project_id}/subnets lists them."
            self._add("subnet_id", subnet_id, "exists", text)
        elif is_vpc and not is_vpc_of_subnet:
            owner = subnet.vpc_id
            text = f"The subnet belongs to VPC {owner}; name that VPC or a subnet of {vpc_id}."
            self._add("subnet_id", subnet_id, "in_vpc", text)
        elif not subnet.has_free_address:
            text = f"Subnet {subnet.cidr} has no free address; delete servers in it or choose another subnet."
            self._add("subnet_id", subnet_id, "free_address", text)
        else:
            self.plan.subnet = subnet

    def _is_vpc(self, vpc_id: str) -> bool:
        return self._rooms.networks.find_vpc(self._tx, self._project_id, vpc_id) is not None

    def _check_product(self) -> None:
        product_id, flavor_id = self._request.product_id, self._request.flavor_id or None
        if product_id is None:
            return
        product = self._rooms.catalog.product(product_id)
        if product is None:
            text = "There is no such product; GET /v1/{project_id}/product lists them."
            self._add("product_id", product_id, "exists", text)
            return
        self.plan.product = product
        self.plan.flavor = product.flavor(flavor_id)
        if self.plan.flavor is None:
            known = ", ".join(flavor.flavor_id for flavor in product.flavors)
            text = f"This flavor does not belong to product {product_id}; it has {known}."
            self._add("flavor_id", flavor_id, "in_product", text)

    def _check_volume(self) -> None:
        volume, image = self._request.root_volume, self.plan.image
        if volume is None:
            return
        if volume.type is not None and self._rooms.catalog.volume_type(volume.type) is None:
            text = "This volume type is not offered; GET /v1/{project_id}/volume-type lists the types."
            self._add("root_volume.type", volume.type, "offered", text)
        if volume.size is not None and image is not None and volume.size < image.min_disk:
            text = f"The image needs a system disk of at least {image.min_disk} GB."
            self._add("root_volume.size", volume.size, "image_min_disk", text)
        if volume.cluster_id and volume.cluster_id not in self._rooms.catalog.storage_pools:
            text = "There is no such storage pool; leave cluster_id out to use the default storage."
            self._add("root_volume.cluster_id", volume.cluster_id, "exists", text)
        flavor, product = self.plan.flavor, self.plan.product
        if volume.size is not None and flavor is not None and product is not None:
            self.plan.size = Size(flavor.vcpus, flavor.memory_mib, volume.size, product.is_gpu)
        if image is not None and flavor is not None and flavor.memory_mib < image.min_ram:
            text = f"The image needs {image.min_ram} MB of memory; this flavor has {flavor.memory_mib}."
            self._add("product_id", self._request.product_id, "image_min_ram", text)

    def _check_apps_and_account(self) -> None:
        apps = self._request.attach_apps or []
        if len(set(apps)) < len(apps):
            self._add("attach_apps", apps, "unique", "Each app may be named once.")
        if apps:
            text = "Apps cannot be attached yet, because there is no app warehouse; send an empty list."
            self._add("attach_apps", apps, "available", text)
        for number, entry in enumerate(self._request.authorize_accounts or []):
            at = f"authorize_accounts[{number}]"
            if entry.account_type == "USER_GROUP":
                text = "Image servers can be authorised for users only; send USER."
                self._add(f"{at}.account_type", entry.account_type, "user_only", text)
            elif entry.account is not None:
                self._check_account(at, entry.account, entry.domain or "")

    def _check_account(self, at: str, account: str, domain: str) -> None:
        user = self._rooms.tenancy.find_user(self._tx, self._project_id, account)
        if user is None:
            text = "There is no such account; POST /v2/{project_id}/users creates one."
            self._add(f"{at}.account", account, "exists", text)
        self.plan.account = user
        directory = self._rooms.catalog.directory
        if domain and directory is not None and domain.lower() != directory.domain_name.lower():
            text = f"The connected directory is {directory.domain_name}."
            self._add(f"{at}.domain", domain, "directory", text)

    def _check_mode(self) -> None:
        request, directory = self._request, self._rooms.catalog.directory
        if not request.is_vdi and directory is None:
            text = "Without a connected Active Directory only single-session servers are possible; send is_vdi=true."
            self._add("is_vdi", bool(request.is_vdi), "directory", text)
        if request.ou_name and directory is None:
            text = "Organizational units need a connected Active Directory, and there is none; leave ou_name out."
            self._add("ou_name", request.ou_name, "directory", text)
        elif request.ou_name and directory is not None and not directory.has_unit(request.ou_name):
            known = ", ".join(directory.organizational_units) or "none"
            self._add("ou_name", request.ou_name, "exists", f"The directory has these organizational units: {known}.")

    def _check_sessions(self) -> None:
        request, product, flavor = self._request, self.plan.product, self.plan.flavor
        policy = request.route_policy
        routes = policy is not None and any((policy.max_session, policy.cpu_threshold, policy.mem_threshold))
        kind, paid = request.extra_session_type, request.extra_session_size
        if request.is_vdi:
            only = "belongs to servers with several sessions; leave it out or send is_vdi=false."
            if kind is not None or paid is not None:
                field = "extra_session_type" if kind is not None else "extra_session_size"
                self._add(field, kind or paid, "multi_session", f"A paid session {only}")
            if routes:
                sent = policy.model_dump(exclude_none=True)
                self._add("route_policy", sent, "multi_session", f"A route policy {only}")
            return
        if (kind is None) != (paid is None):
            field = "extra_session_size" if paid is None else "extra_session_type"
            self._add(field, None, "together", "extra_session_type and extra_session_size are given together.")
        if product is None or flavor is None:
            return
        if kind == "GPU" and not product.is_gpu:
            self._add("extra_session_type", kind, "gpu", "GPU sessions need a product with a GPU; send CPU.")
        most = max(0, SESSIONS_PER_VCPU * flavor.vcpus - product.sessions)
        if paid is not None and paid > most:
            text = f"At most {most}: 10 for each of {flavor.vcpus} vCPUs, less the {product.sessions} of the product."
            self._add("extra_session_size", paid, "maximum", text)
        total = product.sessions + (paid or 0)
        if policy is not None and policy.max_session and policy.max_session > total:
            text = f"At most {total}: the product's {product.sessions} sessions and the paid ones."
            self._add("route_policy.max_session", policy.max_session, "maximum", text)

    def _check_tags(self) -> None:
        keys = [tag.key for tag in self._request.tags or []]
        for key in dict.fromkeys(key for key in keys if key is not None and keys.count(key) > 1):
            self._add("tags", key, "unique", f"The key '{key}' is used more than once; each key may be used once.")

    def _check_enterprise_project(self) -> None:
        wanted = self._request.enterprise_project_id
        if wanted:
            found = self._rooms.enterprise_projects.problem_with(self._tx, self._domain_id, wanted)
            if found is not None:
                self._problems.found.append(found)

    def _check_placement(self) -> None:
        hints = self._request.scheduler_hints
        zone_name = self._request.availability_zone or ""
        host_id = (hints.dedicated_host_id or "") if hints is not None else ""
        if hints is not None and hints.tenancy and hints.tenancy != "dedicated":
            self._add("scheduler_hints.tenancy", hints.tenancy, "enum", "Send dedicated, or leave tenancy out.")
        if zone_name and self._rooms.catalog.zone(zone_name) is None:
            text = "There is no such zone; GET /v1/{project_id}/availability-zone lists them."
            self._add("availability_zone", zone_name, "exists", text)
            zone_name = ""  # the rest is checked as if no zone had been named
        host = self._rooms.placement.host(host_id)
        if host_id and host is None:
            text = "There is no such dedicated host; leave dedicated_host_id out to have one chosen."
            self._add("scheduler_hints.dedicated_host_id", host_id, "exists", text)
        if host is not None and zone_name and host.zone != zone_name:
            text = f"The host stands in zone {host.zone}; send that zone or leave it out."
            self._add("scheduler_hints.dedicated_host_id", host_id, "in_zone", text)
        self._choose_hosts(zone_name, host)

    def _choose_hosts(self, zone_name: str, dedicated: Host | None) -> None:
        """Narrow the hosts down by what is offered where, and by room; say everything that is an obstacle."""
        volume, size, catalog, placement = (
            self._request.root_volume, self.plan.size, self._rooms.catalog, self._rooms.placement,
        )  # fmt: skip
        in_place = [host for host in placement.hosts if not zone_name or host.zone == zone_name]
        if dedicated is not None:
            in_place = [dedicated]
        where = f" in zone {zone_name}" if zone_name else ""
        product = self.plan.product
        offered = [host for host in in_place if product is None or catalog.is_on_sale(product, host.zone)]
        if in_place and not offered and product is not None:
            text = f"This product cannot be bought{where}: it is sold out or no longer offered. Choose another."
            self._add("product_id", product.product_id, "on_sale", text)
        kind = catalog.volume_type(volume.type) if volume is not None and volume.type is not None else None
        stored = [host for host in offered or in_place if kind is None or kind.is_offered_in(host.zone)]
        if in_place and not stored and kind is not None:
            text = f"This volume type is not offered{where}; GET /v1/{{project_id}}/volume-type says where it is."
            self._add("root_volume.type", kind.volume_type, "offered_in_zone", text)
        if size is None:
            return
        roomy = {host.id for host in placement.with_room(self._tx, size)}
        self.plan.hosts = [host for host in stored or in_place if host.id in roomy]
        if not self.plan.hosts:
            self._no_room(zone_name, dedicated, size)

    def _no_room(self, zone_name: str, dedicated: Host | None, size: Size) -> None:
        need = f"{size.vcpus} vCPUs, {size.memory_mib} MB of memory and {size.disk_gib} GB of disk"
        if dedicated is not None:
            text = f"The host has no room for {need}; choose another host or a smaller product."
            self._add("scheduler_hints.dedicated_host_id", dedicated.id, "capacity", text)
        else:
            text = f"No host has room for {need}; delete servers, or choose another zone or a smaller product."
            self._add("availability_zone", zone_name, "capacity", text)

    def _check_quota(self) -> None:
        if self.plan.size is None:
            return
        need = self.plan.size.quota
        for kind, remainder in self._rooms.tenancy.quota_remainders(self._tx, self._project_id).items():
            if need.get(kind, 0) > remainder:
                text = f"The quota {kind} has {remainder} left and {need[kind]} are needed; delete servers or raise it."
                self._add("product_id", self._request.product_id, "quota", text)
