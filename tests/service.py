"""A running goldsmith for tests: start, kill, restart, and every way to talk to it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkworkspaceapp.v1 import WorkspaceAppClient

from goldsmith.iam.signature import sign

T = TypeVar("T")
PROGRAM = Path(sys.executable).with_name("goldsmith")
START_SECONDS = 120
"""A start takes a second, or ten on a machine that is busy with other things."""
PROJECT = "a4da8115c9d8464ead3a38309130523f"

EXAMPLE: dict[str, Any] = {
    "name": "Image task 0508",
    "description": "Test image creation.",
    "availability_zone": "",
    "image_ref": {
        "id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",
        "image_type": "gold",
        "spce_code": "90a6e84bb3e822fe54999b6be5bbae1e",
        "product_id": "OFFI874943784560095232",
    },
    "vpc_id": "59785ba5-e5d5-4836-b9de-19f22ac15175",
    "subnet_id": "a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
    "product_id": "workspace.x86.performance.xlarge4",
    "attach_apps": [],
    "authorize_accounts": [{"account": "administrator", "account_type": "USER", "domain": "wksapp**.huawei.com"}],
    "ou_name": None,
    "root_volume": {"type": "SATA", "size": 60},
    "is_vdi": True,
}


def example(name: str, **changes: Any) -> dict[str, Any]:
    """The published request under another name, with some top-level fields changed."""
    return {**json.loads(json.dumps(EXAMPLE)), "name": name, **changes}


def until(what: Callable[[], T | None], *, seconds: float = 60.0, every: float = 0.05) -> T:
    """Ask again and again until the answer is something; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(every)  # a poll with a deadline: what is waited for happens in another process
    raise AssertionError(f"not within {seconds} seconds")


class Service:
    """One data folder and the process that serves it. Settings are environment variables."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.process: subprocess.Popen[str] | None = None
        self.endpoint = ""

    def start(self, *options: str) -> Service:
        """Start and wait until it serves; a data folder that is new is made."""
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("a")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
        clean["PYTHONFAULTHANDLER"] = "1"
        with log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--data-dir", self.data_dir, "--listen", "127.0.0.1:0", *options],
                env=clean | self.settings,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._first_line()
        assert "goldsmith serves http" in line, self.log()
        self.endpoint = line.rsplit(" ", 1)[1].strip()
        return self

    def _first_line(self) -> str:
        """What it announces. One that announces nothing is aborted, which leaves in its log where every thread was."""
        assert self.process is not None
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], START_SECONDS)[0]:
            self._end(signal.SIGABRT)
            raise AssertionError(f"it did not serve within {START_SECONDS} seconds:\n{self.log()}")
        return self.process.stdout.readline()

    def log(self) -> str:
        """What the service has logged so far."""
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text()

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    @property
    def credentials(self) -> dict[str, str]:
        """What `goldsmith init` wrote."""
        found: dict[str, str] = json.loads((self.data_dir / "credentials.json").read_text())
        return found

    def sdk(self, client: Any = WorkspaceAppClient) -> Any:
        """An official client, with access key and secret key."""
        known = self.credentials
        credentials = BasicCredentials(known["access_key"], known["secret_key"], known["project_id"])
        config = HttpConfig.get_default_config()
        config.retry_times = 0
        return (
            client.new_builder()
            .with_http_config(config)
            .with_credentials(credentials)
            .with_endpoint(self.endpoint)
            .build()
        )

    def token(self, scope: Mapping[str, Any] | None = None) -> str:
        """A token of the administrator, by default for the default project."""
        known = self.credentials
        user = {"name": known["user_name"], "password": known["password"], "domain": {"name": known["domain_name"]}}
        auth: dict[str, Any] = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": scope or {"project": {"id": known["project_id"]}},
        }
        answer = httpx.post(f"{self.endpoint}/v3/auth/tokens", json={"auth": auth})
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        at: datetime | None = None,
        secret: str = "",
    ) -> httpx.Response:
        """A request signed with the access key. `content` is sent as it is, `body` as JSON."""
        known = self.credentials
        payload = content if content is not None else b"" if body is None else json.dumps(body).encode()
        url = httpx.URL(self.endpoint + path)
        sent = {"Content-Type": "application/json", "Host": url.netloc.decode(), **(headers or {})}
        signed = sign(
            known["access_key"],
            secret or known["secret_key"],
            method=method,
            raw_path=url.raw_path.split(b"?")[0],
            query_string=url.query,
            headers=[(name.lower().encode(), value.encode()) for name, value in sent.items()],
            body=payload,
            now=at or datetime.now(UTC),
        )
        return httpx.request(method, url, content=payload, headers=signed, timeout=60, verify=False, trust_env=False)

    def servers(self, path: str = "") -> str:
        """The path of image servers in the default project."""
        return f"/v1/{PROJECT}/image-servers{path}"

    def create(self, body: Mapping[str, Any]) -> str:
        """Create an image server; the job's id."""
        answer = self.call("POST", self.servers(), body)
        assert answer.status_code == 200, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """The image-server job."""
        answer = self.call("GET", f"/v1/{PROJECT}/image-server-jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, job_id: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """The job once it has ended."""

        def ended() -> dict[str, Any] | None:
            found = self.job(job_id)
            return found if found["status"] != "RUNNING" else None

        try:
            return until(ended, seconds=seconds)
        except AssertionError:
            raise AssertionError(f"not ended within {seconds} seconds: {self.job(job_id)}") from None

    def made(self, name: str, **changes: Any) -> str:
        """Create an image server and wait for it; its id."""
        job = self.wait(self.create(example(name, **changes)))
        assert job["status"] == "SUCCESS", job
        server_id: str = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
        return server_id

    def delete(self, *server_ids: str, recursive: bool = True) -> dict[str, Any]:
        """Delete image servers and wait for the job's end."""
        body = {"items": list(server_ids), "recursive": recursive}
        answer = self.call("PATCH", self.servers("/actions/batch-delete"), body)
        assert answer.status_code == 200, answer.text
        return self.wait(answer.json()["job_id"])


def leftovers(folder: Path) -> list[str]:
    """Processes that name a folder of the tests, or have their home in it."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words or str(process.info["cwd"] or "").startswith(str(folder)):
            found.append(f"{process.info['pid']}: {words}")
    return found
