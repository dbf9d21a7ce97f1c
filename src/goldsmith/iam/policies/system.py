"""The policies that come with goldsmith, named as in the public service. Their ids never change.

Each is a document of version 5.0 like any other, and passes the same parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from goldsmith.iam.policies.grammar import Policy, parse


@dataclass(frozen=True, slots=True)
class SystemPolicy:
    """A policy that is always there and cannot be changed."""

    id: str
    name: str
    description: str
    document: dict[str, Any]


def _allow(*actions: str) -> dict[str, Any]:
    return {
        "Version": "5.0",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}],
    }


def _reads(*services: str) -> tuple[str, ...]:
    """The actions of these services that change nothing."""
    return tuple(
        f"{service}:*:{verb}*" for service in services for verb in ("get", "list", "count", "check", "validate")
    )


_NEIGHBOURS = ("ims", "vpc", "ecs", "evs", "eps")
"""Services whose catalogues a client of the image server reads."""

_IMAGE_WRITES = (
    "ims:images:setTags", "ims:images:setOrDeleteTags", "ims:images:updateMemberStatus", "ims:images:copyInRegion",
    "ims:serverImages:create",
)  # fmt: skip

ADMINISTRATOR = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0001",
    "AdministratorAccess",
    "Everything in the account.",
    _allow("*"),
)
FULL_ACCESS = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0002",
    "Workspace FullAccess",
    "Everything in Workspace, with what it needs of images, networks and buckets.",
    _allow(
        "workspace:*:*", "ims:*:*", "obs:bucket:*", "obs:object:*",
        *_reads("vpc", "ecs", "evs", "eps"),
    ),
)  # fmt: skip
READ_ONLY = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0003",
    "Workspace ReadOnlyAccess",
    "See everything in Workspace and the catalogues beside it; change nothing.",
    _allow(*_reads("workspace", *_NEIGHBOURS)),
)
IMAGE_BUILDER = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0004",
    "Workspace ImageBuilderAccess",
    "Build images: create, change, publish and delete image servers and follow their tasks.",
    _allow(
        "workspace:imageServer:*", "workspace:images:*", "workspace:jobs:batchDeleteSubJobs",
        "obs:object:getObject",
        *_reads("workspace", *_NEIGHBOURS), *_IMAGE_WRITES,
    ),
)  # fmt: skip
WAREHOUSE_MANAGER = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0005",
    "Workspace WarehouseManagerAccess",
    "Keep the application warehouse: add, change and remove applications and their files.",
    _allow("workspace:appWarehouse:*", "obs:bucket:*", "obs:object:*", *_reads("workspace")),
)
AUDITOR = SystemPolicy(
    "3f0b4e7a91c84d1d8a6f2c5e7d9b0006",
    "Workspace AuditorAccess",
    "See everything, who may do what, and the audit trail; change nothing.",
    _allow(*_reads("workspace", *_NEIGHBOURS, "iam", "cts"), "obs:bucket:headBucket"),
)

SYSTEM_POLICIES = (ADMINISTRATOR, FULL_ACCESS, READ_ONLY, IMAGE_BUILDER, WAREHOUSE_MANAGER, AUDITOR)

BY_ID = {policy.id: policy for policy in SYSTEM_POLICIES}
BY_NAME = {policy.name: policy for policy in SYSTEM_POLICIES}


@cache
def parsed(id_: str) -> Policy:
    """The parsed document of a system policy; raises KeyError when there is none with this id."""
    return parse(BY_ID[id_].document)
