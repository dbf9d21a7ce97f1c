"""Quotas: how much of each kind a project holds, and may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, case, insert, select, update

from goldsmith.store import Tx, prepare
from goldsmith.tenancy.models import quotas

QUOTA_TYPES = ("INSTANCES", "VOLUMES", "VOLUME_GIGABYTES", "CORES", "MEMORY", "GPU_INSTANCES")

_OF_PROJECT = select(quotas).where(quotas.c.project_id == bindparam("project"))
_LOOK = prepare(_OF_PROJECT)
_LOCK = prepare(_OF_PROJECT.order_by(quotas.c.type).with_for_update())
_ADD_ROW = prepare(insert(quotas))
_CHANGE = case({name: bindparam(name) for name in QUOTA_TYPES}, value=quotas.c.type, else_=0)
_AFTER = quotas.c.used + _CHANGE
_USE = prepare(
    update(quotas).where(quotas.c.project_id == bindparam("project")).values(used=case((_AFTER < 0, 0), else_=_AFTER))
)
_SET_LIMIT = prepare(
    update(quotas)
    .where(quotas.c.project_id == bindparam("project"), quotas.c.type == bindparam("of_type"))
    .values(limit_=bindparam("to_limit"))
)


@dataclass(frozen=True, slots=True)
class Shortage:
    """A quota that does not cover a need."""

    type: str
    remainder: int
    need: int


class Quotas:
    """The quotas of every project; `defaults` hold where a project has no limit of its own."""

    def __init__(self, defaults: Mapping[str, int]) -> None:
        self._defaults = dict(defaults)

    def open(self, tx: Tx, project_id: str) -> None:
        """Start counting for a new project."""
        for name in QUOTA_TYPES:
            tx.run(_ADD_ROW, {"project_id": project_id, "type": name, "limit_": None, "used": 0})

    def remainders(self, tx: Tx, project_id: str, *, lock: bool = False) -> dict[str, int]:
        """What is left of each quota, by type; `lock` keeps others from using it up before the commit."""
        left = dict(self._defaults)
        for row in tx.rows(_LOCK if lock else _LOOK, {"project": project_id}):
            limit = self._defaults[row["type"]] if row["limit_"] is None else row["limit_"]
            left[row["type"]] = max(0, limit - row["used"])
        return left

    def claim(self, tx: Tx, project_id: str, need: Mapping[str, int]) -> list[Shortage]:
        """Use up `need`, or, when some quota does not cover it, nothing; the quotas that fall short."""
        left = self.remainders(tx, project_id, lock=True)
        short = [Shortage(name, left[name], amount) for name, amount in need.items() if amount > left[name]]
        if not short:
            self._use(tx, project_id, need, 1)
        return short

    def release(self, tx: Tx, project_id: str, need: Mapping[str, int]) -> None:
        """Give back what `claim` took."""
        tx.rows(_LOCK, {"project": project_id})
        self._use(tx, project_id, need, -1)

    def set_limit(self, tx: Tx, project_id: str, quota_type: str, limit: int | None) -> None:
        """Give the project a limit of its own; None returns it to the default."""
        tx.run(_SET_LIMIT, {"project": project_id, "of_type": quota_type, "to_limit": limit})

    def _use(self, tx: Tx, project_id: str, need: Mapping[str, int], sign: int) -> None:
        changes = {name: sign * need.get(name, 0) for name in QUOTA_TYPES}
        tx.run(_USE, {"project": project_id, **changes})
