"""What a start of the service costs: what is not needed is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATER = ("alembic", "fastapi", "httpx", "psycopg", "qemu", "rich", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm")


@pytest.mark.parametrize("module", ["goldsmith.app", "goldsmith.cli.main"])
def test_a_start_imports_nothing_that_few_requests_need(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({LATER}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout == "\n"
