"""Puts the house together from settings; the only place that knows every room."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from goldsmith import __version__, setup, telemetry
from goldsmith.app_groups.api import AppGroupsApi
from goldsmith.app_groups.rules import AppGroupRules
from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.api import AppServersApi
from goldsmith.app_servers.machines import Machines
from goldsmith.app_servers.service import AppServers
from goldsmith.app_servers.tasks import AppServerTasks
from goldsmith.app_servers.views import Views as AppServerViews
from goldsmith.app_servers.workflows.delete import DeleteAppServer
from goldsmith.app_servers.workflows.power import SwitchAppServer
from goldsmith.audit.api import AuditApi
from goldsmith.audit.service import AuditTrail
from goldsmith.catalog.api import CatalogApi
from goldsmith.catalog.neighbours_api import NeighboursCatalogApi
from goldsmith.catalog.service import FILE_NAME as CATALOG_FILE
from goldsmith.catalog.service import Catalog
from goldsmith.cli.ports import listen
from goldsmith.cli.problems import Unusable
from goldsmith.clouds.port import Cloud
from goldsmith.clouds.simulated.cloud import SimulatedCloud
from goldsmith.enterprise_projects.api import EnterpriseProjectsApi
from goldsmith.enterprise_projects.service import EnterpriseProjects
from goldsmith.events import leases
from goldsmith.events.room import EventsRoom
from goldsmith.events.service import Events
from goldsmith.http import application, system
from goldsmith.http.limits import GuardedProtocol, RateLimits, guarded
from goldsmith.http.operations import Operation, collect
from goldsmith.iam.admission_api import Admission
from goldsmith.iam.api import IamApi
from goldsmith.iam.decisions_api import DecisionsApi
from goldsmith.iam.lockout import origin
from goldsmith.iam.management import management_apis
from goldsmith.iam.secrets import SecretBox
from goldsmith.iam.service import Iam
from goldsmith.iam.setup import has_account
from goldsmith.iam.tokens import Tokens
from goldsmith.ids import Snowflakes
from goldsmith.image_servers.api import ImageServersApi
from goldsmith.image_servers.belongings import Belongings
from goldsmith.image_servers.placement import Placement
from goldsmith.image_servers.preflight import Rooms
from goldsmith.image_servers.service import ImageServers
from goldsmith.image_servers.workflows.create import CreateImageServer
from goldsmith.image_servers.workflows.delete import DeleteImageServer
from goldsmith.images.api import ImagesApi
from goldsmith.images.service import Images
from goldsmith.jobs.api import JobsApi
from goldsmith.jobs.control import JobControl
from goldsmith.jobs.control_api import JobControlApi
from goldsmith.jobs.progress import reporting
from goldsmith.jobs.service import Jobs
from goldsmith.networks import listing as networks
from goldsmith.networks.api import NetworksApi, PortsApi
from goldsmith.networks.service import Networks
from goldsmith.server_groups.api import ServerGroupsApi
from goldsmith.server_groups.rules import ServerGroupRules
from goldsmith.server_groups.service import ServerGroups
from goldsmith.server_groups.tags_api import ServerGroupTagsApi
from goldsmith.server_groups.views import Views as ServerGroupViews
from goldsmith.settings import LimitsSettings, Settings
from goldsmith.store import Store, Tx
from goldsmith.store.opening import open_store, shown
from goldsmith.store.schema_version import upgrade
from goldsmith.tenancy.api import Network, TenancyApi
from goldsmith.tenancy.service import Tenancy
from goldsmith.tenancy.users_api import UsersApi
from goldsmith.workflows import Engine, Queue, probe
from goldsmith.workflows import journal as books

log = logging.getLogger(__name__)

SERVE_ROLE = "serve"
SIMULATED_IMAGE_BYTES = 2 * 1024**3
MANY = 1000


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs in one process."""

    settings: Settings
    store: Store
    cloud: Cloud
    queue: Queue
    operations: tuple[Operation, ...]
    iam: Iam
    events: EventsRoom

    def engine(self, role: str) -> Engine:
        """An engine that works on this house's queue."""
        worker = self.settings.worker
        return Engine(
            self.store, self.queue, slots=worker.slots, lease_seconds=worker.lease_seconds, role=role,
            probe=probe.of(self.settings.data_dir), limits={"boots_per_host": self._boots_per_host()},
            jobs_per_project=worker.jobs_per_project, drain_seconds=worker.drain_seconds,
        )  # fmt: skip

    def _boots_per_host(self) -> int:
        """By default as many as the host has CPUs: more at once only make each boot slower."""
        return self.settings.worker.boots_per_host or (os.cpu_count() or 1) * (self.settings.cloud == "qemu")

    def asgi(self) -> ASGIApp:
        """The HTTP side."""
        app, envelope = application.build(
            self.operations, Admission(self.iam, self.settings.region), title="goldsmith", version=__version__,
            trail=AuditTrail(self.store, self.iam), limits=RateLimits(self.settings.limits, origin),
        )  # fmt: skip
        system.add_routes(app, self.store, _prove_writing)
        return envelope


def _prove_writing(tx: Tx) -> None:
    leases.acquire(tx, "readiness", "any process", 1000)


def make_cloud(settings: Settings) -> Cloud:
    """The driver that the settings name."""
    if settings.cloud == "qemu":
        from goldsmith.clouds.qemu.driver import QemuCloud

        return QemuCloud(settings.qemu, settings.data_dir)
    return SimulatedCloud(settings.simulated, settings.data_dir)


@contextlib.asynccontextmanager
async def look_into(settings: Settings) -> AsyncIterator[tuple[Store, Cloud]]:
    """Database and cloud of a data folder, served or not: nothing is declared, cleared away or begun."""
    store = open_store(settings.database_place)
    try:
        cloud = make_cloud(settings)
        if isinstance(cloud, SimulatedCloud):
            await cloud.attach()
        try:
            yield store, cloud
        finally:
            await cloud.close()
    finally:
        store.close()


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Open database and cloud, put the rooms together, and close everything in the end."""
    folder = settings.data_dir
    box = SecretBox.load(folder / setup.SECRETS_KEY)
    catalog = Catalog.load(folder / CATALOG_FILE)
    upgrade(settings.database_place)
    store = open_store(settings.database_place)
    try:
        if not await store.read(has_account):
            text = f"has no account, but {folder} has one: say the --database that it was made with"
            raise Unusable(f"the database {shown(settings.database_place)} {text}")
        cloud = make_cloud(settings)
        await cloud.open()
        try:
            tokens = Tokens(folder / setup.TOKEN_KEYS)
            iam = Iam(store, tokens, box, region=settings.region)
            yield await _furnish(settings, store, cloud, catalog, box, iam)
        finally:
            await cloud.close()
    finally:
        store.close()


async def _furnish(settings: Settings, store: Store, cloud: Cloud, catalog: Catalog, box: SecretBox, iam: Iam) -> House:
    ids, queue = Snowflakes(), Queue()
    jobs, groups, enterprise_projects = Jobs(ids, events := Events()), ServerGroups(), EnterpriseProjects(store)
    rooms = Rooms(catalog, Images(), Networks(), Tenancy(box, catalog.quotas, catalog.directory), Placement(),
                  enterprise_projects)  # fmt: skip
    image_servers = ImageServers(rooms, jobs, groups, queue, ids, events)
    app_servers, app_groups = AppServers(), AppGroups()
    create = CreateImageServer(
        store, cloud, image_servers, jobs, rooms.networks, rooms.tenancy, app_servers, app_groups, ids,
        settings.worker.guest_timeout_seconds,
    )  # fmt: skip
    delete = DeleteImageServer(cloud, image_servers, jobs, app_servers, app_groups)
    for workflow in (create.workflow(), delete.workflow(), delete.forget_workflow()):
        queue.add(workflow)
    remains = _what_remains(store, cloud, rooms, jobs, groups, app_servers, app_groups, queue, ids)
    for workflow in tuple(queue.kinds.values()):
        queue.add(reporting(workflow, jobs))
    gate = Admission(iam, settings.region)
    room = EventsRoom(settings, store, events, iam, gate, ids, SERVE_ROLE)
    await _declare(store, cloud, catalog, rooms)
    decisions = DecisionsApi(iam, settings.region)
    apis = (
        ImageServersApi(store, image_servers, cloud),
        *remains,
        JobsApi(store, jobs, queue),
        JobControlApi(store, JobControl(jobs, queue)),
        CatalogApi(catalog),
        NeighboursCatalogApi(catalog),
        TenancyApi(store, rooms.tenancy, catalog, networks_of=_networks_of, name_of=_project_name(iam)),
        UsersApi(store, rooms.tenancy),
        NetworksApi(store, rooms.networks),
        PortsApi(store),
        ImagesApi(store, rooms.images),
        IamApi(iam),
        *management_apis(iam, enterprise_projects.require_usable, jobs.has_running),
        EnterpriseProjectsApi(enterprise_projects),
        AuditApi(store, gate.may_in_account),
        *room.apis,
        decisions,
    )
    operations = tuple(each for api in apis for each in collect(api))
    iam.grants.known_actions = frozenset(each.action for each in operations if each.action is not None)
    decisions.table = _by_action(operations)
    return House(settings, store, cloud, queue, operations, iam, room)


def _by_action(operations: Iterable[Operation]) -> dict[str, Operation]:
    """An operation for each action; one that has a resource type, if there is one."""
    ordered = sorted(operations, key=lambda each: each.resource_type is not None)
    return {each.action.lower(): each for each in ordered if each.action is not None}


def _what_remains(
    store: Store, cloud: Cloud, rooms: Rooms, jobs: Jobs, groups: ServerGroups, app_servers: AppServers,
    app_groups: AppGroups, queue: Queue, ids: Snowflakes,
) -> tuple[object, ...]:  # fmt: skip
    """The rooms of what an image server is made of, which also remain when only its record is deleted."""
    owners, machines = Belongings(rooms), Machines(cloud)
    queue.add(DeleteAppServer(cloud, app_servers, owners, jobs).workflow())
    for workflow in SwitchAppServer(cloud, app_servers).workflows():
        queue.add(workflow)
    server_views = AppServerViews(rooms.catalog, rooms.images, groups)
    group_views = ServerGroupViews(rooms.catalog, rooms.images, rooms.networks, app_servers, app_groups)
    group_rules = ServerGroupRules(groups, app_servers, app_groups, owners, rooms.catalog)
    app_group_rules = AppGroupRules(app_groups, groups, owners, rooms.tenancy)
    tasks = AppServerTasks(app_servers, owners, jobs, queue, ids)
    return (
        AppServersApi(store, app_servers, tasks, server_views, machines),
        ServerGroupsApi(store, groups, group_rules, group_views, app_servers, machines, rooms.tenancy),
        ServerGroupTagsApi(store, groups, group_rules),
        AppGroupsApi(store, app_groups, app_group_rules, groups, rooms.tenancy),
    )


def _networks_of(tx: Tx, project_id: str) -> list[Network]:
    vpcs = networks.list_vpcs(tx, project_id, [], MANY, None)
    subnets = networks.list_subnets(tx, project_id, [], MANY, None)
    return [
        Network(vpc.id, vpc.name, [subnet.id for subnet in subnets.items if subnet.vpc_id == vpc.id])
        for vpc in vpcs.items
    ]


def _project_name(iam: Iam) -> Callable[[str], Awaitable[str]]:
    async def name_of(project_id: str) -> str:
        project = await iam.directory.project(project_id)
        return project.name if project is not None else ""

    return name_of


async def _declare(store: Store, cloud: Cloud, catalog: Catalog, rooms: Rooms) -> None:
    """Take over what catalogue and cloud say exists."""
    hosts = await cloud.hosts()
    catalog.set_hosts(hosts)
    if isinstance(cloud, SimulatedCloud):
        for name in sorted({image.file for image in catalog.file.images}):
            await cloud.register_image(name, SIMULATED_IMAGE_BYTES)

    def work(tx: Tx) -> None:
        from goldsmith.iam.setup import PROJECT_ID

        tx.lock("declare")
        rooms.tenancy.ensure_project(tx, PROJECT_ID)
        rooms.networks.declare(tx, PROJECT_ID, catalog.file.vpcs)
        rooms.images.declare(tx, PROJECT_ID, catalog.file.images)
        rooms.placement.declare(tx, hosts)

    await store.write(work)


async def serve(settings: Settings, announce: Callable[[str], None] = print) -> None:
    """Serve the API, and work, until SIGTERM or SIGINT; `announce` gets the line that says where."""
    telemetry.start_logging(settings.log_level, settings.log_format)
    with contextlib.nullcontext() if settings.database else only_one(settings.data_dir):
        context = setup.tls_context(settings)
        setup.require_safe_transport(settings, context)
        listener = listen(*settings.address)
        async with open_house(settings) as house:
            if not settings.database:
                # This process holds the folder's lock: whoever served before is dead, and so are its leases.
                await house.store.write(lambda tx: books.release_alike(tx, f"{SERVE_ROLE}@{socket.gethostname()}#"))
                await house.store.write(house.events.take_over)
            host, port = listener.getsockname()[:2]
            endpoint = f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
            setup.note_endpoint(settings, endpoint)
            server = Server(house.asgi(), lambda: announce(f"goldsmith serves {endpoint}"), settings, context)
            await _together(server, listener, house.engine(SERVE_ROLE), house.events)


async def work(settings: Settings) -> None:
    """Work on the data folder's jobs until SIGTERM or SIGINT."""
    telemetry.start_logging(settings.log_level, settings.log_format)
    async with open_house(settings) as house:
        engine = house.engine("worker")
        _on_signals(engine.stop)
        await engine.run()


def settle_memory() -> None:
    """What was made at the start stays: the collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class Server(uvicorn.Server):
    """uvicorn with signals left to us, a word when it is ready, and limits to what a connection may take.

    Without a `context` it speaks plain HTTP.
    """

    def __init__(
        self,
        app: ASGIApp,
        ready: Callable[[], None],
        settings: Settings | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        limits, proxies = (settings.limits, settings.trusted_proxies) if settings else (LimitsSettings(), ())
        headers = application.TLS_HEADERS if context else application.SECURITY_HEADERS
        super().__init__(
            uvicorn.Config(
                app, http=guarded(limits, headers), ws="none", log_config=None, access_log=False, lifespan="off",
                server_header=False, date_header=True, timeout_graceful_shutdown=10,
                proxy_headers=bool(proxies), forwarded_allow_ips=list(proxies),
                ssl_context_factory=(lambda _config, _default: context) if context else None,
            )
        )  # fmt: skip
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Signals are handled by `serve`, for server and engine together."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        settle_memory()
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: end connections whose time is up."""
        if counter % 5 == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.expire(now)
        return await super().on_tick(counter)


async def _together(server: Server, listener: socket.socket, engine: Engine, events: EventsRoom) -> None:
    """Run server, engine and deliveries; the end of any, or a signal, ends all."""

    def stop() -> None:
        server.should_exit = True
        engine.stop()
        events.stop()

    _on_signals(stop)

    async def then_stop(running: Awaitable[None]) -> None:
        try:
            await running
        finally:
            stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(then_stop(server.serve(sockets=[listener])))
        group.create_task(then_stop(engine.run()))
        group.create_task(then_stop(events.deliverer.run()))


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


@contextlib.contextmanager
def only_one(folder: Path):  # type: ignore[no-untyped-def]
    """Hold the data folder's lock: one process serves it at a time (decision 11)."""
    descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            raise Unusable(f"{folder} is served by process {holder or '?'} already; stop it first") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
