"""Reserved addresses, one small file each.

`ports/<port id>.json` tells the reservation; `ports/taken/<subnet>_<address>` is a hard link to it. Making that link
is what claims the address: the filesystem lets only one of two succeed, in whatever process they are.
All functions block for the time of a few file operations.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from goldsmith.clouds.port import PortSpec, Refused
from goldsmith.clouds.qemu.machine import plain_name
from goldsmith.clouds.qemu.refusals import os_errors


class PortBook:
    """The reservations of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = folder / "taken"

    def open(self) -> None:
        """Create the folders."""
        self._taken.mkdir(mode=0o700, parents=True, exist_ok=True)

    def reserve(self, key: str, port: PortSpec) -> None:
        """Note the reservation; `Refused` when the address belongs to another port. Repeating it is harmless."""
        own, address = self._own(port.id), self._address(port)
        if not own.exists():
            text = json.dumps({"key": key, "port": asdict(port)}, indent=1)
            fresh = self._fresh(own)
            with os_errors(own):
                try:
                    fresh.write_text(text)
                    fresh.replace(own)
                except OSError:
                    fresh.unlink(missing_ok=True)
                    raise
        try:
            with os_errors(address):
                address.hardlink_to(own)
        except Refused as problem:
            if not isinstance(problem.__cause__, FileExistsError):
                raise
            if address.exists() and own.exists() and address.samefile(own):
                return
            own.unlink(missing_ok=True)
            holder = self._holder(address)
            raise Refused(f"address {port.ip_address} of subnet {port.subnet_id} is taken by port {holder}") from None

    def release(self, port_id: str) -> None:
        """Drop the reservation, whether it is complete, half made or not there."""
        own = self._own(port_id)
        with suppress(OSError, ValueError, KeyError, TypeError):
            address = self._address(PortSpec(**json.loads(own.read_text())["port"]))
            if address.samefile(own):
                address.unlink()
        own.unlink(missing_ok=True)
        self._fresh(own).unlink(missing_ok=True)

    def ids(self) -> Sequence[str]:
        """Every reserved port, sorted."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            return sorted(
                entry.name.removesuffix(".json")
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            )
        return []

    @staticmethod
    def _fresh(own: Path) -> Path:
        return own.with_name(f".{own.name}.new")

    def _own(self, port_id: str) -> Path:
        return self._folder / f"{plain_name('port id', port_id)}.json"

    def _address(self, port: PortSpec) -> Path:
        try:
            address = ipaddress.ip_address(port.ip_address)
        except ValueError as problem:
            raise Refused(f"port {port.id}: {problem}") from problem
        return self._taken / f"{plain_name('subnet id', port.subnet_id)}_{address}"

    def _holder(self, address: Path) -> str:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(address.read_text())["port"]["id"])
        return "(unknown)"
