"""The code holds what `make check` asks for, the benchmarks included: nothing else would notice one that broke."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "check", [("mypy", "--cache-dir"), ("ruff", "check", "--cache-dir")], ids=lambda check: check[0]
)
def test_the_code_passes_its_checks(check: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
