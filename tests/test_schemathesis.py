"""Schemathesis reads `/openapi.json` and tries to prove it wrong, operation by operation.

Its own command is used, as anybody would who tests a running service; the inputs are the same in every run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import PROJECT, Service, leftovers

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXCLUDED = [
    "positive_data_acceptance",  # whether a request that fits is accepted depends on what exists: ids, names, quotas
    "use_after_free",  # both follow resources through operations that make and remove them; here operations are
    "ensure_resource_availability",  # tried one by one, and deletions run as jobs that take their time
]
CONFIGURATION = f"""
[parameters]
"path.project_id" = "{PROJECT}"

# In a query everything is text: an object in place of a list, or null in place of a word, becomes a parameter that
# nobody knows, which is ignored as in the published services.
[[operations]]
include-path-regex = "/v3/.*/(ports|vpc/vpcs)$"
checks.negative_data_rejection.enabled = false
"""
IMAGE_SERVERS = "/image-server|/job/"


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("examined")
    rates = {"GOLDSMITH_LIMITS__REQUESTS_PER_SECOND": "0", "GOLDSMITH_LIMITS__LOGINS_PER_SECOND": "0"}
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="50", **rates).start()
    yield service
    service.stop()
    assert "Traceback" not in service.log()
    assert leftovers(folder) == []


def examine(service: Service, folder: Path, *options: str) -> str:
    """Run Schemathesis; what it found, or nothing."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    command: list[str | Path] = [
        SCHEMATHESIS, "--config-file", configuration,
        "run", f"{service.endpoint}/openapi.json",
        "--header", f"X-Auth-Token: {service.token()}",
        "--exclude-checks", ",".join(EXCLUDED),
        "--generation-deterministic", "--continue-on-failure", "--suppress-health-check", "all", "--no-color",
        *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert "API Operations:" in done.stdout, done.stdout + done.stderr
    return done.stdout if done.returncode else ""


def test_image_servers_and_their_jobs_keep_to_their_document(examined: Service, tmp_path: Path) -> None:
    options = ("--include-path-regex", IMAGE_SERVERS, "--phases", "examples,coverage,fuzzing", "--max-examples", "15")
    assert examine(examined, tmp_path, *options) == ""


def test_every_other_operation_keeps_to_its_document(examined: Service, tmp_path: Path) -> None:
    options = ("--exclude-path-regex", IMAGE_SERVERS, "--phases", "examples,fuzzing", "--max-examples", "3")
    assert examine(examined, tmp_path, *options) == ""
