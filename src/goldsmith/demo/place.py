"""Where a demo runs: its folder, which it locks against a second demo, and its port.

A demo that cleans up (`ONCE=1`) takes a folder that does not exist yet, so it never removes what
it did not make. With `DATA_DIR` it may also take up the folder of an earlier demo, known by its marker file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from goldsmith.cli.ports import obstacle
from goldsmith.demo.problems import DemoFailed

USUAL_PORT = 8080
MARKER = "demo.json"
LISTENS_ON = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the environment asks for."""

    cloud: str = "qemu"
    once: bool = False
    port: int | None = None
    data_dir: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Wishes:
        """Read CLOUD, ONCE, PORT and DATA_DIR; empty means not given."""
        cloud = environment.get("CLOUD") or "qemu"
        if cloud not in ("qemu", "simulated"):
            raise DemoFailed(f"CLOUD is qemu or simulated, not {cloud!r}")
        port = environment.get("PORT")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise DemoFailed(f"PORT is a number from 1 to 65535, not {port!r}")
        folder = environment.get("DATA_DIR")
        return cls(
            cloud=cloud,
            once=environment.get("ONCE", "") not in ("", "0"),
            port=int(port) if port else None,
            data_dir=Path(folder).absolute() if folder else None,
        )


@dataclass(slots=True)
class Place:
    """A folder that is ours until `release`; `is_new` when this demo made it."""

    folder: Path
    descriptor: int
    is_new: bool

    @property
    def log(self) -> Path:
        """What `goldsmith serve` writes."""
        return self.folder / "goldsmith.log"

    @property
    def screen(self) -> Path:
        """The guest's screen."""
        return self.folder / "screen.png"

    @property
    def credentials(self) -> Path:
        """Written by `goldsmith init`."""
        return self.folder / "credentials.json"

    @property
    def login(self) -> Path:
        """The body of a request for a token, so that no password stands on a command line."""
        return self.folder / "login.json"

    @property
    def marker(self) -> Path:
        """Tells that a demo made this folder, and on which cloud."""
        return self.folder / MARKER

    def release(self) -> None:
        """Let another demo have the folder."""
        os.close(self.descriptor)


def take(wishes: Wishes, base: Path) -> Place:
    """The folder for this demo, locked."""
    if wishes.data_dir is not None:
        return _take_given(wishes.data_dir, wishes)
    for folder in _candidates(base, wishes.cloud):
        if wishes.once and folder.exists():
            continue
        place = _lock(folder)
        if place is not None and (place.is_new or not wishes.once):
            return place
        if place is not None:
            place.release()
    raise AssertionError("there is always one more candidate")


def _candidates(base: Path, cloud: str) -> Iterator[Path]:
    name = "demo-data" if cloud == "qemu" else f"demo-data-{cloud}"
    yield base / name
    number = 2
    while True:
        yield base / f"{name}-{number}"
        number += 1


def _take_given(folder: Path, wishes: Wishes) -> Place:
    place = _lock(folder)
    if place is None:
        raise DemoFailed(f"another demo runs in {folder}; choose another DATA_DIR, or leave it out")
    made_on = _cloud_of(place)
    if made_on is None and not place.is_new and wishes.once and any(folder.iterdir()):
        place.release()
        raise DemoFailed(f"ONCE=1 removes its folder when it is done, and {folder} is not a demo's; choose a new one")
    if made_on not in (None, wishes.cloud):
        place.release()
        raise DemoFailed(f"{folder} was made with CLOUD={made_on}; give the same again, or choose another DATA_DIR")
    return place


def _cloud_of(place: Place) -> str | None:
    with suppress(FileNotFoundError):
        return str(json.loads(place.marker.read_text(encoding="utf-8"))["cloud"])
    return None


def _lock(folder: Path) -> Place | None:
    is_new = _make(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(folder)):  # noqa: PTH116 - a pair of stats is compared
            return Place(folder, descriptor, is_new)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _make(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise DemoFailed(f"cannot make the folder {folder}: {error.strerror}") from error
    return True


def mark(place: Place, wishes: Wishes) -> None:
    """Leave the marker in a folder that is ours to remove."""
    if place.is_new or not any(place.folder.iterdir()):
        place.marker.write_text(json.dumps({"cloud": wishes.cloud}) + "\n", encoding="utf-8")


def choose_port(wished: int | None) -> int:
    """The wished port; else 8080; else 0, which lets goldsmith pick a free one."""
    if wished is not None:
        if not is_free(wished):
            raise DemoFailed(f"port {wished} is taken; choose another PORT, or leave it out")
        return wished
    return USUAL_PORT if is_free(USUAL_PORT) else 0


def is_free(port: int) -> bool:
    """Whether something can listen on this port now."""
    return not obstacle(LISTENS_ON, port)
