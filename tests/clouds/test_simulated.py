"""What only the simulated cloud does: faults on demand, a clock of its own, a world that no kill can harm."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.clouds.contract import GIB, numbered_spec

from goldsmith.clouds.port import DoesNotExist, Power, Refused, ServerSpec, StopMode, TryAgainLater
from goldsmith.clouds.simulated import Behaviour, Fault, HeldClock, SimulatedCloud, World, ledger, transaction
from goldsmith.settings import SimulatedSettings

ROOT = Path(__file__).parents[2]
INSTANT = SimulatedSettings(create_seconds=0, command_seconds=0, stop_seconds=0, boot_seconds=2)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(start=1_000_000)


@pytest.fixture
def world(tmp_path: Path, clock: HeldClock) -> Iterator[World]:
    with World(tmp_path, clock=clock) as world:
        world.register_image("debian", 3 * GIB)
        yield world


@pytest.fixture
async def cloud(world: World, tmp_path: Path, clock: HeldClock) -> AsyncIterator[SimulatedCloud]:
    cloud = SimulatedCloud(INSTANT, tmp_path, clock=clock)
    await cloud.open()
    yield cloud
    await cloud.close()


@pytest.fixture
async def slow(world: World, tmp_path: Path, clock: HeldClock) -> AsyncIterator[SimulatedCloud]:
    """A cloud that takes its time: ten simulated seconds to create, and two pass in one real second."""
    settings = SimulatedSettings(speed=2, create_seconds=10, stop_seconds=4, command_seconds=6, boot_seconds=20)
    cloud = SimulatedCloud(settings, tmp_path, clock=clock)
    await cloud.open()
    yield cloud
    await cloud.close()


async def make(cloud: SimulatedCloud, number: int = 2, **fields: object) -> ServerSpec:
    spec = numbered_spec(number, **fields)
    await cloud.create_port("port-key", spec.port)
    await cloud.create_server("server-key", spec)
    return spec


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until `condition` holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("did not happen")


async def until_waiting(clock: HeldClock, sleepers: int = 1) -> None:
    """Let the others run until that many of them wait for the clock."""
    await until(lambda: clock.sleepers >= sleepers)


# faults


async def test_a_fault_fires_exactly_as_often_as_it_was_told(cloud: SimulatedCloud, world: World) -> None:
    fault = Fault("create_server", at="before", error="again", times=2, message="host is away")
    world.inject(fault)
    spec = numbered_spec(2)
    await cloud.create_port("key", spec.port)
    for _ in range(2):
        with pytest.raises(TryAgainLater, match="host is away"):
            await cloud.create_server("key", spec)
    assert world.servers() == []
    await cloud.create_server("key", spec)
    assert world.fired() == {fault: 2}
    assert [record.outcome for record in world.calls()] == ["changed", "prevented", "prevented", "changed"]
    assert world.calls()[1].fault == "before:again"


async def test_a_fault_after_the_effect_leaves_it_done(cloud: SimulatedCloud, world: World) -> None:
    fault = Fault("create_server", at="after", error="refused")
    world.inject(fault)
    spec = numbered_spec(2)
    await cloud.create_port("key", spec.port)
    with pytest.raises(Refused, match="Injected fault"):
        await cloud.create_server("key", spec)
    await cloud.create_server("key", spec)
    assert [server.id for server in world.servers()] == [spec.id]
    assert world.effects("create_server", subject=spec.id, key="key") == 1
    assert world.fired()[fault] == 1


async def test_a_fault_after_the_effect_waits_for_a_call_that_has_one(cloud: SimulatedCloud, world: World) -> None:
    fault = Fault("start_server", at="after")
    world.inject(fault)
    with pytest.raises(DoesNotExist):
        await cloud.start_server("nobody")
    assert world.fired()[fault] == 0
    spec = await make(cloud)
    with pytest.raises(TryAgainLater):
        await cloud.start_server(spec.id)
    assert (world.fired()[fault], world.servers()[0].info.power) == (1, Power.RUNNING)


@pytest.mark.parametrize("match", ["id", "server-2", "server-key"])
async def test_a_fault_strikes_only_what_it_matches(cloud: SimulatedCloud, world: World, match: str) -> None:
    victim = await make(cloud, 2)
    other = numbered_spec(3, name="other")
    await cloud.create_port("other-key", other.port)
    await cloud.create_server("other-key", other)
    fault = Fault("delete_server", at="after", match=victim.id if match == "id" else match)
    world.inject(fault)
    await cloud.delete_server(other.id)
    assert world.fired()[fault] == 0
    with pytest.raises(TryAgainLater):
        await cloud.delete_server(victim.id)
    assert world.fired()[fault] == 1


async def test_a_fault_may_match_the_command_line(cloud: SimulatedCloud, world: World, clock: HeldClock) -> None:
    spec = await make(cloud)
    await cloud.start_server(spec.id)
    await clock.advance(2)
    world.inject(Fault("run_in_guest", error="again", match="hostnamectl"))
    await cloud.run_in_guest(spec.id, ["true"])
    with pytest.raises(TryAgainLater):
        await cloud.run_in_guest(spec.id, ["hostnamectl", "set-hostname", "x"])


async def test_calls_that_only_read_can_fail_too(cloud: SimulatedCloud, world: World) -> None:
    spec = await make(cloud)
    calls = len(world.calls())
    fault = Fault("guest_ready", error="refused", match=spec.id)
    world.inject(fault)
    with pytest.raises(DoesNotExist):
        await cloud.guest_ready("another")
    with pytest.raises(Refused):
        await cloud.guest_ready(spec.id)
    assert await cloud.guest_ready(spec.id) is False
    assert world.fired()[fault] == 1
    assert [record.fault for record in world.calls()[calls:]] == ["before:refused"]


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_hanging_call_ends_when_it_is_cancelled(cloud: SimulatedCloud, world: World, at: str) -> None:
    fault = Fault("create_server", at=at, error="hang")  # type: ignore[arg-type]
    world.inject(fault)
    spec = numbered_spec(2)
    await cloud.create_port("key", spec.port)
    call = asyncio.create_task(cloud.create_server("key", spec))
    await until(lambda: world.fired()[fault] == 1)
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(world.servers()) == (1 if at == "after" else 0)
    await cloud.create_server("key", spec)
    assert world.effects("create_server") == 1


@pytest.mark.parametrize("wrong", [{"call": "create"}, {"at": "during"}, {"error": "explode"}, {"times": 0}], ids=str)
def test_a_fault_that_could_never_strike_is_not_accepted(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Fault(**{"call": "create_server", **wrong})  # type: ignore[arg-type]


async def test_faults_can_be_cleared(cloud: SimulatedCloud, world: World) -> None:
    world.inject(Fault("list_servers", times=99))
    with pytest.raises(TryAgainLater):
        await cloud.list_servers()
    world.clear_faults()
    assert await cloud.list_servers() == []
    assert world.fired() == {}


# behaviours


async def test_a_silent_guest_never_answers(cloud: SimulatedCloud, world: World, clock: HeldClock) -> None:
    world.behave(Behaviour("guest_never_answers", match="mute"))
    mute, lively = await make(cloud, 2, name="mute-1"), await make(cloud, 3, name="lively")
    await cloud.start_server(mute.id)
    await cloud.start_server(lively.id)
    await clock.advance(10_000)
    assert await cloud.guest_ready(lively.id) is True
    assert await cloud.guest_ready(mute.id) is False
    assert (await cloud.describe_server(mute.id)).power is Power.RUNNING
    with pytest.raises(TryAgainLater):
        await cloud.run_in_guest(mute.id, ["true"])


async def test_a_machine_that_dies_during_boot_says_why(cloud: SimulatedCloud, world: World, clock: HeldClock) -> None:
    world.behave(Behaviour("machine_dies_during_boot", message="kernel panic"))
    spec = await make(cloud)
    await cloud.start_server(spec.id)
    assert (await cloud.describe_server(spec.id)).power is Power.RUNNING
    await clock.advance(1)
    info = await cloud.describe_server(spec.id)
    assert (info.power, info.fault) == (Power.STOPPED, "kernel panic")
    with pytest.raises(Refused, match="kernel panic"):
        await cloud.guest_ready(spec.id)
    world.clear_behaviours()
    await cloud.start_server(spec.id)
    await clock.advance(2)
    assert await cloud.guest_ready(spec.id) is True


# room, ports and images


async def test_a_host_without_room_refuses_until_room_is_given_back(
    world: World, tmp_path: Path, clock: HeldClock
) -> None:
    small = SimulatedCloud(INSTANT.model_copy(update={"host_memory_mib": 2048}), tmp_path, clock=clock)
    await small.open()
    first = await make(small, 2, memory_mib=1500)
    with pytest.raises(Refused, match="548 MiB are free"):
        await make(small, 3, memory_mib=549)
    await make(small, 4, memory_mib=548)
    await make(small, 5, memory_mib=2048, host="local-1b-host-2", zone="local-1b")
    await small.delete_server(first.id)
    await make(small, 6, memory_mib=1500)
    await small.close()


async def test_a_host_nobody_knows_is_refused(cloud: SimulatedCloud) -> None:
    with pytest.raises(Refused, match="local-1c-host-2"):
        await make(cloud, host="elsewhere")


async def test_a_server_needs_a_port_of_its_own(cloud: SimulatedCloud) -> None:
    spec = numbered_spec(2)
    with pytest.raises(DoesNotExist, match=spec.port.id):
        await cloud.create_server("key", spec)
    await cloud.create_port("key", spec.port)
    await cloud.create_server("key", spec)
    with pytest.raises(Refused, match=spec.id):
        await cloud.create_server("key", numbered_spec(3, port=spec.port))


async def test_an_image_exists_once_it_was_registered(cloud: SimulatedCloud, world: World) -> None:
    with pytest.raises(DoesNotExist):
        await cloud.find_image("fedora")
    await cloud.register_image("fedora", 5 * GIB, 100)
    await cloud.register_image("fedora", 6 * GIB, 200)
    found = await cloud.find_image("fedora")
    assert (found.virtual_bytes, found.stored_bytes) == (6 * GIB, 200)
    world.forget_image("fedora")
    with pytest.raises(DoesNotExist):
        await cloud.find_image("fedora")


async def test_the_world_shows_all_a_server_was_made_from(cloud: SimulatedCloud, world: World) -> None:
    spec = await make(cloud, metadata={"owner": "job-1"})
    (record,) = world.servers()
    assert (record.id, record.name, record.key) == (spec.id, spec.name, "server-key")
    assert (record.port_id, record.metadata, record.memory_mib) == (spec.port.id, {"owner": "job-1"}, 1024)
    (port,) = world.ports()
    assert (port.id, port.ip_address, port.key) == (spec.port.id, spec.port.ip_address, "port-key")


# time


async def test_a_guest_boots_on_the_simulated_clock(slow: SimulatedCloud, clock: HeldClock) -> None:
    spec = numbered_spec(2)
    await slow.create_port("key", spec.port)
    creation = asyncio.create_task(slow.create_server("key", spec))
    await until_waiting(clock)
    await clock.advance(5)
    await creation
    await slow.start_server(spec.id)
    await clock.advance(9.9)
    assert await slow.guest_ready(spec.id) is False
    await clock.advance(0.1)
    assert await slow.guest_ready(spec.id) is True


async def test_the_server_is_there_before_the_answer_comes(
    slow: SimulatedCloud, world: World, clock: HeldClock
) -> None:
    spec = numbered_spec(2)
    await slow.create_port("key", spec.port)
    creation = asyncio.create_task(slow.create_server("key", spec))
    await until_waiting(clock)
    assert [server.id for server in world.servers()] == [spec.id]
    await clock.advance(4)
    repeated = asyncio.create_task(slow.create_server("key", spec))
    await until_waiting(clock, 2)
    await clock.advance(0.9)
    assert not creation.done()
    assert not repeated.done()
    await clock.advance(0.2)
    await asyncio.gather(creation, repeated)
    assert world.effects("create_server") == 1


async def test_a_create_that_is_given_up_has_made_the_server(
    slow: SimulatedCloud, world: World, clock: HeldClock
) -> None:
    spec = numbered_spec(2)
    await slow.create_port("key", spec.port)
    creation = asyncio.create_task(slow.create_server("key", spec))
    await until_waiting(clock)
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    assert [server.id for server in world.servers()] == [spec.id]


@pytest.mark.parametrize(
    ("mode", "boots", "patience", "seconds"),
    [
        (StopMode.SOFT, True, 30, 4),
        (StopMode.SOFT, True, 3, 3),
        (StopMode.SOFT, False, 30, 30),
        (StopMode.HARD, True, 30, 0),
    ],
)
async def test_a_soft_stop_takes_as_long_as_the_guest_or_our_patience(
    cloud: SimulatedCloud, slow: SimulatedCloud, clock: HeldClock, mode: StopMode, boots: bool,
    patience: float, seconds: float,
) -> None:  # fmt: skip
    spec = await make(cloud)
    await slow.start_server(spec.id)
    await clock.advance(10 if boots else 0)
    stop = asyncio.create_task(slow.stop_server(spec.id, mode, patience=patience))
    if seconds:
        await until_waiting(clock)
        await clock.advance(seconds / 2 - 0.01)
        assert not stop.done()
        await clock.advance(0.01)
    await stop
    assert (await slow.describe_server(spec.id)).power is Power.STOPPED


async def test_a_command_that_outlives_its_time_limit_is_to_be_tried_again(
    cloud: SimulatedCloud, slow: SimulatedCloud, clock: HeldClock, world: World
) -> None:
    spec = await make(cloud)
    await slow.start_server(spec.id)
    await clock.advance(10)
    run = asyncio.create_task(slow.run_in_guest(spec.id, ["sync"], timeout=5))
    await until_waiting(clock)
    await clock.advance(2.5)
    with pytest.raises(TryAgainLater, match="sync"):
        await run
    assert [command.argv for command in world.commands(spec.id)] == [("sync",)]


async def test_time_goes_on_while_nobody_looks_and_never_jumps_with_the_speed(
    world: World, tmp_path: Path, clock: HeldClock
) -> None:
    assert world.now() == 0
    for speed, expected in ((10, 50), (0.5, 52.5), (100, 552.5)):
        cloud = SimulatedCloud(SimulatedSettings(speed=speed), tmp_path, clock=clock)
        await cloud.open()
        await cloud.close()
        await clock.advance(5)
        assert world.now() == expected


async def test_another_process_can_move_time(cloud: SimulatedCloud, world: World) -> None:
    spec = await make(cloud)
    await cloud.start_server(spec.id)
    world.advance(2)
    assert await cloud.guest_ready(spec.id) is True
    with pytest.raises(ValueError):
        world.advance(-1)


# guest and screen


async def test_commands_are_recorded_without_their_input(
    cloud: SimulatedCloud, world: World, clock: HeldClock, tmp_path: Path
) -> None:
    spec = await make(cloud)
    await cloud.start_server(spec.id)
    await clock.advance(2)
    secret = b"correct horse battery staple"
    result = await cloud.run_in_guest(spec.id, ["chpasswd", "-e"], stdin=secret)
    assert (result.exit_code, result.stdout) == (0, "")
    (command,) = world.commands(spec.id)
    assert (command.argv, command.exit_code) == (("chpasswd", "-e"), 0)
    assert command.stdin_sha256 == hashlib.sha256(secret).hexdigest()
    assert all(secret not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr"),
    [
        (["/bin/echo", "-n", "a", "b"], 0, "a b", ""),
        (["echo"], 0, "\n", ""),
        (["cat", "-"], 0, "in", ""),
        (["cat", "/etc/x"], 1, "", "cat: /etc/x: No such file or directory\n"),
        (["false"], 1, "", ""),
        (["powershell", "-Command", "x"], 0, "", ""),
    ],
    ids=str,
)
async def test_the_guest_knows_a_few_commands(
    cloud: SimulatedCloud, clock: HeldClock, command: list[str], exit_code: int, stdout: str, stderr: str
) -> None:
    spec = await make(cloud)
    await cloud.start_server(spec.id)
    await clock.advance(2)
    result = await cloud.run_in_guest(spec.id, command, stdin=b"in")
    assert (result.exit_code, result.stdout, result.stderr) == (exit_code, stdout, stderr)


async def test_an_empty_command_is_refused(cloud: SimulatedCloud) -> None:
    with pytest.raises(Refused, match="empty"):
        await cloud.run_in_guest("any", [])


async def test_the_screen_shows_how_far_the_boot_is(cloud: SimulatedCloud, clock: HeldClock) -> None:
    spec = await make(cloud)
    with pytest.raises(Refused, match="does not run"):
        await cloud.screenshot(spec.id)
    await cloud.start_server(spec.id)
    pictures = []
    for _ in range(3):
        picture = await cloud.screenshot(spec.id)
        start = picture.index(b"IDAT")
        size = int.from_bytes(picture[start - 4 : start])
        pixels = zlib.decompress(picture[start + 4 : start + 4 + size])
        assert len(pixels) == 480 * (640 + 1)
        pictures.append(pixels)
        await clock.advance(1)
    assert len(set(pictures)) == 3


# the file


async def test_the_event_loop_goes_on_while_another_process_holds_the_file(
    cloud: SimulatedCloud, world: World, tmp_path: Path
) -> None:
    rival = ledger.connect(ledger.world_file(tmp_path))
    rival.execute("BEGIN IMMEDIATE")
    calls = [asyncio.create_task(make(cloud, number)) for number in range(2, 10)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert await cloud.list_servers() == []
    assert not any(call.done() for call in calls)
    rival.execute("COMMIT")
    rival.close()
    await asyncio.gather(*calls)
    assert len(world.servers()) == 8


async def test_the_log_forgets_the_oldest(cloud: SimulatedCloud, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "LOG_LIMIT", 100)
    for number in range(600):
        await cloud.delete_server(f"server-{number}")
    subjects = [record.subject for record in world.calls()]
    assert subjects == [f"server-{number}" for number in range(412, 600)]


async def test_hundreds_of_servers_at_once_are_fine(cloud: SimulatedCloud, world: World) -> None:
    specs = await asyncio.gather(*(make(cloud, number) for number in range(2, 502)))
    assert {server.id for server in world.servers()} == {spec.id for spec in specs}
    await asyncio.gather(*(cloud.delete_server(spec.id) for spec in specs))
    assert world.servers() == []


async def test_a_file_that_is_no_world_is_refused(tmp_path: Path) -> None:
    file = ledger.world_file(tmp_path)
    file.parent.mkdir()
    file.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(Refused, match=r"world\.db"):
        await SimulatedCloud(INSTANT, tmp_path).open()


# several processes

CHILD = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from goldsmith.clouds.port import CloudError
from goldsmith.clouds.simulated import SimulatedCloud
from goldsmith.settings import SimulatedSettings
from tests.clouds.contract import numbered_spec

async def main(data_dir, prefix, first, last, memory_mib):
    settings = SimulatedSettings(create_seconds=0, host_memory_mib=memory_mib)
    cloud = SimulatedCloud(settings, Path(data_dir))
    await cloud.open()
    for number in range(int(first), int(last)):
        port = replace(numbered_spec(number).port, id=f"port-{number}")
        spec = numbered_spec(number, id=f"server-{number}", port=port)
        await cloud.create_port(prefix, spec.port)
        try:
            await cloud.create_server(prefix, spec)
        except CloudError as error:
            print(type(error).__name__, flush=True)
        else:
            print(spec.id, flush=True)
    await cloud.close()

*arguments, memory_mib = sys.argv[1:]
asyncio.run(main(*arguments, int(memory_mib)))
"""


def child(data_dir: Path, prefix: str, numbers: range, *, memory_mib: int = 10**9) -> subprocess.Popen[str]:
    """Another goldsmith: creates servers one by one and prints the id of each that was made."""
    arguments = [str(data_dir), prefix, str(numbers.start), str(numbers.stop), str(memory_mib)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_what_was_acknowledged_survives_kill_9(world: World, tmp_path: Path) -> None:
    with child(tmp_path, "key", range(2, 60_000)) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().splitlines()[:-1]
    assert process.returncode == -signal.SIGKILL
    servers = [server.id for server in world.servers()]
    assert set(acknowledged) <= set(servers)
    assert len(servers) <= len(acknowledged) + 2
    with child(tmp_path, "key", range(2, 302)) as again:
        assert again.stdout is not None
        assert again.stdout.read().split() == acknowledged[:300]
    assert [server.id for server in world.servers()] == servers


@pytest.mark.parametrize(("at", "made"), [("before", 0), ("after", 1)])
def test_a_crash_kills_the_process_at_the_very_point(world: World, tmp_path: Path, at: str, made: int) -> None:
    fault = Fault("create_server", at=at, error="crash", match="server-3")  # type: ignore[arg-type]
    world.inject(fault)
    with child(tmp_path, "first", range(2, 5)) as process:
        output, _ = process.communicate()
    assert (process.returncode, output.split()) == (-signal.SIGKILL, ["server-2"])
    assert world.effects("create_server", subject="server-3") == made
    with child(tmp_path, "second", range(2, 5)) as process:
        output, _ = process.communicate()
    assert (process.returncode, output.split()) == (0, ["server-2", "server-3", "server-4"])
    assert world.effects("create_server", subject="server-3") == 1
    assert world.fired()[fault] == 1
    assert os.getpid() not in {record.process for record in world.calls()}


def test_two_processes_at_once_make_each_server_once_and_fill_a_host_exactly(world: World, tmp_path: Path) -> None:
    room = 150 * 1024
    with (
        child(tmp_path, "left", range(2, 152), memory_mib=room) as left,
        child(tmp_path, "right", range(52, 202), memory_mib=room) as right,
    ):
        answers = [process.communicate()[0].split() for process in (left, right)]
    assert (left.returncode, right.returncode) == (0, 0)
    servers = [server.id for server in world.servers()]
    assert len(servers) == len(set(servers)) == 150
    assert {answer for said in answers for answer in said} == {*servers, "Refused"}
    assert all(world.effects("create_server", subject=server) == 1 for server in servers)
