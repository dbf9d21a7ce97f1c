"""`Tenancy`: what other rooms ask about a project, its users, its directory and its quotas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from goldsmith.catalog.service import Directory
from goldsmith.store import Tx, prepare
from goldsmith.tenancy.models import tenants
from goldsmith.tenancy.quotas import QUOTA_TYPES, Quotas, Shortage
from goldsmith.tenancy.users import Box, NewUser, UserNameTaken, Users, WorkspaceUser

ACTIVE = "active"

_FIND = prepare(select(tenants).where(tenants.c.project_id == bindparam("project")))
_ADD = prepare(insert(tenants))
_SET_STATUS = prepare(
    update(tenants)
    .where(tenants.c.project_id == bindparam("project"))
    .values(service_status=bindparam("to_status"), updated_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project that uses the service; `service_status` is active or inactive."""

    project_id: str
    service_status: str
    created_at: int


class Tenancy:
    """Tenants of all projects; every function runs inside the caller's transaction.

    `quotas` are the limits of a project that has none of its own (`Catalog.quotas`), `directory` is the
    connected Active Directory (`Catalog.directory`), None without one.
    """

    def __init__(self, box: Box, quotas: Mapping[str, int], directory: Directory | None = None) -> None:
        self.users = Users(box)
        self.quotas = Quotas(quotas)
        self.directory = directory
        self._known: set[str] = set()

    @property
    def has_directory(self) -> bool:
        """Whether an Active Directory is connected, and so whether `is_vdi=false` is possible."""
        return self.directory is not None

    def ensure_project(self, tx: Tx, project_id: str) -> None:
        """Make the project a tenant with all quotas, unless it is one already."""
        if project_id in self._known:
            return
        if tx.row(_FIND, {"project": project_id}) is None:
            now = tx.now
            row = {"project_id": project_id, "service_status": ACTIVE, "created_at": now, "updated_at": now}
            tx.run(_ADD, row)
            self.quotas.open(tx, project_id)
        tx.after_commit(lambda: self._known.add(project_id))

    def tenant(self, tx: Tx, project_id: str) -> Tenant | None:
        """The tenant, None before the project's first use of the service."""
        row = tx.row(_FIND, {"project": project_id})
        return None if row is None else Tenant(row["project_id"], row["service_status"], row["created_at"])

    def set_status(self, tx: Tx, project_id: str, status: str) -> None:
        """Make the service of a project `active` or `inactive`."""
        self.ensure_project(tx, project_id)
        tx.run(_SET_STATUS, {"project": project_id, "to_status": status, "at": tx.now})

    def find_user(self, tx: Tx, project_id: str, account: str) -> WorkspaceUser | None:
        """The user of this name, whatever its case: Windows and Active Directory do not tell case apart."""
        return self.users.find_name(tx, project_id, account)

    def create_user(self, tx: Tx, project_id: str, new: NewUser) -> WorkspaceUser:
        """Make a user of the project. Raises `UserNameTaken`."""
        self.ensure_project(tx, project_id)
        return self.users.create(tx, project_id, new)

    def password_of(self, user: WorkspaceUser) -> str | None:
        """The user's password in clear, None when it has none."""
        return self.users.password_of(user)

    def quota_remainders(self, tx: Tx, project_id: str) -> dict[str, int]:
        """What is left of each quota, by type."""
        return self.quotas.remainders(tx, project_id)

    def claim_quota(self, tx: Tx, project_id: str, need: Mapping[str, int]) -> list[Shortage]:
        """Use up `need` (amounts by quota type), or nothing when any falls short; those that do."""
        self.ensure_project(tx, project_id)
        return self.quotas.claim(tx, project_id, need)

    def release_quota(self, tx: Tx, project_id: str, need: Mapping[str, int]) -> None:
        """Give back what `claim_quota` took."""
        self.quotas.release(tx, project_id, need)


__all__ = ["QUOTA_TYPES", "NewUser", "Shortage", "Tenancy", "Tenant", "UserNameTaken", "WorkspaceUser"]
