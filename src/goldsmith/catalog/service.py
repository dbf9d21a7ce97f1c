"""`Catalog`: everything declared in `catalog.toml`, in memory, and the hosts the cloud reported at start."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from goldsmith.catalog import checks
from goldsmith.catalog.file import CatalogFile
from goldsmith.catalog.offers import (
    Directory,
    Flavor,
    Product,
    SessionType,
    VolumeType,
    Zone,
    directory_of,
    product_of,
    volume_type_of,
    zone_of,
)
from goldsmith.clouds.port import Host

FILE_NAME = "catalog.toml"
ON_SALE = frozenset({"normal", "promotion", "obt"})
"""Sale states in which a product can be ordered (contract: operations, section 1)."""


class CatalogProblem(Exception):
    """The catalogue cannot be used; the text names the file and, a line each, every faulty entry."""


class Catalog:
    """What the file declares; nothing but `set_hosts` changes it. Built with `Catalog.load`."""

    def __init__(self, file: CatalogFile) -> None:
        self.file = file
        names = tuple(zone.name for zone in file.availability_zones)
        self._zones = {zone.name: zone_of(zone) for zone in file.availability_zones}
        self._volume_types: dict[str, VolumeType] = {
            entry.type: volume_type_of(entry, names) for entry in file.volume_types
        }
        self._session_types: dict[str, SessionType] = {
            entry.type: SessionType(entry.type, entry.resource_spec_code) for entry in file.session_types
        }
        self._products = {product.id: product_of(product) for product in file.products}
        self._hosts: dict[str, Host] = {}

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """The catalogue of this file. Raises `CatalogProblem` with every mistake, each named by its entry."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CatalogProblem(f"{path} is not TOML: {error}") from None
        except OSError as error:
            raise CatalogProblem(f"{path} cannot be read: {error.strerror}") from None
        try:
            file = CatalogFile.model_validate(data)
        except ValidationError as error:
            lines = [_explain(data, each["loc"], each["msg"]) for each in error.errors()]
            raise _problem(path, lines) from None
        found = list(checks.findings(file))
        if found:
            raise _problem(path, found)
        return cls(file)

    @property
    def quotas(self) -> dict[str, int]:
        """What a project may hold, by quota type, unless the project has a limit of its own."""
        return self.file.quotas.model_dump()

    @property
    def storage_pools(self) -> Sequence[str]:
        """Ids of the dedicated storage pools a system disk may name as its `cluster_id`."""
        return self.file.storage_pools

    @property
    def directory(self) -> Directory | None:
        """The connected directory, None when there is none."""
        return None if self.file.directory is None else directory_of(self.file.directory)

    def zones(self) -> Sequence[Zone]:
        """All availability zones, in the order of the file."""
        return tuple(self._zones.values())

    def zone(self, name: str) -> Zone | None:
        """The zone of this name."""
        return self._zones.get(name)

    @property
    def default_zone(self) -> Zone:
        """The zone marked as default."""
        return next(zone for zone in self._zones.values() if zone.is_default)

    def volume_types(self) -> Sequence[VolumeType]:
        """All volume types, in the order of the file."""
        return tuple(self._volume_types.values())

    def volume_type(self, name: str) -> VolumeType | None:
        """The volume type of this name (`SAS`, …)."""
        return self._volume_types.get(name)

    def session_types(self) -> Sequence[SessionType]:
        """All session types, in the order of the file."""
        return tuple(self._session_types.values())

    def session_type(self, kind: str) -> SessionType | None:
        """The session type of this kind (`CPU` or `GPU`)."""
        return self._session_types.get(kind)

    def products(self) -> Sequence[Product]:
        """All products, in the order of the file, also those that cannot be ordered."""
        return tuple(self._products.values())

    def product(self, product_id: str) -> Product | None:
        """The product with this id."""
        return self._products.get(product_id)

    def status_in(self, product: Product, zone: str) -> str:
        """The product's sale status in a zone; `abandon` where the zone does not offer it.

        Source: operations, section 6.4: `cond_operation_az` wins over `status`.
        """
        found = self._zones.get(zone)
        if found is None or (found.product_ids and product.product_id not in found.product_ids):
            return "abandon"
        return product.zone_statuses.get(zone, product.status)

    def is_on_sale(self, product: Product, zone: str) -> bool:
        """Whether the product can be ordered in this zone now, by its sale status."""
        return self.status_in(product, zone) in ON_SALE

    def set_hosts(self, hosts: Sequence[Host]) -> None:
        """Take over the cloud's hosts, at start. Raises `CatalogProblem` for a host in an undeclared zone."""
        lost = [f"host {host.id} stands in {host.zone}" for host in hosts if host.zone not in self._zones]
        if lost:
            raise CatalogProblem(f"{FILE_NAME} does not declare every zone of the cloud: {', '.join(lost)}")
        self._hosts = {host.id: host for host in hosts}

    def hosts(self) -> Sequence[Host]:
        """All hosts, in the cloud's order."""
        return tuple(self._hosts.values())

    def host(self, host_id: str) -> Host | None:
        """The host with this id."""
        return self._hosts.get(host_id)

    @property
    def zones_with_hosts(self) -> Sequence[str]:
        """Names of the zones in which a machine can be made at all, in the order of the file."""
        taken = {host.zone for host in self._hosts.values()}
        return tuple(name for name in self._zones if name in taken)


def default_text() -> str:
    """The catalogue that `goldsmith init` puts into a new data folder."""
    return (files("goldsmith.catalog") / "default.toml").read_text(encoding="utf-8")


def _problem(path: Path, lines: Sequence[str]) -> CatalogProblem:
    return CatalogProblem("\n".join([f"{path} cannot be used:", *(f"  {line}" for line in lines)]))


def _explain(data: object, location: tuple[int | str, ...], message: str) -> str:
    """`products[2].flavors[0].vcpus (local.small): …`: the place, and the entry's own name beside it."""
    place, name, node = "", "", data
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
        try:
            node = node[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            node = None
        if isinstance(part, int) and isinstance(node, dict):
            name = str(node.get("id") or node.get("name") or node.get("type") or name)
    shown = f"{place} ({name})" if name else place
    return f"{shown}: {message.removeprefix('Value error, ')}"


__all__ = [
    "FILE_NAME",
    "ON_SALE",
    "Catalog",
    "CatalogProblem",
    "Directory",
    "Flavor",
    "Product",
    "SessionType",
    "VolumeType",
    "Zone",
    "default_text",
]
