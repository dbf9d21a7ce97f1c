"""Nothing secret is where others may look: the log, the settings, the process list, files others can read."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest
from tests.service import PROGRAM, Service, example

from .conftest import LOGIN_PATH


@pytest.fixture
def talkative(folder: Path, new_service: type[Service]) -> Service:
    """A service that logs everything it can, and takes any number of requests (the burst would be one)."""
    return new_service(
        folder.name,
        GOLDSMITH_LOG_LEVEL="debug",
        GOLDSMITH_SIMULATED__SPEED="50",
        GOLDSMITH_LIMITS__REQUESTS_PER_SECOND="0",
        GOLDSMITH_LIMITS__BURST="1",
    ).start()


def test_no_secret_is_logged_shown_or_left_readable(talkative: Service) -> None:
    known = talkative.credentials
    token = talkative.token()
    wrong = "wrong-password-4711"
    user = {"name": known["user_name"], "password": wrong, "domain": {"name": known["domain_name"]}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert httpx.post(talkative.endpoint + LOGIN_PATH, json=body).status_code == 401
    assert httpx.post(talkative.endpoint + LOGIN_PATH, json={"auth": body["auth"]["identity"]}).status_code == 400
    assert httpx.post(talkative.endpoint + LOGIN_PATH, content=json.dumps(body)[:-3].encode()).status_code in {400, 415}
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert httpx.get(talkative.endpoint + LOGIN_PATH, headers=headers).status_code == 200
    assert httpx.get(talkative.endpoint + LOGIN_PATH, headers=headers | {"X-Auth-Token": token[:-9]}).status_code == 401
    assert httpx.get(talkative.endpoint + "/v3/projects", headers=headers | {"Host": "<>"}).status_code == 400
    assert talkative.call("GET", "/v3/projects").status_code == 200
    refused = talkative.call("GET", "/v3/projects", secret="not-the-secret-4711")
    assert refused.status_code == 401
    assert talkative.sdk() is not None
    made = talkative.made("secret-free")
    assert made
    assert talkative.call("POST", talkative.servers(), example("x", product_id=7)).status_code == 400

    secrets = {known["secret_key"], known["password"], known["workspace_password"], token, token[:40], wrong,
               "not-the-secret-4711"}  # fmt: skip
    for name in ("token.keys", "secrets.key"):
        secrets |= set((talkative.data_dir / name).read_text().split())
    log = talkative.log()
    assert "KeystoneCreateToken POST /v3/auth/tokens 201" in log
    shown = subprocess.run(
        [PROGRAM, "config", "--data-dir", talkative.data_dir, "--json"], capture_output=True, text=True, check=True
    ).stdout
    assert talkative.process is not None
    process = psutil.Process(talkative.process.pid)
    visible = " ".join([*process.cmdline(), *(word for child in process.children(True) for word in child.cmdline())])
    for secret in secrets:
        if len(secret) >= 12:
            assert secret not in log
            assert secret not in shown
            assert secret not in visible
            assert secret not in refused.text

    assert stat.S_IMODE(talkative.data_dir.stat().st_mode) == 0o700
    for path in talkative.data_dir.rglob("*"):
        if path.is_file() and {"machines", "images", "simulated"}.isdisjoint(
            path.relative_to(talkative.data_dir).parts
        ):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == "ca.pem", path
