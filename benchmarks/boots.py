"""From the create request to a machine that is ready, beside the same QEMU command started by hand.

By hand means: an overlay disk, the command line that goldsmith used for its machine, waiting until the guest's agent
answers, and the same script that gives the guest name, disk, identity and account. goldsmith does all that with its
preflight, database, job and checkpoints around it, and is timed by a client that polls the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from goldsmith.clouds.port import CommandResult
from goldsmith.clouds.qemu.agent import GuestAgent
from goldsmith.guests import linux
from goldsmith.guests.debian_image import default_cache, ensure_debian_image
from harness import Ratio, Result, Server, create_body, data_folder, goldsmith, median, table

ROUNDS = 3
POLL_SECONDS = 0.05
PING_SECONDS = 2.0
DISK_GIB = 60
GOAL = 1.15


def measure(seconds: float) -> Result:
    """Alternate, after one create that is not counted: the first of a data folder also probes the accelerator.

    goldsmith goes first in every round, because its machine has the command line. `seconds` is ignored.
    """
    image = ensure_debian_image(default_cache(), lambda line: print(f"  {line}", flush=True))
    ours, by_hand = [], []
    with data_folder() as folder, goldsmith(folder, options=["--cloud", "qemu"]) as server:
        took, _ = _by_goldsmith(server, ROUNDS)
        print(f"  warm-up: goldsmith {took:.1f} s", flush=True)
        for number in range(ROUNDS):
            took, command = _by_goldsmith(server, number)
            ours.append(took)
            by_hand.append(asyncio.run(_by_hand(command, image)))
            print(f"  round {number + 1}: goldsmith {took:.1f} s, by hand {by_hand[-1]:.1f} s", flush=True)
    rows = [[f"round {n + 1}", *pair, pair[0] / pair[1]] for n, pair in enumerate(zip(ours, by_hand, strict=True))]
    table("Create to ready on QEMU, seconds", ["", "goldsmith", "by hand", "ratio"], rows)
    ratio = median([a / b for a, b in zip(ours, by_hand, strict=True)])
    figures = {"goldsmith_seconds": ours, "by_hand_seconds": by_hand}
    return Result("boots", figures, [Ratio("create to ready beside QEMU by hand", ratio, GOAL, at_least=False)])


def _by_goldsmith(server: Server, number: int) -> tuple[float, list[str]]:
    """Seconds until the job has ended, and the machine's command line; the machine is deleted."""
    started = time.perf_counter()
    body = create_body(f"boot {number}", root_volume={"type": "SATA", "size": DISK_GIB})
    job = _wait(server, server.call("POST", server.project("/image-servers"), body)["job_id"])
    took = time.perf_counter() - started
    if job["status"] != "SUCCESS":
        raise RuntimeError(f"the create failed: {job}")
    command = _command_line(server.data_dir)
    items = [job["sub_jobs"][0]["job_resource_info"]["resource_id"]]
    target = server.project("/image-servers/actions/batch-delete")
    _wait(server, server.call("PATCH", target, {"items": items, "recursive": True})["job_id"])
    return took, command


def _wait(server: Server, job_id: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = server.call("GET", server.project(f"/image-server-jobs/{job_id}"))
        if job["status"] != "RUNNING":
            return job
        time.sleep(POLL_SECONDS)


def _command_line(data_dir: Path) -> list[str]:
    """That of the one process that works in a machine's folder."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        if str(process.info["cwd"] or "").startswith(f"{data_dir.resolve()}/machines/"):
            found: list[str] = process.info["cmdline"]
            return found
    raise RuntimeError("the machine has no process")


@dataclass(frozen=True, slots=True)
class _Guest:
    """As much of a cloud as the personalisation needs."""

    agent: GuestAgent

    async def run_in_guest(
        self, server_id: str, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0
    ) -> CommandResult:
        """Run a program through the agent."""
        return await self.agent.run(command, stdin, timeout)


async def _by_hand(command: list[str], image: Path) -> float:
    """Seconds until the guest is ready; the machine is killed."""
    server_id = str(uuid.uuid4())
    old = command[command.index("-uuid") + 1]
    command = [word.replace(old, server_id) for word in command]
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as place:
        folder = Path(place)
        started = time.perf_counter()
        _link(image, folder / "base.qcow2")
        overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "root.qcow2"]
        subprocess.run([*overlay, f"{DISK_GIB}G"], cwd=folder, check=True)  # noqa: ASYNC221 - nothing else runs here
        with contextlib.ExitStack() as stack:
            log = stack.enter_context((folder / "qemu.log").open("w"))
            machine = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(machine.wait)
            stack.callback(machine.kill)
            agent = GuestAgent(folder)
            while not await agent.ping(PING_SECONDS):
                if machine.poll() is not None:
                    raise RuntimeError(f"QEMU ended: {(folder / 'qemu.log').read_text()}")
                await asyncio.sleep(POLL_SECONDS)
            cloud: Any = _Guest(agent)
            await linux.personalise(cloud, server_id, hostname="by-hand", account="administrator", password="Secret-1")
            return time.perf_counter() - started


def _link(image: Path, target: Path) -> None:
    try:
        target.hardlink_to(image)
    except OSError:
        shutil.copy(image, target)
