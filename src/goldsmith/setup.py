"""`goldsmith init`: a data folder with keys, database, catalogue, first account and credentials.

The credentials file is written last: a folder that has it is complete, and one that lacks it is made complete by
running `init` again.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from goldsmith.catalog import service as catalog
from goldsmith.iam.keys import create_key_file
from goldsmith.iam.secrets import SecretBox
from goldsmith.iam.setup import Account, create_account
from goldsmith.settings import Settings
from goldsmith.store.schema_version import upgrade
from goldsmith.store.sqlite import SqliteStore
from goldsmith.tenancy.service import NewUser, Tenancy

DATABASE = "goldsmith.db"
CREDENTIALS = "credentials.json"
TOKEN_KEYS, SECRETS_KEY = "token.keys", "secrets.key"
WORKSPACE_ACCOUNT = "administrator"
"""The authorised account of the published example request."""


def initialise(settings: Settings) -> Path:
    """Make the data folder, or complete one that was begun; returns the path of the credentials file.

    A folder that is complete is left as it is.
    """
    folder = settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    credentials = folder / CREDENTIALS
    if credentials.exists():
        return credentials
    for name in (TOKEN_KEYS, SECRETS_KEY):
        if not (folder / name).exists():
            create_key_file(folder / name)
    if not (folder / catalog.FILE_NAME).exists():
        write_private(folder / catalog.FILE_NAME, catalog.default_text(), mode=0o600)
    database = folder / DATABASE
    for leftover in folder.glob(f"{DATABASE}*"):
        # No credentials were ever handed out for this database: nobody can have used it.
        leftover.unlink()
    upgrade(database)
    database.chmod(0o600)
    store = SqliteStore(database)
    try:
        box = SecretBox.load(folder / SECRETS_KEY)
        account = create_account(store, box, region=settings.region)
        password = secrets.token_urlsafe(15)
        declared = catalog.Catalog.load(folder / catalog.FILE_NAME)
        tenancy = Tenancy(box, declared.quotas, declared.directory)
        store.write_now(
            lambda tx: tenancy.create_user(tx, account.project_id, NewUser(WORKSPACE_ACCOUNT, password))
        )
    finally:
        store.close()
    write_private(credentials, json.dumps(_credentials(settings, account, password), indent=2) + "\n", mode=0o600)
    return credentials


def _credentials(settings: Settings, account: Account, password: str) -> dict[str, str]:
    return {
        "endpoint": f"http://{settings.listen}",
        "region": settings.region,
        "project_id": account.project_id,
        "domain_id": account.domain_id,
        "domain_name": account.domain_name,
        "user_name": account.user_name,
        "password": account.password,
        "access_key": account.access_key,
        "secret_key": account.secret_key,
        "workspace_account": WORKSPACE_ACCOUNT,
        "workspace_password": password,
    }


def write_private(path: Path, text: str, *, mode: int) -> None:
    """Write a file whole or not at all, with these permissions from the first byte on."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def note_endpoint(settings: Settings, endpoint: str) -> None:
    """Keep `endpoint` of the credentials file true when goldsmith serves elsewhere than it was told at first."""
    path = settings.data_dir / CREDENTIALS
    known = json.loads(path.read_text(encoding="utf-8"))
    if known.get("endpoint") != endpoint:
        write_private(path, json.dumps({**known, "endpoint": endpoint}, indent=2) + "\n", mode=0o600)
