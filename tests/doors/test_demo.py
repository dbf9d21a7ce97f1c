"""The demo itself, on the simulated cloud, in a folder with a space in its name."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import huaweicloudsdkworkspaceapp.v1 as sdk
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from tests.service import until

Start = Callable[..., subprocess.Popen[str]]

LAST_LINE = "Serving until Ctrl-C.\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "a place"
    folder.mkdir()
    return folder


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start a demo in `place`; those still running when the test ends are interrupted."""
    children: list[subprocess.Popen[str]] = []
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
    fast = {"CLOUD": "simulated", "GOLDSMITH_SIMULATED__SPEED": "50"}

    def begin(**environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "goldsmith.demo"],
            cwd=place,
            env=clean | fast | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        with child:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)


def read_until_serving(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout
    lines: list[str] = []
    for line in demo.stdout:
        lines.append(line)
        if line == LAST_LINE:
            return "".join(lines)
    pytest.fail("the demo ended:\n" + "".join(lines))


def block(text: str, heading: str) -> str:
    """The lines below `heading`, up to the next empty line that ends the block."""
    return text.split(f"{heading}\n", 1)[1].split("\n\n", 1)[0]


def paste(commands: str) -> str:
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_once_makes_a_server_and_leaves_nothing(start: Start, place: Path) -> None:
    demo = start(ONCE="1")

    said, _ = demo.communicate(timeout=120)

    assert demo.returncode == 0, said
    assert "Image task 0508" in said
    assert "ACTIVE" in said
    assert "no process and no file of a machine is left" in said
    assert list(place.iterdir()) == []


def test_what_the_demo_prints_can_be_pasted(start: Start, place: Path) -> None:
    said = read_until_serving(start())

    assert "Image task 0508" in paste(block(said, "With curl:"))
    python = said.split("With Python:\n", 1)[1].split("\nEND\n", 1)[0]
    assert "Image task 0508" in paste(f"{python}\nEND\n")
    token = block(said, "With curl:").splitlines()[0]
    delete = block(said, "To delete the image server with everything that belongs to it:")
    assert "job_id" in paste(f"{token}\n{delete}")


def test_the_screen_is_saved_as_a_picture(start: Start, place: Path) -> None:
    read_until_serving(start())

    assert (place / "demo-data-simulated" / "screen.png").read_bytes().startswith(b"\x89PNG")


def test_secrets_are_for_the_owner_alone(start: Start, place: Path) -> None:
    read_until_serving(start())

    folder = place / "demo-data-simulated"
    assert [oct((folder / name).stat().st_mode & 0o777) for name in ("credentials.json", "login.json")] == ["0o600"] * 2


def switch_off(said: str, place: Path) -> None:
    """Let the machine of a demo end, as a restart of the computer would."""
    (endpoint,) = (line.split()[1] for line in said.splitlines() if line.startswith("endpoint:"))
    me = json.loads((place / "demo-data-simulated" / "credentials.json").read_text())
    keys = BasicCredentials(me["access_key"], me["secret_key"], me["project_id"])
    client = sdk.WorkspaceAppClient.new_builder().with_credentials(keys).with_endpoint(endpoint).build()
    (server,) = client.list_servers(sdk.ListServersRequest()).items
    client.batch_stop_server(sdk.BatchStopServerRequest(sdk.ServerHaltReq(items=[server.id], type="HARD")))
    until(lambda: client.show_server(sdk.ShowServerRequest(server_id=server.id)).vm_status == "SHUTOFF")


def test_a_demo_that_was_interrupted_is_taken_up_and_removed_also_if_its_machine_has_ended(
    start: Start, place: Path
) -> None:
    first = start()
    switch_off(read_until_serving(first), place)
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0
    assert "To take it up again:" in said

    again = start(ONCE="1", DATA_DIR=str(place / "demo-data-simulated"))
    said, _ = again.communicate(timeout=120)

    assert again.returncode == 0, said
    assert "image server of an earlier demo is still here" in said
    assert "its machine does not run any more, so it has no screen to show" in said
    assert list(place.iterdir()) == []


def test_a_second_demo_runs_beside_the_first(start: Start, place: Path) -> None:
    first, second = start(), start()

    endpoints = {
        line.split()[1]
        for said in (read_until_serving(first), read_until_serving(second))
        for line in said.splitlines()
        if line.startswith("endpoint:")
    }

    assert len(endpoints) == 2
    assert {folder.name for folder in place.iterdir()} == {"demo-data-simulated", "demo-data-simulated-2"}


def test_a_taken_port_that_was_wished_for_ends_the_demo(start: Start, taken_port: int) -> None:
    demo = start(PORT=str(taken_port))

    said, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert f"port {taken_port} is taken" in said
