"""`goldsmith iam` against a running service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.service import PROGRAM, Service


@pytest.fixture
def iam(service: Service) -> Any:
    def run(*words: str, expect: int = 0, text: str = "") -> str:
        done = subprocess.run(
            [PROGRAM, "iam", *words, "--data-dir", service.data_dir],
            input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr
        return done.stdout if expect == 0 else done.stderr

    return run


def rows(text: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(text)}


def test_users_groups_and_keys(iam: Any, service: Service) -> None:
    made = json.loads(iam("user", "create", "cli-ann", "--password-file", "-", "--json", text="Str0ng enough\n"))
    assert made["name"] == "cli-ann"
    assert "cli-ann" in iam("user", "list")
    iam("user", "disable", "cli-ann")
    assert not rows(iam("user", "list", "--json"))["cli-ann"]["enabled"]
    iam("user", "enable", made["id"])
    iam("user", "password", "cli-ann", "--password-file", "-", text="An0ther word\n")
    iam("group", "create", "cli-builders")
    iam("group", "add", "cli-builders", "cli-ann")
    assert list(rows(iam("group", "list", "cli-builders", "--json"))) == ["cli-ann"]
    iam("group", "remove", "cli-builders", "cli-ann")
    assert rows(iam("group", "list", "cli-builders", "--json")) == {}
    assert "cli-builders" in iam("group", "list")
    key = json.loads(iam("key", "create", "cli-ann", "--json"))
    assert len(key["secret"]) == 40
    assert key["access"] in iam("key", "list", "cli-ann")
    iam("key", "delete", key["access"])
    assert json.loads(iam("key", "list", "cli-ann", "--json")) == []
    iam("group", "delete", "cli-builders")
    iam("user", "delete", "cli-ann")
    assert "there is no user cli-ann" in iam("user", "delete", "cli-ann", expect=1)


def test_policies_and_grants(iam: Any, service: Service, tmp_path: Path) -> None:
    for version in ("5.0", "1.1"):
        document = {"Version": version, "Statement": [{"Effect": "Allow", "Action": ["workspace:imageServer:list"]}]}
        (tmp_path / version).write_text(json.dumps(document))
        iam("policy", "create", f"cli-{version}", str(tmp_path / version))
        assert json.loads(iam("policy", "show", f"cli-{version}")) == document
    (tmp_path / "bad").write_text('{"Version": "5.0", "Statement": [{"Effect": "Perhaps"}]}')
    assert "Statement[0]" in iam("policy", "create", "cli-bad", str(tmp_path / "bad"), expect=1)
    iam("user", "create", "cli-bob")
    iam("group", "create", "cli-lookers")
    iam("policy", "attach", "cli-5.0", "--user", "cli-bob")
    assert rows(iam("policy", "list", "--json"))["cli-5.0"]["grants"] == 1
    iam("policy", "detach", "cli-5.0", "--user", "cli-bob")
    for scope in (("--project", "local-1"), ("--all-projects",), ("--account",), ("--enterprise-project", "0")):
        iam("grant", "cli-1.1", "--group", "cli-lookers", *scope)
        iam("grant", "cli-1.1", "--group", "cli-lookers", *scope, "--revoke")
    iam("grant", "cli-1.1", "--user", "cli-bob", "--enterprise-project", "0")
    assert "say where" in iam("grant", "cli-1.1", "--group", "cli-lookers", expect=1)
    assert "enterprise projects only" in iam("grant", "cli-1.1", "--user", "cli-bob", "--all-projects", expect=1)
    assert "granted 1 times" in iam("policy", "delete", "cli-1.1", expect=1)
    iam("user", "delete", "cli-bob")
    for version in ("5.0", "1.1"):
        iam("policy", "delete", f"cli-{version}")


def test_projects(iam: Any) -> None:
    iam("project", "create", "local-1_cli", "--description", "for the test")
    assert rows(iam("project", "list", "--json"))["local-1_cli"]["description"] == "for the test"


def test_without_a_service_it_says_so(tmp_path: Path, service: Service) -> None:
    known = service.credentials | {"endpoint": "http://127.0.0.1:9"}
    (tmp_path / "credentials.json").write_text(json.dumps(known))
    done = subprocess.run([PROGRAM, "iam", "user", "list", "-d", tmp_path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "is `goldsmith serve` running?" in done.stderr) == (1, True)
