"""A service that has everything a request could name: a directory, a GPU, storage pools, awkward images."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.database import leaks
from tests.service import PROGRAM, Service, leftovers

from goldsmith.catalog.service import FILE_NAME, default_text

STOCK = """
[[products]]
id = "test.gpu"
sessions = 10
is_gpu = true
flavors = [{ id = "test.gpu.1", vcpus = 8, memory = 16384 }]

[[products]]
id = "test.crowded"
sessions = 30
flavors = [{ id = "test.crowded.1", vcpus = 2, memory = 1024 }]

[[images]]
id = "big"
name = "needs a large disk"
kind = "public"
min_disk = 100

[[images]]
id = "hungry"
name = "needs much memory"
kind = "public"
min_ram = 4096

[[images]]
id = "foreign"
name = "another project's"
kind = "private"
owner = "5d7f0c1b9a3e4b62884c6f2e1d0a9b8c"

[[images]]
id = "windows"
name = "Windows Server"
kind = "public"
os_type = "Windows"

[[vpcs]]
id = "vpc-full"
name = "vpc-full"
cidr = "172.16.0.0/16"

[[vpcs.subnets]]
id = "subnet-full"
name = "subnet-full"
cidr = "172.16.0.0/29"
gateway_ip = "172.16.0.1"

[directory]
domain_name = "example.com"
organizational_units = ["Sales", "Development"]
"""


def stocked(data_dir: Path) -> None:
    """Make a data folder whose catalogue has all of it."""
    subprocess.run([PROGRAM, "init", "--data-dir", data_dir], check=True, capture_output=True)
    text = default_text().replace("storage_pools = []", 'storage_pools = ["pool-1"]').split("\n[quotas]")
    (data_dir / FILE_NAME).write_text(f"{text[0]}\n{STOCK}\n[quotas]{text[1]}")


@pytest.fixture(scope="session")
def stocked_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on that catalogue; whatever a test made there it has removed, or the next one fails."""
    folder = tmp_path_factory.mktemp("stocked")
    stocked(folder / "data")
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="50").start()
    yield service
    service.stop()
    assert leaks(service.data_dir) == {}
    assert leftovers(folder) == []
