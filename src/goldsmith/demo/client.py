"""The demo's side of the wire: the official SDK, and plain HTTP with a token for what the SDK lacks.

The SDK's answers are read as raw JSON: its models drop goldsmith's extension fields (`steps`, `progress`).
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goldsmith.demo.problems import DemoFailed

try:
    from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
    from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException  # type: ignore[import-untyped]
    from huaweicloudsdkworkspaceapp import v1 as workspace  # type: ignore[import-untyped]
except ImportError as error:
    raise DemoFailed(f"{error.name} is not installed; `scripts/setup demo` installs it") from error

ENDED = ("SUCCESS", "FAILED")
PAUSE = 0.25
STARTS_WITHIN = 120.0


class Client:
    """One project of one goldsmith."""

    def __init__(self, endpoint: str, credentials_file: Path) -> None:
        self.endpoint = endpoint
        self.credentials: dict[str, str] = json.loads(credentials_file.read_text(encoding="utf-8"))
        self.project_id = self.credentials["project_id"]
        keys = BasicCredentials(self.credentials["access_key"], self.credentials["secret_key"], self.project_id)
        builder = workspace.WorkspaceAppClient.new_builder()
        self._sdk = builder.with_credentials(keys).with_endpoint(endpoint).build()

    def create_image_server(self, body: str) -> str:
        """Send `body` as it is, byte for byte; the id of the job."""
        return str(self._ask("create_image_server", workspace.CreateImageServerRequest(body=body))["job_id"])

    def delete_image_server(self, server_id: str) -> str:
        """Delete it with all that was made for it; the id of the job."""
        body = workspace.BatchDeleteImageServerReq(items=[server_id], recursive=True)
        request = workspace.BatchDeleteImageServerRequest(body=body)
        return str(self._ask("batch_delete_image_server", request)["job_id"])

    def image_server(self, server_id: str) -> dict[str, Any]:
        """One image server."""
        return self._ask("show_image_server", workspace.ShowImageServerRequest(server_id=server_id))

    def image_servers(self, name: str | None = None) -> list[dict[str, Any]]:
        """The image servers whose name contains `name`, or all."""
        request = workspace.ListImageServersRequest(server_name=name, limit=100)
        return list(self._ask("list_image_servers", request)["items"])

    def job(self, job_id: str) -> dict[str, Any]:
        """One job with its extension fields."""
        return self._ask("show_image_job", workspace.ShowImageJobRequest(job_id=job_id))

    def running_job_of(self, server_id: str) -> str | None:
        """The job that makes `server_id` now, if one does."""
        request = workspace.ListImageJobsRequest(job_type="CREATE_SERVER", status="RUNNING", limit=100)
        for entry in self._ask("list_image_jobs", request)["items"]:
            if resource_of(self.job(entry["id"])) == server_id:
                return str(entry["id"])
        return None

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job again and again, until it has ended."""
        while True:
            job = self.job(job_id)
            yield job
            if job["status"] in ENDED:
                return
            time.sleep(PAUSE)

    def is_running(self, app_server_id: str) -> bool:
        """Whether the machine runs, as the cloud says now."""
        shown = self._ask("show_server", workspace.ShowServerRequest(server_id=app_server_id))
        return bool(shown["vm_status"] == "ACTIVE")

    def start_machine(self, app_server_id: str) -> None:
        """Start the machine, and wait until it runs."""
        body = workspace.BatchStartServerReq(items=[app_server_id])
        self._ask("batch_start_server", workspace.BatchStartServerRequest(body=body))
        deadline = time.monotonic() + STARTS_WITHIN
        while not self.is_running(app_server_id):
            if time.monotonic() > deadline:
                raise DemoFailed(f"the machine of app server {app_server_id} does not start")
            time.sleep(PAUSE)

    def ports(self) -> list[dict[str, Any]]:
        """The addresses in use in the project's networks."""
        return list(json.loads(self._get(f"/v3/{self.project_id}/ports"))["ports"])

    def address_of(self, instance_id: str) -> str | None:
        """The IP address of a machine."""
        for port in self.ports():
            if port["device_id"] == instance_id:
                return str(port["private_ips"][0]["ip_address"])
        return None

    def screenshot(self, server_id: str) -> bytes:
        """The guest's screen as PNG."""
        return self._get(f"/v1/{self.project_id}/image-servers/{server_id}/actions/screenshot")

    def login_request(self) -> dict[str, Any]:
        """The body that gets a token from `POST /v3/auth/tokens`."""
        user = {
            "name": self.credentials["user_name"],
            "password": self.credentials["password"],
            "domain": {"name": self.credentials["domain_name"]},
        }
        identity = {"methods": ["password"], "password": {"user": user}}
        return {"auth": {"identity": identity, "scope": {"project": {"id": self.project_id}}}}

    def _ask(self, operation: str, request: object) -> dict[str, Any]:
        try:
            answer = getattr(self._sdk, operation)(request).to_json_object()
        except ServiceResponseException as error:
            raise DemoFailed(f"{operation} was refused: {error.error_code} {error.error_msg}") from error
        return dict(answer)

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(self.endpoint + path, headers={"X-Auth-Token": self._token()})  # noqa: S310
        return _read(request)

    def _token(self) -> str:
        request = urllib.request.Request(  # noqa: S310 - always http
            f"{self.endpoint}/v3/auth/tokens",
            data=json.dumps(self.login_request()).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return str(answer.headers["X-Subject-Token"])


def _read(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - always http
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise DemoFailed(f"GET {request.selector} was refused: {error.code} {_message(error.read())}") from error
    except OSError as error:
        raise DemoFailed(f"GET {request.selector} failed: {error}") from error


def _message(body: bytes) -> str:
    """What a refusal says, or all of it when it is no refusal of ours."""
    try:
        return str(json.loads(body)["error_msg"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")


def resource_of(job: dict[str, Any]) -> str:
    """The id of what the job makes or deletes."""
    return str(job["sub_jobs"][0]["job_resource_info"]["resource_id"])


def cause_of(job: dict[str, Any]) -> str:
    """Why the job failed, as the service tells it."""
    info = job["sub_jobs"][0].get("job_execute_info") or {}
    return f"{info.get('error_code', '')} {info.get('error_message', '')}".strip() or "no cause given"
