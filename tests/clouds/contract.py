"""The contract every driver keeps: subclass `CloudContract` in the driver's test module.

    class TestQemuKeepsTheContract(CloudContract):
        ...

The module provides these fixtures, of class scope or wider:

* `cloud_factory`: a callable that makes a driver, not yet opened, always on the same data folder;
* `image`: the id of an image every server of the suite is made from;
* `spec_factory`: a callable that makes a `ServerSpec` from that image with a fresh id and a fresh address;
  keyword arguments replace fields of the spec.

It may replace `cloud_patience` and `let_time_pass` (see `conftest.py`). All tests of a class share one event
loop, one opened `cloud` and, where a guest is needed, one `booted_server`; others make cheap machines only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import pytest

from goldsmith.clouds.port import (
    Cloud,
    DoesNotExist,
    PortSpec,
    Power,
    Refused,
    ServerSpec,
    StopMode,
    TryAgainLater,
)

GIB = 1024**3
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

LetTimePass = Callable[[float], Awaitable[None]]
CloudFactory = Callable[[], Cloud]


class SpecFactory(Protocol):
    """Makes a spec with a fresh id, name, port and address; keyword arguments replace its fields."""

    def __call__(self, **changes: object) -> ServerSpec: ...


def numbered_spec(number: int, **fields: object) -> ServerSpec:
    """A small server whose name, address and MAC are made from `number` (2 to 65,000), with fresh ids.

    `fields` replace fields of the spec; `image`, `host` and `zone` are those of the simulated cloud's tests.
    """
    high, low = divmod(number, 256)
    port = PortSpec(
        id=str(uuid4()),
        subnet_id="contract-subnet",
        cidr="10.0.0.0/16",
        gateway_ip="10.0.0.1",
        dns_ip="10.0.0.1",
        ip_address=f"10.0.{high}.{low}",
        mac_address=f"fa:16:3e:00:{high:02x}:{low:02x}",
    )
    spec = ServerSpec(
        id=str(uuid4()),
        name=f"server-{number}",
        image="debian",
        vcpus=2,
        memory_mib=1024,
        disk_gib=10,
        volume_type="SSD",
        host="local-1a-host-1",
        zone="local-1a",
        port=port,
    )
    return replace(spec, **fields)  # type: ignore[arg-type]


async def eventually(
    condition: Callable[[], Awaitable[bool]], patience: float, let_time_pass: LetTimePass, pause: float = 0.25
) -> None:
    """Ask until `condition` holds; fail after `patience` seconds."""
    waited = 0.0
    while not await condition():
        assert waited < patience, f"did not happen within {patience} seconds"
        await let_time_pass(pause)
        waited += pause


async def server_ids(cloud: Cloud) -> list[str]:
    """The ids of `list_servers`, duplicates and all."""
    return [info.id for info in await cloud.list_servers()]


@pytest.mark.asyncio(loop_scope="class")
class CloudContract:
    """What any cloud does, whatever it is made of."""

    # hosts and images

    async def test_hosts_are_listed_in_a_stable_order(self, cloud: Cloud) -> None:
        hosts = await cloud.hosts()
        assert hosts
        assert len({host.id for host in hosts}) == len(hosts)
        assert list(await cloud.hosts()) == list(hosts)

    async def test_a_known_image_is_found(self, cloud: Cloud, image: str) -> None:
        found = await cloud.find_image(image)
        assert found.id == image
        assert found.virtual_bytes > 0
        assert found.stored_bytes > 0

    async def test_an_unknown_image_does_not_exist(self, cloud: Cloud) -> None:
        with pytest.raises(DoesNotExist):
            await cloud.find_image(str(uuid4()))

    # ports

    async def test_a_port_created_twice_is_listed_once(self, cloud: Cloud, spec_factory: SpecFactory) -> None:
        port = spec_factory().port
        await cloud.create_port("first", port)
        await cloud.create_port("second", port)
        assert list(await cloud.list_ports()).count(port.id) == 1
        await cloud.delete_port(port.id)
        assert port.id not in await cloud.list_ports()

    async def test_deleting_an_absent_port_succeeds(self, cloud: Cloud) -> None:
        await cloud.delete_port(str(uuid4()))

    async def test_a_second_port_with_the_same_address_is_refused(
        self, cloud: Cloud, spec_factory: SpecFactory
    ) -> None:
        port = spec_factory().port
        rival = replace(port, id=str(uuid4()))
        await cloud.create_port("first", port)
        try:
            with pytest.raises(Refused, match=port.ip_address):
                await cloud.create_port("rival", rival)
            assert rival.id not in await cloud.list_ports()
        finally:
            await cloud.delete_port(port.id)
        await cloud.create_port("rival", rival)
        await cloud.delete_port(rival.id)

    async def test_what_was_deleted_is_not_made_again_by_a_call_that_comes_late(
        self, cloud: Cloud, spec_factory: SpecFactory
    ) -> None:
        made, undone = spec_factory(), spec_factory()
        await cloud.create_port("port", made.port)
        await cloud.create_server("server", made)
        for spec in (made, undone):  # of the second one nothing was there: it was undone before it was done
            await cloud.delete_server(spec.id)
            await cloud.delete_port(spec.port.id)
            with pytest.raises(Refused, match="was deleted"):
                await cloud.create_port("port", spec.port)
        spare = spec_factory().port
        await cloud.create_port("spare", spare)
        with pytest.raises(Refused, match="was deleted"):
            await cloud.create_server("server", replace(undone, port=spare))
        await cloud.delete_port(spare.id)
        assert not {made.id, undone.id} & set(await server_ids(cloud))
        assert not {made.port.id, undone.port.id} & set(await cloud.list_ports())

    # making and removing servers

    async def test_creating_twice_makes_one_server(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.create_server("again", server)
        assert (await server_ids(cloud)).count(server.id) == 1

    async def test_concurrent_creates_of_the_same_id_make_one_server(
        self, cloud: Cloud, spec_factory: SpecFactory
    ) -> None:
        spec = spec_factory()
        await cloud.create_port("port", spec.port)
        try:
            await asyncio.gather(*(cloud.create_server(f"attempt-{n}", spec) for n in range(4)))
            assert (await server_ids(cloud)).count(spec.id) == 1
        finally:
            await cloud.delete_server(spec.id)
            await cloud.delete_port(spec.port.id)

    async def test_a_new_server_is_stopped_and_on_its_host(self, cloud: Cloud, server: ServerSpec) -> None:
        info = await cloud.describe_server(server.id)
        assert (info.id, info.power, info.host, info.fault) == (server.id, Power.STOPPED, server.host, "")

    async def test_list_servers_shows_exactly_what_exists(self, cloud: Cloud, spec_factory: SpecFactory) -> None:
        before = set(await server_ids(cloud))
        specs = [spec_factory() for _ in range(3)]
        for spec in specs:
            await cloud.create_port("port", spec.port)
            await cloud.create_server("server", spec)
        assert set(await server_ids(cloud)) == before | {spec.id for spec in specs}
        await cloud.delete_server(specs[0].id)
        assert set(await server_ids(cloud)) == before | {spec.id for spec in specs[1:]}
        for spec in specs:
            await cloud.delete_server(spec.id)
            await cloud.delete_port(spec.port.id)
        assert set(await server_ids(cloud)) == before

    async def test_a_server_from_an_unknown_image_is_not_made(self, cloud: Cloud, spec_factory: SpecFactory) -> None:
        spec = spec_factory(image=str(uuid4()))
        await cloud.create_port("port", spec.port)
        try:
            with pytest.raises(DoesNotExist):
                await cloud.create_server("server", spec)
            assert spec.id not in await server_ids(cloud)
        finally:
            await cloud.delete_port(spec.port.id)

    async def test_a_disk_smaller_than_the_image_is_refused(
        self, cloud: Cloud, image: str, spec_factory: SpecFactory
    ) -> None:
        too_small = ((await cloud.find_image(image)).virtual_bytes - 1) // GIB
        spec = spec_factory(disk_gib=too_small)
        await cloud.create_port("port", spec.port)
        try:
            with pytest.raises(Refused):
                await cloud.create_server("server", spec)
            assert spec.id not in await server_ids(cloud)
        finally:
            await cloud.delete_port(spec.port.id)

    async def test_deleting_what_is_absent_succeeds(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.delete_server(str(uuid4()))
        await cloud.delete_server(server.id)
        await cloud.delete_server(server.id)
        assert server.id not in await server_ids(cloud)

    async def test_an_unknown_server_does_not_exist(self, cloud: Cloud) -> None:
        unknown = str(uuid4())
        for call in (
            cloud.describe_server(unknown),
            cloud.start_server(unknown),
            cloud.stop_server(unknown, StopMode.HARD),
            cloud.guest_ready(unknown),
            cloud.run_in_guest(unknown, ["true"], timeout=1.0),
            cloud.screenshot(unknown),
        ):
            with pytest.raises(DoesNotExist):
                await call

    async def test_a_deleted_server_no_longer_exists(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.delete_server(server.id)
        with pytest.raises(DoesNotExist):
            await cloud.describe_server(server.id)

    # power

    async def test_starting_twice_runs_one_machine(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.start_server(server.id)
        await cloud.start_server(server.id)
        assert (await cloud.describe_server(server.id)).power is Power.RUNNING
        assert (await server_ids(cloud)).count(server.id) == 1
        await cloud.stop_server(server.id, StopMode.HARD)
        assert (await cloud.describe_server(server.id)).power is Power.STOPPED

    async def test_a_stopped_server_can_be_stopped_and_started_again(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.stop_server(server.id, StopMode.HARD)
        await cloud.start_server(server.id)
        await cloud.stop_server(server.id, StopMode.HARD)
        await cloud.stop_server(server.id, StopMode.SOFT)
        stopped = await cloud.describe_server(server.id)
        assert (stopped.power, stopped.fault) == (Power.STOPPED, "")
        await cloud.start_server(server.id)
        assert (await cloud.describe_server(server.id)).power is Power.RUNNING

    async def test_a_running_server_is_removed_by_delete(self, cloud: Cloud, server: ServerSpec) -> None:
        await cloud.start_server(server.id)
        await cloud.delete_server(server.id)
        assert server.id not in await server_ids(cloud)

    # the guest

    async def test_a_guest_does_not_answer_before_it_has_booted(self, cloud: Cloud, server: ServerSpec) -> None:
        assert await cloud.guest_ready(server.id) is False
        with pytest.raises(TryAgainLater):
            await cloud.run_in_guest(server.id, ["true"], timeout=1.0)
        await cloud.start_server(server.id)
        assert await cloud.guest_ready(server.id) is False

    async def test_a_booted_guest_answers(self, cloud: Cloud, booted_server: ServerSpec) -> None:
        assert await cloud.guest_ready(booted_server.id) is True
        assert (await cloud.describe_server(booted_server.id)).power is Power.RUNNING

    async def test_a_command_returns_its_exit_code_and_output(self, cloud: Cloud, booted_server: ServerSpec) -> None:
        spoken = await cloud.run_in_guest(booted_server.id, ["echo", "two  words", "$HOME", "*"])
        assert (spoken.exit_code, spoken.stdout, spoken.stderr) == (0, "two  words $HOME *\n", "")
        assert (await cloud.run_in_guest(booted_server.id, ["true"])).exit_code == 0
        assert (await cloud.run_in_guest(booted_server.id, ["false"])).exit_code == 1

    async def test_a_command_reads_its_standard_input(self, cloud: Cloud, booted_server: ServerSpec) -> None:
        text = "Grüße\n" * 1000
        copied = await cloud.run_in_guest(booted_server.id, ["cat"], stdin=text.encode())
        assert (copied.exit_code, copied.stdout) == (0, text)

    async def test_output_that_is_not_text_arrives_with_replacement_characters(
        self, cloud: Cloud, booted_server: ServerSpec
    ) -> None:
        copied = await cloud.run_in_guest(booted_server.id, ["cat"], stdin=b"a\xff\n")
        assert copied.stdout == "a\N{REPLACEMENT CHARACTER}\n"

    async def test_a_screenshot_is_a_png(self, cloud: Cloud, booted_server: ServerSpec) -> None:
        picture = await cloud.screenshot(booted_server.id)
        assert picture.startswith(PNG_SIGNATURE)
        assert picture.rstrip(b"\n")[-8:-4] == b"IEND"

    # the world outlives the driver

    async def test_a_reopened_driver_sees_the_same_world(
        self,
        cloud: Cloud,
        cloud_factory: CloudFactory,
        booted_server: ServerSpec,
        server: ServerSpec,
        cloud_patience: float,
        let_time_pass: LetTimePass,
    ) -> None:
        servers, ports = sorted(await server_ids(cloud)), sorted(await cloud.list_ports())
        await cloud.close()
        successor = cloud_factory()
        await successor.open()
        try:
            assert sorted(await server_ids(successor)) == servers
            assert sorted(await successor.list_ports()) == ports
            assert (await successor.describe_server(booted_server.id)).power is Power.RUNNING
            assert (await successor.describe_server(server.id)).power is Power.STOPPED
            await eventually(lambda: successor.guest_ready(booted_server.id), cloud_patience, let_time_pass)
            await successor.create_server("after restart", server)
            assert sorted(await server_ids(successor)) == servers
        finally:
            await successor.close()
            await cloud.open()
