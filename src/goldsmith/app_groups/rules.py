"""What may be done with app groups: rules that need more than the group itself.

An app group belongs to an image server as long as that one's record exists; till then it can only be removed with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goldsmith.app_groups.schemas import Account
from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.owners import Finder, Owners
from goldsmith.errors import Problem, Problems, refusal
from goldsmith.store import Row, Tx
from goldsmith.tenancy.service import Tenancy


@dataclass(frozen=True, slots=True)
class AppGroupRules:
    """Carries out what requests ask, or raises the refusal; every function runs in the caller's transaction."""

    app_groups: AppGroups
    server_groups: Finder
    owners: Owners
    tenancy: Tenancy

    def update(
        self, tx: Tx, project_id: str, group_id: str, *, name: str | None, description: str | None,
        server_group_id: str | None,
    ) -> Row:  # fmt: skip
        """Change what is given; the group as it is now."""
        tx.lock(f"groups {project_id}")
        row = self.app_groups.require(tx, project_id, group_id)
        bound = row["app_server_group_id"]
        if server_group_id is not None and server_group_id != bound:
            self._check_binding(tx, project_id, bound, server_group_id)
            bound = server_group_id
        self.app_groups.update(tx, row, name=name, description=description, server_group_id=bound)
        return self.app_groups.require(tx, project_id, group_id)

    def _check_binding(self, tx: Tx, project_id: str, bound: str, wanted: str) -> None:
        field = "app_server_group_id"
        if bound:
            text = f"The app group is bound to server group {bound}; only one that is bound to none can be bound."
            raise refusal([Problem(field, wanted, "unbound", text, conflict=True)])
        if self.server_groups.find(tx, project_id, wanted) is None:
            text = "There is no such server group; GET /v1/{project_id}/app-server-groups lists them."
            raise refusal([Problem(field, wanted, "exists", text)])

    def delete(self, tx: Tx, project_id: str, group_ids: Sequence[str], *, field: str) -> None:
        """Delete groups, or, when one of them belongs to an image server, none. Unknown ids are ignored."""
        tx.lock(f"groups {project_id}")
        problems = Problems()
        _require_unique(group_ids, field, problems)
        rows = [row for row in (self.app_groups.find(tx, project_id, each) for each in group_ids) if row is not None]
        for row in rows:
            owner = self.owners.of_app_group(tx, project_id, row["id"])
            if owner is not None:
                problems.add(field, row["id"], "not_owned", owner.advice, conflict=True)
        problems.raise_if_any()
        for row in rows:
            self.app_groups.remove(tx, row["id"])

    def problems_of_grant(
        self, tx: Tx, project_id: str, accounts: Sequence[Any] | None, group_ids: Sequence[str] | None
    ) -> list[Problem]:
        """What keeps the accounts from being authorised; fields of them may be None, whose shape was wrong."""
        problems = Problems()
        for number, account in enumerate(accounts or []):
            self._check_account(tx, project_id, f"accounts[{number}]", account, problems)
        _require_unique(group_ids or [], "app_group_ids", problems)
        for number, group_id in enumerate(group_ids or []):
            if self.app_groups.find(tx, project_id, group_id) is None:
                text = "There is no such app group; GET /v1/{project_id}/app-groups lists them."
                problems.add(f"app_group_ids[{number}]", group_id, "exists", text)
        return problems.found

    def _check_account(self, tx: Tx, project_id: str, at: str, account: Any, problems: Problems) -> None:
        if account.account_type == "USER_GROUP":
            text = "There are no user groups; authorise users."
            problems.add(f"{at}.account_type", account.account_type, "user_only", text)
            return
        if account.account is None:
            return
        user = self.tenancy.find_user(tx, project_id, account.account)
        if user is None:
            text = "There is no such account; POST /v2/{project_id}/users creates one."
            problems.add(f"{at}.account", account.account, "exists", text)
        elif account.id and account.id != user.id:
            problems.add(f"{at}.id", account.id, "same_user", f"The user {user.user_name} has the id {user.id}.")

    def grant(self, tx: Tx, project_id: str, accounts: Sequence[Account], group_ids: Sequence[str]) -> None:
        """Authorise every account on every group; what is authorised already stays so."""
        tx.lock(f"groups {project_id}")
        found = self.problems_of_grant(tx, project_id, accounts, group_ids)
        if found:
            raise refusal(found)
        for account in accounts:
            user = self.tenancy.find_user(tx, project_id, account.account)
            assert user is not None
            for group_id in group_ids:
                self.app_groups.authorize(
                    tx, group_id, account=user.user_name, account_type=account.account_type,
                    domain=account.domain or "",
                )  # fmt: skip

    def revoke(self, tx: Tx, project_id: str, accounts: Sequence[Account], group_ids: Sequence[str]) -> None:
        """Take the authorisations back; those that do not exist are ignored."""
        for group_id in group_ids:
            if self.app_groups.find(tx, project_id, group_id) is None:
                continue
            for account in accounts:
                user = self.tenancy.find_user(tx, project_id, account.account)
                for name in {account.account, user.user_name if user is not None else account.account}:
                    self.app_groups.revoke(tx, group_id, account=name, account_type=account.account_type)


def _require_unique(ids: Sequence[str], field: str, problems: Problems) -> None:
    for number, each in enumerate(ids):
        if each in ids[:number]:
            problems.add(f"{field}[{number}]", each, "unique", "Each id may be named once.")
