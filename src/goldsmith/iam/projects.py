"""Listing and adding the projects of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import func, insert, select

from goldsmith import errors
from goldsmith.errors import Problem
from goldsmith.iam.directory import PROJECT, Project, project_of
from goldsmith.iam.models import domains, projects
from goldsmith.iam.service import Caller, Iam
from goldsmith.store import Duplicate, Tx


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the account's projects are asked for; None leaves a filter out. `per_page` 0 means all."""

    name: str | None = None
    enabled: bool | None = None
    page: int = 1
    per_page: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The caller's account."""

    id: str
    name: str
    description: str
    enabled: bool


class Projects:
    """The projects of an account, seen by one of its users."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def list(self, caller: Caller, wanted: Wanted) -> tuple[Sequence[Project], int]:
        """One page of the projects of the caller's account, oldest first, and how many there are in all."""
        mine = projects.c.domain_id == caller.domain_id
        if wanted.name is not None:
            mine &= projects.c.name == wanted.name
        if wanted.enabled is not None:
            mine &= projects.c.enabled == int(wanted.enabled)
        query = PROJECT.where(mine).order_by(projects.c.created_at, projects.c.id)
        if wanted.per_page:
            query = query.limit(wanted.per_page).offset((wanted.page - 1) * wanted.per_page)
        count = select(func.count()).select_from(projects).where(mine)

        def work(tx: Tx) -> tuple[Sequence[Project], int]:
            return [project_of(row) for row in tx.rows(query)], tx.scalar(count)

        return await self._iam.store.read(work)

    async def add(self, caller: Caller, name: str, description: str) -> Project:
        """A new project; a name in use is `errors.CONFLICT`."""
        project = Project(uuid4().hex, name, caller.domain_id, caller.domain_name, description, True)

        def work(tx: Tx) -> None:
            values = {
                "id": project.id, "domain_id": project.domain_id, "name": name, "description": description,
                "enabled": 1, "created_at": tx.now,
            }  # fmt: skip
            tx.run(insert(projects).values(values))

        try:
            await self._iam.change(work)
        except Duplicate:
            message = f"The account has a project named {name} already; choose another name."
            raise errors.refusal([Problem("project.name", name, "unique", message, conflict=True)]) from None
        return project

    async def account(self, caller: Caller) -> Account:
        """The caller's account."""
        query = select(domains).where(domains.c.id == caller.domain_id)
        row = await self._iam.store.read(lambda tx: tx.row(query))
        assert row is not None
        return Account(row["id"], row["name"], row["description"], bool(row["enabled"]))
