"""Records of changes that are made on the command line, past the service: by `init` and by `doctor --repair`.

They stand in the account's trail. Who made them is known by its name on this machine only.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from uuid import uuid4

from goldsmith import __version__
from goldsmith.audit.chain import append
from goldsmith.http.auditing import ALLOWED, FAILED, LONGEST_ID, Entry, clean
from goldsmith.iam.setup import first_account
from goldsmith.store import Tx

CREDENTIAL = "command_line"


def note(
    tx: Tx, command: str, operation: str, *, service: str, resource_type: str, resource_ids: Sequence[str],
    has_failed: bool = False,
) -> None:  # fmt: skip
    """Add a record of what a command such as `goldsmith init` did; it stands or falls with the transaction."""
    account = first_account(tx)
    entry = Entry(
        request_id=uuid4().hex, operation=operation, action="", service=service, method="", path=command,
        source_ip="", user_agent=f"goldsmith/{__version__}", outcome=FAILED if has_failed else ALLOWED, status=0,
        resource_type=resource_type, resource_ids=json.dumps([clean(each, LONGEST_ID) for each in resource_ids]),
        user_name=clean(_whoever(), LONGEST_ID), credential_kind=CREDENTIAL,
    )  # fmt: skip
    if account is not None:
        entry.domain_id, entry.domain_name = account["id"], account["name"]
    append(tx, entry)


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as containers have them
        return str(os.getuid())
