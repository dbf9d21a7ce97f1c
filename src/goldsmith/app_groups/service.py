"""Adding and removing app groups and their authorisations."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert

from goldsmith.app_groups.models import app_group_authorizations, app_groups
from goldsmith.store import Tx, prepare

_INSERT = prepare(insert(app_groups))
_AUTHORIZE = prepare(insert(app_group_authorizations))
_DELETE = prepare(delete(app_groups).where(app_groups.c.id == bindparam("id")))


class AppGroups:
    """The app groups of all projects; every function runs inside the caller's transaction."""

    def add(self, tx: Tx, *, group_id: str, project_id: str, name: str, server_group_id: str, app_type: str) -> None:
        """Add a group for the apps of a server group."""
        tx.run(
            _INSERT,
            {
                "id": group_id, "project_id": project_id, "name": name, "description": "",
                "app_server_group_id": server_group_id, "app_type": app_type, "authorization_type": "APP_GROUP",
                "create_time": tx.now,
            },
        )  # fmt: skip

    def authorize(self, tx: Tx, group_id: str, *, account: str, account_type: str, domain: str) -> None:
        """Let an account use the group's apps."""
        tx.run(
            _AUTHORIZE,
            {"app_group_id": group_id, "account": account, "account_type": account_type, "domain": domain,
             "create_time": tx.now},
        )  # fmt: skip

    def remove(self, tx: Tx, group_id: str) -> None:
        """Remove a group with its authorisations; no-op when there is none."""
        tx.run(_DELETE, {"id": group_id})
