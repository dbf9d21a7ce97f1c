"""What may be done with server groups: rules that need more than the group itself.

A server group belongs to an image server as long as that one's record exists, from the moment of the request on; till
then it can only be removed with it. Afterwards it can be removed once it has no servers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from goldsmith.app_groups.service import AppGroups
from goldsmith.app_servers.owners import Owners
from goldsmith.app_servers.service import AppServers
from goldsmith.app_servers.shared_schemas import NAME_RULE, TmsTag
from goldsmith.catalog.service import Catalog
from goldsmith.errors import Problem, Problems, refusal
from goldsmith.server_groups.schemas import RoutePolicy, ServerGroupDetail, UpdateServerGroup
from goldsmith.server_groups.service import ServerGroups
from goldsmith.store import Row, Tx

MAX_TAGS = 20
MAX_NAME = 64
FIXED = (
    "storage_mount_policy", "image_id", "image_product_id", "image_type", "system_disk_type", "system_disk_size",
    "ou_name", "app_type", "server_group_status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerGroupRules:
    """Carries out what requests ask, or raises the refusal; every function runs in the caller's transaction."""

    server_groups: ServerGroups
    app_servers: AppServers
    app_groups: AppGroups
    owners: Owners
    catalog: Catalog

    def broken_name_rule(self, tx: Tx, project_id: str, name: str) -> str:
        """`naming`, `duplicate`, or "" when the name can be used."""
        if len(name) > MAX_NAME or not NAME_RULE.fullmatch(name):
            return "naming"
        return "duplicate" if self.server_groups.holders_of(tx, project_id, name) else ""

    def update(self, tx: Tx, row: Row, present: ServerGroupDetail, change: UpdateServerGroup) -> None:
        """Change name, description or route policy; `present` is what the group looks like now."""
        problems = Problems()
        self._check_name(tx, row, change.name, problems)
        if change.route_policy is not None:
            self._check_policy(row, change.route_policy, problems)
        for field in FIXED:
            wanted, held = getattr(change, field), getattr(present, field)
            if wanted is not None and wanted != held:
                text = f"It describes servers to come, and the group makes none; it stays {held!r}."
                problems.add(field, wanted, "fixed", text)
        problems.raise_if_any()
        policy = None
        if change.route_policy is not None:
            policy = {name: value for name, value in change.route_policy.model_dump().items() if value}
        self.server_groups.update(tx, row, name=change.name, description=change.description, route_policy=policy)

    def _check_name(self, tx: Tx, row: Row, name: str | None, problems: Problems) -> None:
        if name is None or name == row["name"]:
            return
        holders = self.server_groups.holders_of(tx, row["project_id"], name)
        if holders:
            text = f"The name '{name}' is in use by server group {holders[0]}; choose another name."
            problems.add("name", name, "unique", text, conflict=True)

    def _check_policy(self, row: Row, policy: RoutePolicy, problems: Problems) -> None:
        if row["is_vdi"]:
            if any(policy.model_dump().values()):
                text = "A route policy belongs to servers with several sessions, and these have one."
                problems.add("route_policy", None, "multi_session", text)
            return
        product = self.catalog.product(row["product_id"])
        if product is None:
            return
        total = product.sessions + row["extra_session_size"]
        if policy.max_session and policy.max_session > total:
            text = f"At most {total}: the product's {product.sessions} sessions and the paid ones."
            problems.add("route_policy.max_session", policy.max_session, "maximum", text)
        if policy.gpu_threshold and not product.is_gpu:
            problems.add("route_policy.gpu_threshold", policy.gpu_threshold, "gpu", "These servers have no GPU.")

    def delete(self, tx: Tx, project_id: str, group_id: str) -> None:
        """Delete an empty group; app groups bound to it stay, bound to none. An unknown id is ignored."""
        tx.lock(f"groups {project_id}")
        if self.server_groups.find(tx, project_id, group_id) is None:
            return
        owner = self.owners.of_server_group(tx, project_id, group_id)
        if owner is not None:
            raise refusal([Problem("server_group_id", group_id, "not_owned", owner.advice, conflict=True)])
        count = self.app_servers.count(tx, group_id)
        if count:
            text = f"The group has {count} server{'s' if count > 1 else ''}; delete the servers first."
            raise refusal([Problem("server_group_id", group_id, "empty", text, conflict=True)])
        self.app_groups.unbind(tx, group_id)
        self.server_groups.remove(tx, group_id)

    def add_tags(self, tx: Tx, project_id: str, wanted: Sequence[tuple[str, Sequence[TmsTag]]]) -> None:
        """Add tags to groups; a key that a group has gets the new value. All of them, or none."""
        rows = self._tagged(tx, project_id, wanted)
        problems = Problems()
        for row, (_, tags) in zip(rows, wanted, strict=True):
            held = {tag["key"]: tag for tag in json.loads(row["tags"])}
            held |= {tag.key: tag.model_dump(exclude_none=True) for tag in tags}
            if len(held) > MAX_TAGS:
                text = f"Group {row['id']} would have {len(held)} tags; at most {MAX_TAGS}."
                problems.add("tags", len(held), "max_items", text)
            self.server_groups.set_tags(tx, row["id"], list(held.values()))
        problems.raise_if_any()

    def remove_tags(self, tx: Tx, project_id: str, wanted: Sequence[tuple[str, Sequence[TmsTag]]]) -> None:
        """Remove tags by their keys; keys that a group does not have are ignored."""
        for row, (_, tags) in zip(self._tagged(tx, project_id, wanted), wanted, strict=True):
            keys = {tag.key for tag in tags}
            kept = [tag for tag in json.loads(row["tags"]) if tag["key"] not in keys]
            self.server_groups.set_tags(tx, row["id"], kept)

    def _tagged(self, tx: Tx, project_id: str, wanted: Sequence[tuple[str, Sequence[TmsTag]]]) -> list[Row]:
        """The groups, once it is sure that each exists and is named once, with every key once."""
        tx.lock(f"groups {project_id}")
        problems, rows = Problems(), []
        ids = [group_id for group_id, _ in wanted]
        for number, (group_id, tags) in enumerate(wanted):
            row = self.server_groups.find(tx, project_id, group_id)
            if row is None:
                text = "There is no such server group; GET /v1/{project_id}/app-server-groups lists them."
                problems.add(f"items[{number}].server_group_id", group_id, "exists", text)
            else:
                rows.append(row)
            if group_id in ids[:number]:
                problems.add(f"items[{number}].server_group_id", group_id, "unique", "Each id may be named once.")
            keys = [tag.key for tag in tags]
            for key in dict.fromkeys(key for key in keys if keys.count(key) > 1):
                problems.add("tags", key, "unique", f"The key '{key}' is used more than once; each may be used once.")
        problems.raise_if_any()
        return rows
