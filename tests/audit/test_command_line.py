"""`goldsmith audit`: checks the trail without the service, lists and exports with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.audit.conftest import count
from tests.database import change
from tests.service import PROGRAM, Service, example


def run(service: Service, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "audit", *arguments, "--data-dir", service.data_dir],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def own(new_service: Callable[..., Service]) -> Service:
    service: Service = new_service(GOLDSMITH_SIMULATED__SPEED="20").start()
    for number in range(3):
        service.create(example(f"line {number}"))
    return service


def test_verify_says_that_the_trail_is_whole_whether_it_is_served_or_not(own: Service) -> None:
    served = run(own, "verify")
    assert (served.returncode, served.stderr) == (0, "")
    assert "whole: 4 records" in served.stdout
    own.stop()
    noted = run(own, "verify").stdout.split()[-1]
    assert run(own, "verify", "--expect", noted).returncode == 0
    assert run(own, "verify", "--expect", "4:" + "0" * 64).returncode == 1
    assert "NUMBER:HASH" in run(own, "verify", "--expect", "three").stderr


def test_verify_names_the_record_that_was_changed(own: Service) -> None:
    own.stop()
    change(own.data_dir, "UPDATE audit_records SET user_name = 'somebody else' WHERE sequence = 2")
    done = run(own, "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert "record 2: it is not as it was written" in done.stderr


def test_verify_changes_nothing_and_explains_a_folder_that_is_none(own: Service, tmp_path: Path) -> None:
    own.stop()
    before = {path: path.read_bytes() for path in own.data_dir.glob("goldsmith.db")}
    run(own, "verify")
    assert {path: path.read_bytes() for path in own.data_dir.glob("goldsmith.db")} == before
    done = run(Service(tmp_path / "none"), "verify")
    assert done.returncode == 1
    assert "not a data folder yet" in done.stderr


def test_list_shows_a_line_a_record(own: Service) -> None:
    own.call("POST", own.servers("?dry_run=true"), example("line 4"))
    done = run(own, "list", "--user", own.credentials["user_name"], "--limit", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "allowed (dry)  200  CreateImageServer" in lines[0]
    assert lines[-1] == "2 of 4 records", "those of the user, not what init did"
    as_json = json.loads(run(own, "list", "--json", "--outcome", "allowed").stdout)
    assert [item["resource_name"] for item in as_json["items"]] == ["line 4", "line 2", "line 1", "line 0", ""]
    assert "outcome" in run(own, "list", "--outcome", "perhaps").stderr


def test_export_writes_json_lines(own: Service, tmp_path: Path) -> None:
    done = run(own, "export")
    *creates, first = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["resource_name"] for each in creates] == ["line 2", "line 1", "line 0"]
    assert (first["operation"], first["path"]) == ("CreateAccount", "goldsmith init")
    assert (first["credential_kind"], first["user_id"]) == ("command_line", "")
    assert own.credentials["access_key"] in first["resource_ids"]
    file = tmp_path / "trail.jsonl"
    assert run(own, "export", "--output", file).returncode == 0
    assert file.read_text() == done.stdout
    own.stop()
    stopped = run(own, "export")
    assert stopped.returncode == 1
    assert "is `goldsmith serve` running?" in stopped.stderr


def test_the_whole_export_can_be_checked_by_anybody(own: Service) -> None:
    from hashlib import sha256

    own.stop()
    done = run(own, "export", "--whole")
    previous = "0" * 64
    lines = done.stdout.splitlines()
    assert len(lines) == count(own, "audit_records") == 4
    for line in lines:
        record = json.loads(line)
        written = record.pop("hash")
        assert record["previous_hash"] == previous
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        assert sha256(text.encode()).hexdigest() == written
        previous = written
    assert "takes no filters" in run(own, "export", "--whole", "--user", "x").stderr
