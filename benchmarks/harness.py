"""What every benchmark needs: a goldsmith to talk to, signed requests, a look at a process, and tables."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from goldsmith.catalog import service as catalog
from goldsmith.iam.signature import sign
from goldsmith.image_servers.api import EXAMPLE
from load import pack

HERE = Path(__file__).parent
VPC, SUBNET = "6e1f0d0a-52f1-4c55-9c0e-5f8f5b7f0001", "6e1f0d0a-52f1-4c55-9c0e-5f8f5b7f0002"
NETWORK = f"""
[[vpcs]]
id = "{VPC}"
name = "benchmark"
cidr = "172.16.0.0/12"

[[vpcs.subnets]]
id = "{SUBNET}"
name = "benchmark"
cidr = "172.16.0.0/12"
gateway_ip = "172.16.0.1"
"""
ROOMY = {
    "GOLDSMITH_SIMULATED__HOST_VCPUS": "100000000",
    "GOLDSMITH_SIMULATED__SPEED": "10000",
    "GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0",
}
"""A cloud that never fills up and takes no time, and no limit to what one client may ask."""
NO_WORKERS = {"GOLDSMITH_WORKER__SLOTS": "0"}


@dataclass(slots=True)
class Server:
    """A server under test: its process, where it listens, its data folder."""

    process: subprocess.Popen[str]
    port: int
    data_dir: Path
    credentials: dict[str, str] = field(default_factory=dict)

    def signed(self, method: str, target: str, body: Any = None) -> bytes:
        """A complete HTTP request, signed with the access key as the official Python client does it."""
        payload = b"" if body is None else json.dumps(body).encode()
        path, _, query = target.partition("?")
        headers = [(b"content-type", b"application/json"), (b"host", f"127.0.0.1:{self.port}".encode())]
        headers = sign(
            self.credentials["access_key"], self.credentials["secret_key"], method=method, raw_path=path.encode(),
            query_string=query.encode(), headers=headers, body=payload, now=datetime.now(UTC),
        )  # fmt: skip
        return http_request(method, target, headers, payload)

    def call(self, method: str, target: str, body: Any = None, *, expected: int = 200) -> Any:
        """Send one signed request; what was answered, which must be a success."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(self.signed(method, target, body))
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            content = answer.read()
        if answer.status != expected:
            raise RuntimeError(f"{method} {target}: {answer.status} {content[:400]!r}")
        return json.loads(content)

    def project(self, rest: str) -> str:
        """A path in the default project."""
        return f"/v1/{self.credentials['project_id']}{rest}"

    def cpu_seconds(self) -> float:
        """CPU time the process has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def memory_mib(self) -> dict[str, float]:
        """Resident and proportional set size."""
        info = psutil.Process(self.process.pid).memory_full_info()
        return {"rss": info.rss / 2**20, "pss": info.pss / 2**20}


def http_request(method: str, target: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The bytes of an HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1".encode(), *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body])


def create_body(name: str, **changes: Any) -> dict[str, Any]:
    """The published example under another name, in a network that has room for a million."""
    return {**EXAMPLE, "name": name, "vpc_id": VPC, "subnet_id": SUBNET, **changes}


@contextlib.contextmanager
def running(command: Sequence[str | Path], log: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A process with its errors in `log`, stopped in the end; no setting of the caller's environment counts."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
    with log.open("a") as errors:
        process = subprocess.Popen(command, env=clean | settings, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_until_ready(process: subprocess.Popen[str], log: Path) -> None:
    """Return once a process has printed `ready`."""
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError(f"a process did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def data_folder(**settings: str) -> Iterator[Path]:
    """A new data folder with a network for a million servers; removed in the end."""
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-") as place:
        folder = Path(place) / "data"
        folder.mkdir()
        (folder / catalog.FILE_NAME).write_text(
            catalog.default_text().replace("# What each", NETWORK + "\n# What each")
        )
        yield folder


@contextlib.contextmanager
def goldsmith(
    folder: Path, command: Sequence[str | Path] = (), options: Sequence[str] = (), **settings: str
) -> Iterator[Server]:
    """A goldsmith that serves `folder`; `command` runs another server on its data folder instead."""
    program = Path(sys.executable).with_name("goldsmith")
    command = [*(command or (program, "serve")), "--data-dir", folder, "--listen", "127.0.0.1:0", *options]
    log = folder.parent / "server.log"
    with running(command, log, **(ROOMY | settings)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
        credentials = json.loads((folder / "credentials.json").read_text())
        yield Server(process, int(line.rsplit(":", 1)[1]), folder, credentials)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the load generator against one server."""

    count: int
    seconds: float
    latencies: Sequence[float]
    server_cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per request, in microseconds."""
        return self.server_cpu / self.count * 1e6

    def ms(self, share: float) -> float:
        """The latency that this share of the requests stays below, in milliseconds."""
        return percentile(self.latencies, share) * 1e3


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def send(server: Server, requests: list[bytes], *, connections: int, seconds: float = 3600.0) -> Measured:
    """Send the requests from another process, until all are answered or the time is over; all must succeed."""
    with tempfile.NamedTemporaryFile(prefix="goldsmith-bench-") as file:
        file.write(pack(requests))
        file.flush()
        before = server.cpu_seconds()
        command = [sys.executable, HERE / "load.py", "127.0.0.1", server.port, file.name, connections, seconds]
        said = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    found = json.loads(said)
    if set(found["statuses"]) != {"200"}:
        raise RuntimeError(f"not every request succeeded: {found['statuses']}, such as {found['example']}")
    used = server.cpu_seconds() - before
    return Measured(len(found["latencies"]), found["seconds"], found["latencies"], used, found["client_cpu"])


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure with a goal: `value` must be at least or at most `goal`."""

    name: str
    value: float
    goal: float
    at_least: bool
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def row(self) -> tuple[str, str, str, str]:
        """Its line of the last table: name, measured, goal, verdict."""
        sign = "≥" if self.at_least else "≤"
        return (
            self.name, f"{self.value:.2f}{self.unit}", f"{sign} {self.goal:g}{self.unit}",
            "met" if self.is_met else "NOT MET",
        )  # fmt: skip


@dataclass(slots=True)
class Result:
    """What a benchmark found: everything for the JSON file, and the ratios for the end."""

    name: str
    figures: dict[str, Any]
    ratios: list[Ratio]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; the first column to the left, numbers to the right."""
    texts = [[f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(texts):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells))
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


def summary(named: Mapping[str, Sequence[Measured]]) -> dict[str, dict[str, float]]:
    """Medians of several rounds, for tables and the JSON file."""
    return {
        name: {
            "rate": median([each.rate for each in rounds]),
            "slowest_round": min(each.rate for each in rounds),
            "fastest_round": max(each.rate for each in rounds),
            "p50_ms": median([each.ms(0.5) for each in rounds]),
            "p99_ms": median([each.ms(0.99) for each in rounds]),
            "server_cpu_us": median([each.cpu_us for each in rounds]),
            "requests": float(sum(each.count for each in rounds)),
        }
        for name, rounds in named.items()
    }


def wait_for_port(port: int, process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    """Return once somebody listens there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nobody listens on port {port}") from None
            time.sleep(0.05)
