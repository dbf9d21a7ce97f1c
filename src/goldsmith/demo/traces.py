"""Proof that nothing is left: what the API lists, the processes, and the files of the machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from goldsmith.demo.client import Client
from goldsmith.demo.problems import DemoFailed


def require_none_in_api(client: Client) -> None:
    """No image server and no address in use."""
    _require_empty("image servers", [server["name"] for server in client.image_servers()])
    _require_empty("addresses in use", [str(port["id"]) for port in client.ports()])


def require_none_on_machine(folder: Path) -> None:
    """No file of a machine, and no process that works in `folder`."""
    _require_empty("files", sorted(str(path.relative_to(folder)) for path in _files_of_machines(folder)))
    _require_empty("processes", [f"{pid} ({name})" for pid, name in _processes_in(folder)])


def remove(folder: Path) -> None:
    """Remove the data folder itself."""
    shutil.rmtree(folder)


def _require_empty(what: str, found: list[str]) -> None:
    if found:
        raise DemoFailed(f"{what} left behind: {', '.join(found)}")


def _files_of_machines(folder: Path) -> Iterator[Path]:
    yield from (folder / "machines").glob("*")
    yield from (path for path in (folder / "ports").rglob("*") if path.is_file())


def _processes_in(folder: Path) -> Iterator[tuple[int, str]]:
    inside = str(folder.resolve())
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            where = str((process / "cwd").readlink()) if process.name.isdigit() else ""
            if where == inside or where.startswith(f"{inside}/"):
                yield int(process.name), (process / "comm").read_text().strip()
