"""The folders of the machines of one data folder: made, read, listed and removed without ever being half there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from goldsmith.clouds.port import DoesNotExist, PortSpec, Refused, ServerSpec
from goldsmith.clouds.qemu.machine import DEFINITION, LOG, STARTED, machine_id, partial
from goldsmith.clouds.qemu.refusals import in_human_words

_LOG_BYTES = 4096


class Shelf:
    """All machine folders under `root`. Functions block for the time of a few file operations."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, server_id: str) -> Path:
        """Where this machine lives; `Refused` when the id is not a UUID."""
        return self.root / machine_id(server_id)

    def existing(self, server_id: str) -> Path:
        """The same, `DoesNotExist` when there is no such machine."""
        folder = self.folder(server_id)
        if not folder.is_dir():
            raise DoesNotExist(f"there is no machine {server_id}")
        return folder

    def ids(self) -> Sequence[str]:
        """Every machine that is there as a whole, sorted."""
        return [name for name in self._names() if not name.startswith(".")]

    def leftovers(self) -> Sequence[str]:
        """The ids of machines that were being made or removed when a process died."""
        names = (name.removeprefix(".").removesuffix(".partial") for name in self._names() if name.startswith("."))
        return [name for name in names if _is_id(name)]

    def _names(self) -> Sequence[str]:
        with suppress(FileNotFoundError), os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return []

    def publish(self, key: str, spec: ServerSpec) -> None:
        """Complete the partial folder with the machine's definition and give it its name, durably."""
        unfinished, folder = partial(self.folder(spec.id)), self.folder(spec.id)
        definition = unfinished / DEFINITION
        with os.fdopen(os.open(definition, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"key": key, "spec": asdict(spec)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _flush_folder(unfinished)
        unfinished.rename(folder)
        _flush_folder(self.root)

    def read(self, server_id: str) -> ServerSpec:
        """The machine's definition; `DoesNotExist` without one, `Refused` when it is damaged."""
        file = self.existing(server_id) / DEFINITION
        try:
            spec = json.loads(file.read_text())["spec"]
            return ServerSpec(**{**spec, "port": PortSpec(**spec["port"])})
        except FileNotFoundError:
            raise DoesNotExist(f"machine {server_id} has no definition") from None
        except (ValueError, KeyError, TypeError) as problem:
            raise Refused(f"the definition of machine {server_id} is damaged ({file}): {problem}") from problem

    def remove(self, server_id: str) -> None:
        """Remove the folder, whole or partial. What a crash leaves of it is partial, and so removed the next time."""
        folder = self.folder(server_id)
        unfinished = partial(folder)
        if unfinished.exists():
            shutil.rmtree(unfinished)
        if folder.exists():
            folder.rename(unfinished)
            shutil.rmtree(unfinished)

    def mark_started(self, server_id: str, *, meant_to_run: bool) -> None:
        """Note whether the machine is meant to run."""
        marker = self.folder(server_id) / STARTED
        if meant_to_run:
            marker.touch(mode=0o600)
        else:
            marker.unlink(missing_ok=True)

    def is_meant_to_run(self, server_id: str) -> bool:
        """Whether it was started and not stopped since."""
        return (self.folder(server_id) / STARTED).exists()

    def last_words(self, server_id: str) -> str:
        """The end of what QEMU wrote the last time it ran, explained; "" when it wrote nothing."""
        with suppress(OSError):
            log = os.open(self.folder(server_id) / LOG, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(log, "rb") as file:
                file.seek(max(0, os.fstat(log).st_size - _LOG_BYTES))
                return in_human_words(file.read().decode(errors="replace"))
        return ""


def _is_id(name: str) -> bool:
    try:
        machine_id(name)
    except Refused:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
