"""The file in which a simulated world lies: `DATA_DIR/simulated/world.db`, a SQLite database.

It is a file of its own, apart from goldsmith's database, because it plays the part of somebody else's cloud:
what goldsmith forgets or rolls back must still stand here. Several processes use it at once.
`synchronous=NORMAL` loses nothing when a process is killed, which is the only death a simulated cloud has to
survive.
"""

from __future__ import annotations

import fcntl
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from goldsmith.clouds.port import Refused

VERSION = 2
PATIENCE = 30.0
"""Seconds to wait for another process to end its transaction."""

GONE = "CREATE TABLE gone (id TEXT PRIMARY KEY);"
SCHEMA = """
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    real_origin REAL NOT NULL, simulated_origin REAL NOT NULL, speed REAL NOT NULL
);
CREATE TABLE images (id TEXT PRIMARY KEY, virtual_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL);
CREATE TABLE ports (
    id TEXT PRIMARY KEY, key TEXT NOT NULL,
    subnet_id TEXT NOT NULL, ip_address TEXT NOT NULL, mac_address TEXT NOT NULL,
    UNIQUE (subnet_id, ip_address)
);
CREATE TABLE servers (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL, image TEXT NOT NULL,
    vcpus INTEGER NOT NULL, memory_mib INTEGER NOT NULL, disk_gib INTEGER NOT NULL, volume_type TEXT NOT NULL,
    host TEXT NOT NULL, zone TEXT NOT NULL, port_id TEXT NOT NULL UNIQUE, metadata TEXT NOT NULL,
    created_at REAL NOT NULL, usable_at REAL NOT NULL,
    started_at REAL, ready_at REAL, dies_at REAL, cause TEXT NOT NULL DEFAULT ''
);
CREATE TABLE host_use (host TEXT PRIMARY KEY, memory_mib INTEGER NOT NULL);
CREATE TRIGGER server_takes_room AFTER INSERT ON servers BEGIN
    INSERT INTO host_use VALUES (new.host, new.memory_mib)
        ON CONFLICT (host) DO UPDATE SET memory_mib = memory_mib + excluded.memory_mib;
END;
CREATE TRIGGER server_gives_room_back AFTER DELETE ON servers BEGIN
    UPDATE host_use SET memory_mib = memory_mib - old.memory_mib WHERE host = old.host;
END;
CREATE TABLE faults (
    id INTEGER PRIMARY KEY,
    call TEXT NOT NULL, at TEXT NOT NULL, error TEXT NOT NULL, times INTEGER NOT NULL,
    match TEXT NOT NULL, message TEXT NOT NULL, fired INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX armed_faults ON faults (call) WHERE fired < times;
CREATE TABLE behaviours (
    kind TEXT NOT NULL, match TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (kind, match)
);
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, process INTEGER NOT NULL, call TEXT NOT NULL,
    subject TEXT NOT NULL, key TEXT NOT NULL, outcome TEXT NOT NULL, fault TEXT NOT NULL
);
CREATE TABLE commands (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, server_id TEXT NOT NULL, argv TEXT NOT NULL,
    stdin_sha256 TEXT NOT NULL, exit_code INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of simulated time, `now`, and the `speed` at which it passes."""

    now: float
    speed: float


def world_file(data_dir: Path) -> Path:
    """Where the world of this data folder lies."""
    return data_dir / "simulated" / "world.db"


def found(file: Path, real_now: float) -> None:
    """Make the world if there is none; safe when several processes do it at once.

    Raises `Refused` when the folder cannot be written or the file is not a world of this version.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (file.parent / "founding.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            db = connect(file)
            try:
                _found(db, file, real_now)
            finally:
                db.close()
    except (OSError, sqlite3.Error) as error:
        raise Refused(f"The simulated cloud cannot use {file}: {error}") from error


def _found(db: sqlite3.Connection, file: Path, real_now: float) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version == 1:
        db.executescript(f"BEGIN IMMEDIATE; {GONE} PRAGMA user_version = {VERSION}; COMMIT")
        return
    if version != 0:
        raise Refused(f"{file} was made by another version of goldsmith; remove the folder to start anew.")
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {GONE} PRAGMA user_version = {VERSION};")
    db.execute("INSERT INTO clock VALUES (1, ?, 0.0, 1.0)", (real_now,))
    db.execute("COMMIT")


def connect(file: Path) -> sqlite3.Connection:
    """A connection to the world for the calling thread, in autocommit mode: transactions are written out."""
    db = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def moment(db: sqlite3.Connection, real_now: float) -> Moment:
    """What the simulated clock shows at the real time `real_now`."""
    real_origin, simulated_origin, speed = db.execute(
        "SELECT real_origin, simulated_origin, speed FROM clock"
    ).fetchone()
    return Moment(simulated_origin + (real_now - real_origin) * speed, speed)


def set_clock(db: sqlite3.Connection, real_now: float, *, speed: float | None = None, ahead: float = 0.0) -> Moment:
    """Move the simulated clock `ahead` by seconds of its own and change its speed; it never jumps back."""
    db.execute("BEGIN IMMEDIATE")
    was = moment(db, real_now)
    then = Moment(was.now + ahead, was.speed if speed is None else speed)
    if then != was:
        db.execute(
            "UPDATE clock SET real_origin = ?, simulated_origin = ?, speed = ?",
            (real_now, then.now, then.speed),
        )
    db.execute("COMMIT")
    return then
