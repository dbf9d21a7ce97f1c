"""A PostgreSQL server of the tests' own: on a socket in a folder of its own, gone in the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg
import pytest

from goldsmith.store.schema_version import upgrade

PROGRAMS = Path("/usr/lib/postgresql")
USER = "goldsmith"


def unprivileged() -> dict[str, int]:
    """Who runs it: the server refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid}
    raise RuntimeError("there is no user to run PostgreSQL as")


def new_folder() -> Path:
    """A folder for a server."""
    # Not below pytest's folder, which only root can enter; and a socket's path must be short.
    folder, user = Path(tempfile.mkdtemp(prefix="goldsmith-pg-")), unprivileged()
    if user:
        os.chown(folder, user["user"], user["group"])
    return folder


class Postgres:
    """The server; `fresh` makes a database of this version's schema.

    It may be given a folder of `new_folder`, options of initdb, and settings.
    """

    def __init__(self, folder: Path | None = None, *initdb: str, **settings: str) -> None:
        versions = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not versions:
            pytest.fail(f"there is no {PROGRAMS}/*/bin/initdb; scripts/setup test installs PostgreSQL")
        self._programs = versions[-1].parent
        self._user = unprivileged()
        self.folder = folder or new_folder()
        self._settings = settings
        self._numbers = count(1)
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8", *initdb)
        self.start()
        self._create("template", "template1")
        upgrade(self.url("template"))

    def start(self, **settings: str) -> None:
        """Start it, and return when it can be used."""
        given = {"listen_addresses": "''", "unix_socket_directories": str(self.folder), "max_connections": "300"}
        chosen = given | self._settings | settings
        options = " ".join(f"-c {name}={value}" for name, value in chosen.items())
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def is_running(self) -> bool:
        """Whether the server has not given up; a disk that was full can end it."""
        try:
            self._run("pg_ctl", "-D", self.folder / "data", "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, name: str) -> str:
        """Where a database is."""
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def fresh(self) -> str:
        """The URL of a new database."""
        name = f"test{next(self._numbers)}"
        self._create(name, "template")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        name = url.split("/")[3].partition("?")[0]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def _create(self, name: str, template: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._programs / program, *arguments], check=True, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, extra_groups=[] if self._user else None,
            **self._user,
        )  # fmt: skip
