"""What the tests of the doors share: the program, and a PATH that lacks what a test wants to be missing."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def goldsmith(tmp_path: Path) -> Run:
    """Run `goldsmith` in an empty folder, without the settings of whoever runs the tests."""
    program = Path(sys.executable).with_name("goldsmith")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=clean | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH folder with no more than what the scripts themselves call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "sed", "cut", "cat", "sha256sum", "id", "mkdir", "flock", "make"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `make setup` reads, in a folder with a space in its name and without `.venv`."""
    copy = tmp_path / "a copy"
    copy.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, copy / name)
    return copy


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of 127.0.0.1 that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
