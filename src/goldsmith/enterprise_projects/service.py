"""The enterprise projects of an account. "0" is the default one: always there, always enabled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import bindparam, func, insert, select, update

from goldsmith import errors
from goldsmith.enterprise_projects.models import enterprise_projects
from goldsmith.errors import Problem
from goldsmith.store import Duplicate, Row, Store, Tx, prepare

DEFAULT_ID, DEFAULT_NAME = "0", "default"
MOST = 100
FIELD = "enterprise_project_id"

_MINE = enterprise_projects.c.domain_id == bindparam("domain")
_FIND = prepare(select(enterprise_projects).where(_MINE, enterprise_projects.c.id == bindparam("of")))
_COUNT = prepare(select(func.count()).select_from(enterprise_projects).where(_MINE))
_ALL = prepare(select(enterprise_projects).where(_MINE))
_ADD = prepare(insert(enterprise_projects))


class Status(IntEnum):
    """Whether resources may be put into an enterprise project."""

    ENABLED = 1
    DISABLED = 2


@dataclass(frozen=True, slots=True)
class EnterpriseProject:
    """An enterprise project. Times are milliseconds since 1970, 0 for the default one."""

    id: str
    name: str
    description: str
    type: str
    status: Status
    created_at: int
    updated_at: int

    @property
    def is_default(self) -> bool:
        """Whether it is the one that always exists."""
        return self.id == DEFAULT_ID


DEFAULT = EnterpriseProject(DEFAULT_ID, DEFAULT_NAME, "The default enterprise project.", "prod", Status.ENABLED, 0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which enterprise projects are asked for, and how sorted; None leaves a filter out. `name` is a part of it."""

    id: str | None = None
    name: str | None = None
    status: int | None = None
    type: str | None = None
    sort_key: str = "created_at"
    descending: bool = True


class EnterpriseProjects:
    """The enterprise projects of every account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_in(self, tx: Tx, domain_id: str, ep_id: str) -> EnterpriseProject | None:
        """The enterprise project with this id; the empty id means the default one."""
        if ep_id in {"", DEFAULT_ID}:
            return DEFAULT
        row = tx.row(_FIND, {"domain": domain_id, "of": ep_id})
        return None if row is None else _of(row)

    def problem_with(self, tx: Tx, domain_id: str, ep_id: str, field: str = FIELD) -> Problem | None:
        """What speaks against putting a resource into this enterprise project; None when nothing does."""
        found = self.find_in(tx, domain_id, ep_id)
        if found is None:
            return Problem(field, ep_id[:64], "exists", "There is no such enterprise project in your account.")
        if found.status is Status.DISABLED:
            message = f"The enterprise project {found.name} is disabled; enable it first."
            return Problem(field, ep_id, "enabled", message)
        return None

    def require_usable(self, tx: Tx, domain_id: str, ep_id: str, field: str = FIELD) -> EnterpriseProject:
        """The enterprise project; raises `errors.INVALID` when it does not exist or is disabled."""
        problem = self.problem_with(tx, domain_id, ep_id, field)
        if problem is not None:
            raise errors.refusal([problem])
        found = self.find_in(tx, domain_id, ep_id)
        assert found is not None
        return found

    async def find(self, domain_id: str, ep_id: str) -> EnterpriseProject:
        """One of them; raises `errors.NOT_FOUND`."""
        found = await self._store.read(lambda tx: self.find_in(tx, domain_id, ep_id))
        if found is None:
            raise _missing(ep_id)
        return found

    async def list(self, domain_id: str, wanted: Wanted) -> Sequence[EnterpriseProject]:
        """Those that match, the default one among them. There are at most a hundred."""
        rows = await self._store.read(lambda tx: tx.rows(_ALL, {"domain": domain_id}))
        found = [each for each in (DEFAULT, *map(_of, rows)) if _matches(each, wanted)]
        found.sort(key=lambda each: each.id)
        found.sort(key=lambda each: getattr(each, wanted.sort_key), reverse=wanted.descending)
        return found

    async def count(self, domain_id: str) -> int:
        """How many there are beside the default one."""
        number: int = await self._store.read(lambda tx: tx.scalar(_COUNT, {"domain": domain_id}))
        return number

    async def add(self, domain_id: str, name: str, description: str, type_: str) -> EnterpriseProject:
        """A new one, enabled. A name in use and more than a hundred are `errors.CONFLICT`."""
        ep_id = str(uuid4())

        def work(tx: Tx) -> EnterpriseProject:
            tx.lock(f"enterprise projects {domain_id}")
            if tx.scalar(_COUNT, {"domain": domain_id}) >= MOST:
                message = f"The account has {MOST} enterprise projects already."
                raise errors.refusal([Problem("name", name, "quota", message, conflict=True)])
            values = {
                "id": ep_id, "domain_id": domain_id, "name": name, "description": description, "type": type_,
                "status": int(Status.ENABLED), "created_at": tx.now, "updated_at": tx.now,
            }  # fmt: skip
            tx.run(_ADD, values)
            found = self.find_in(tx, domain_id, ep_id)
            assert found is not None
            return found

        try:
            return await self._store.write(work)
        except Duplicate:
            raise _name_taken(name) from None

    async def change(self, domain_id: str, ep_id: str, changes: Mapping[str, Any]) -> EnterpriseProject:
        """Set name, description, type or status; the enterprise project afterwards.

        Raises `errors.NOT_FOUND`, and `errors.CONFLICT` for the default one and for a name in use.
        """

        def work(tx: Tx) -> EnterpriseProject:
            tx.lock(f"enterprise projects {domain_id}")
            before = self.find_in(tx, domain_id, ep_id)
            if before is None:
                raise _missing(ep_id)
            if before.is_default:
                message = "The default enterprise project cannot be changed."
                raise errors.refusal([Problem(FIELD, ep_id, "default", message, conflict=True)])
            mine = (enterprise_projects.c.domain_id == domain_id) & (enterprise_projects.c.id == ep_id)
            tx.run(update(enterprise_projects).where(mine).values(**changes, updated_at=tx.now))
            after = self.find_in(tx, domain_id, ep_id)
            assert after is not None
            return after

        try:
            return await self._store.write(work)
        except Duplicate:
            raise _name_taken(str(changes.get("name"))) from None


def _of(row: Row) -> EnterpriseProject:
    return EnterpriseProject(
        row["id"], row["name"], row["description"], row["type"], Status(row["status"]), row["created_at"],
        row["updated_at"],
    )  # fmt: skip


def _matches(each: EnterpriseProject, wanted: Wanted) -> bool:
    return (
        wanted.id in {None, each.id}
        and (wanted.name is None or wanted.name.casefold() in each.name.casefold())
        and wanted.status in {None, each.status}
        and wanted.type in {None, each.type}
    )


def _missing(ep_id: str) -> errors.ServiceError:
    problem = Problem(FIELD, ep_id[:64], "exists", "There is no such enterprise project in your account.")
    return errors.NOT_FOUND.error(f"The enterprise project '{ep_id[:64]}' does not exist.", details=[problem])


def _name_taken(name: str) -> errors.ServiceError:
    message = f"The account has an enterprise project named {name} already; choose another name."
    return errors.refusal([Problem("name", name, "unique", message, conflict=True)])
