"""The policies that come with goldsmith allow what their names promise, for every declared operation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import goldsmith
from goldsmith.http.operations import Access, Operation, collect
from goldsmith.iam.policies import system
from goldsmith.iam.policies.evaluate import Grant, PolicySet, Request, compile


def declared() -> list[Operation]:
    found: dict[tuple[str, str], Operation] = {}
    for module in pkgutil.walk_packages(goldsmith.__path__, "goldsmith."):
        if not module.name.endswith("api"):
            continue
        for _, api in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            for operation in collect(api):
                if operation.action is not None:
                    found[operation.method, operation.path] = operation
    return list(found.values())


OPERATIONS = declared()
WORKSPACE = [operation for operation in OPERATIONS if (operation.action or "").startswith("workspace:")]


def granted(policy: system.SystemPolicy) -> PolicySet:
    return compile([Grant(system.parsed(policy.id), policy.id, policy.name)])


def allows(policy: system.SystemPolicy, action: str) -> bool:
    return granted(policy).decide(Request(action)).allowed


def test_operations_were_found() -> None:
    assert len(WORKSPACE) > 20


@pytest.mark.parametrize("policy", system.SYSTEM_POLICIES, ids=lambda policy: policy.name)
def test_every_system_policy_is_a_valid_document(policy: system.SystemPolicy) -> None:
    assert system.parsed(policy.id).version == "5.0"
    assert system.BY_NAME[policy.name] is policy
    assert len(policy.id) == 32
    assert policy.description.endswith(".")


def test_ids_never_change() -> None:
    assert [(policy.id[-4:], policy.name) for policy in system.SYSTEM_POLICIES] == [
        ("0001", "AdministratorAccess"),
        ("0002", "Workspace FullAccess"),
        ("0003", "Workspace ReadOnlyAccess"),
        ("0004", "Workspace ImageBuilderAccess"),
        ("0005", "Workspace WarehouseManagerAccess"),
        ("0006", "Workspace AuditorAccess"),
    ]


def test_the_administrator_may_do_everything() -> None:
    assert all(allows(system.ADMINISTRATOR, operation.action or "") for operation in OPERATIONS)


@pytest.mark.parametrize("operation", WORKSPACE, ids=lambda operation: operation.name)
def test_workspace_operations(operation: Operation) -> None:
    assert operation.action
    is_write = operation.access is Access.WRITE
    for action in (operation.action, *operation.dependencies):
        assert allows(system.FULL_ACCESS, action)
    assert allows(system.READ_ONLY, operation.action) is not is_write
    assert allows(system.AUDITOR, operation.action) is not is_write
    if operation.action.split(":")[1] in {"imageServer", "images"}:
        for action in (operation.action, *operation.dependencies):
            assert allows(system.IMAGE_BUILDER, action)
    if operation.action.split(":")[1] == "appWarehouse":
        for action in (operation.action, *operation.dependencies):
            assert allows(system.WAREHOUSE_MANAGER, action)
    elif is_write:
        assert not allows(system.WAREHOUSE_MANAGER, operation.action)


RECREATE = (
    "vpc:ports:get", "vpc:subnets:get", "ims:quotas:get", "ims:images:get", "ims:images:list", "ims:images:setTags",
    "ims:images:setOrDeleteTags", "ims:images:updateMemberStatus", "ims:images:copyInRegion", "ims:serverImages:create",
)  # fmt: skip


@pytest.mark.parametrize("action", ["workspace:imageServer:recreate", *RECREATE])
def test_builders_may_recreate_with_all_it_depends_on(action: str) -> None:
    assert allows(system.IMAGE_BUILDER, action)
    assert allows(system.FULL_ACCESS, action)


def test_only_the_administrator_changes_users() -> None:
    for action in ("iam:users:createUser", "iam:policies:attach", "iam:credentials:create"):
        assert [allows(policy, action) for policy in system.SYSTEM_POLICIES] == [True] + [False] * 5
