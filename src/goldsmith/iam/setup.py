"""The first account, made by `goldsmith init`."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import insert, select

from goldsmith.iam.models import access_keys, domains, projects, users
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.store import Row, Store, Tx

PROJECT_ID = "a4da8115c9d8464ead3a38309130523f"
"""The project of the published example request, which must work as it stands (architecture, section 7)."""
DOMAIN_NAME = "goldsmith"
USER_NAME = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """What `goldsmith init` writes into `credentials.json`; the only time the secrets are in clear."""

    domain_id: str
    domain_name: str
    project_id: str
    project_name: str
    user_id: str
    user_name: str
    password: str
    access_key: str
    secret_key: str


def new_access_key() -> str:
    """20 upper-case letters and digits."""
    return _random(20, string.ascii_uppercase + string.digits)


def new_secret_key() -> str:
    """40 letters and digits: 238 bits."""
    return _random(40, string.ascii_letters + string.digits)


def _random(length: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def draw_account(region: str, *, project_id: str = PROJECT_ID, domain_name: str = DOMAIN_NAME) -> Account:
    """Ids and secrets for a new account; nothing is stored. The default project is named like the region."""
    return Account(
        domain_id=uuid4().hex,
        domain_name=domain_name,
        project_id=project_id,
        project_name=region,
        user_id=uuid4().hex,
        user_name=USER_NAME,
        password=_random(24, string.ascii_letters + string.digits),
        access_key=new_access_key(),
        secret_key=new_secret_key(),
    )


def add_account(tx: Tx, account: Account, box: SecretBox, password_hash: str) -> None:
    """Store the account, its default project, its root user and the access key, in one transaction.

    Raises `Duplicate` when the domain name or one of the ids is taken.
    """
    made = {"enabled": 1, "created_at": tx.now}
    tx.run(insert(domains).values(id=account.domain_id, name=account.domain_name, description="", **made))
    tx.run(
        insert(projects).values(
            id=account.project_id, domain_id=account.domain_id, name=account.project_name,
            description="The default project.", **made,
        )
    )  # fmt: skip
    tx.run(
        insert(users).values(
            id=account.user_id, domain_id=account.domain_id, name=account.user_name,
            description="The root user of the account.", is_root=1, password_hash=password_hash, **made,
        )
    )  # fmt: skip
    tx.run(
        insert(access_keys).values(
            access_key=account.access_key, user_id=account.user_id, description="Made by goldsmith init.",
            sealed_secret=box.seal(account.secret_key), **made,
        )
    )  # fmt: skip


def has_account(tx: Tx) -> bool:
    """Whether the database has any account."""
    return tx.scalar(select(domains.c.id).limit(1)) is not None


def first_account(tx: Tx) -> Row | None:
    """`id` and `name` of the account that `goldsmith init` made: whose goldsmith it is."""
    return tx.row(select(domains.c.id, domains.c.name).order_by(domains.c.created_at, domains.c.id).limit(1))


def knows_key(tx: Tx, access_key: str) -> bool:
    """Whether the database has this access key."""
    return tx.scalar(select(access_keys.c.user_id).where(access_keys.c.access_key == access_key)) is not None


def create_account(
    store: Store,
    box: SecretBox,
    *,
    region: str,
    project_id: str = PROJECT_ID,
    domain_name: str = DOMAIN_NAME,
    passwords: Passwords | None = None,
) -> Account:
    """Draw an account and store it, durable when this returns; blocks. Raises `Duplicate`."""
    account = draw_account(region, project_id=project_id, domain_name=domain_name)
    password_hash = (passwords or Passwords()).hash(account.password)
    store.write_now(lambda tx: add_account(tx, account, box, password_hash))
    return account
