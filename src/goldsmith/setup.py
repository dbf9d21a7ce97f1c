"""`goldsmith init`: a data folder with keys, database, catalogue, first account and credentials.

The credentials file is written last: a folder that has it is complete, and one that lacks it is made complete by
running `init` again.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldsmith import certificates
from goldsmith.audit.command_line import note
from goldsmith.catalog import service as catalog
from goldsmith.certificates import CertificateProblem
from goldsmith.cli.problems import Unusable
from goldsmith.iam.keys import create_key_file
from goldsmith.iam.secrets import Passwords, SecretBox
from goldsmith.iam.setup import Account, add_account, draw_account, has_account, knows_key
from goldsmith.settings import DATABASE, Settings
from goldsmith.store import Store, Tx
from goldsmith.store.opening import open_store, shown
from goldsmith.store.schema_version import upgrade
from goldsmith.tenancy.service import NewUser, Tenancy

CREDENTIALS = "credentials.json"
TOKEN_KEYS, SECRETS_KEY = "token.keys", "secrets.key"
SETUP_LOCK = "setup.lock"
WORKSPACE_ACCOUNT = "administrator"
"""The authorised account of the published example request."""


def initialise(settings: Settings) -> Path:
    """Make the data folder, or complete one that was begun; returns the path of the credentials file.

    A folder that is complete is left as it is.
    """
    folder = settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _one_at_a_time(folder):
        return _complete(settings, folder)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for others who write in the same folder: each would take their work for the rest of a dead one's."""
    # A file of its own: the folder itself may be locked by whoever started us, as the demo does.
    descriptor = os.open(folder / SETUP_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _complete(settings: Settings, folder: Path) -> Path:
    credentials = folder / CREDENTIALS
    if credentials.exists():
        return credentials
    for name in (TOKEN_KEYS, SECRETS_KEY):
        if not (folder / name).exists():
            create_key_file(folder / name)
    if not (folder / catalog.FILE_NAME).exists():
        write_private(folder / catalog.FILE_NAME, catalog.default_text(), mode=0o600)
    for leftover in folder.glob(f"{DATABASE}*"):
        # No credentials were ever handed out for this database: nobody can have used it.
        leftover.unlink()
    place = settings.database_place
    upgrade(place)
    if isinstance(place, Path):
        place.chmod(0o600)
    store = open_store(place)
    try:
        pending = _open_account(settings, store)
    finally:
        store.close()
    pending.rename(credentials)
    return credentials


def _open_account(settings: Settings, store: Store) -> Path:
    """Store the first account, unless an interrupted `init` of this folder has; returns the file with its secrets."""
    folder = settings.data_dir
    pending = folder / f"{CREDENTIALS}.new"
    if store.read_now(has_account):
        access_key = json.loads(pending.read_text(encoding="utf-8"))["access_key"] if pending.exists() else ""
        if store.read_now(lambda tx: knows_key(tx, access_key)):
            return pending
        raise _belongs_elsewhere(settings)
    box = SecretBox.load(folder / SECRETS_KEY)
    declared = catalog.Catalog.load(folder / catalog.FILE_NAME)
    tenancy = Tenancy(box, declared.quotas, declared.directory)
    account, password = draw_account(settings.region), secrets.token_urlsafe(15)
    hashed = Passwords().hash(account.password)
    write_private(pending, json.dumps(_credentials(settings, account, password), indent=2) + "\n", mode=0o600)

    def work(tx: Tx) -> None:
        tx.lock("first account")
        if has_account(tx):  # since we looked, from a folder on another host perhaps
            raise _belongs_elsewhere(settings)
        add_account(tx, account, box, hashed)
        tenancy.create_user(tx, account.project_id, NewUser(WORKSPACE_ACCOUNT, password))
        made = [account.domain_id, account.project_id, account.user_id, account.access_key]
        note(tx, "goldsmith init", "CreateAccount", service="iam", resource_type="domain", resource_ids=made)

    store.write_now(work)
    return pending


def _belongs_elsewhere(settings: Settings) -> Unusable:
    return Unusable(
        f"the database {shown(settings.database_place)} belongs to another data folder; copy that folder's "
        f"{CREDENTIALS}, {TOKEN_KEYS}, {SECRETS_KEY} and {catalog.FILE_NAME} to {settings.data_dir}, or use an empty "
        "database"
    )


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
    """Keep `endpoint` of the credentials file true when goldsmith serves elsewhere than it was told at first.

    Beside it `ca_file`, the authority to trust, when the certificate is that of `goldsmith init --tls`.
    """
    with _one_at_a_time(settings.data_dir):
        _note_endpoint(settings, settings.data_dir / CREDENTIALS, endpoint)


def _note_endpoint(settings: Settings, path: Path, endpoint: str) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))
    told = {**known, "endpoint": endpoint}
    told.pop("ca_file", None)
    authority = settings.data_dir / certificates.FOLDER / certificates.CA_CERTIFICATE
    if endpoint.startswith("https:") and not settings.tls_cert and authority.exists():
        told["ca_file"] = str(authority.absolute())
    if told != known:
        write_private(path, json.dumps(told, indent=2) + "\n", mode=0o600)


def provide_tls(settings: Settings) -> None:
    """`goldsmith init --tls`: authority and certificate in an initialised data folder; raises `Unusable`."""
    _make_certificates(settings)
    note_endpoint(settings, f"https://{settings.listen}")


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What `serve` speaks TLS with, None when it speaks plain HTTP; raises `Unusable`.

    A certificate of our own authority is renewed when it is about to expire or does not name the host served.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        missing = "--tls-key" if settings.tls_cert else "--tls-cert"
        raise Unusable(f"TLS needs a certificate and its key; {missing} is missing")
    folder = settings.data_dir / certificates.FOLDER
    if settings.tls_cert:
        certificate, key = Path(settings.tls_cert), Path(settings.tls_key)
    elif (folder / certificates.SERVER_CERTIFICATE).exists() or (folder / certificates.CA_CERTIFICATE).exists():
        certificate, key = folder / certificates.SERVER_CERTIFICATE, folder / certificates.SERVER_KEY
        if (folder / certificates.CA_KEY).exists():
            _make_certificates(settings)
    else:
        return None
    try:
        return certificates.server_context(certificate, key)
    except CertificateProblem as error:
        raise Unusable(str(error)) from error


def require_safe_transport(settings: Settings, context: ssl.SSLContext | None) -> None:
    """Raise `Unusable` when other machines would be served without TLS and nobody said that this is meant."""
    host = settings.address[0]
    if context is not None or settings.allow_insecure_http or _is_loopback(host):
        return
    raise Unusable(
        f"{host} can be reached from other machines, and without TLS they would send passwords and tokens in the "
        "clear; run `goldsmith init --tls`, or give --tls-cert and --tls-key, or --insecure-http if that is meant"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make_certificates(settings: Settings) -> None:
    try:
        certificates.provide(settings.data_dir / certificates.FOLDER, settings.address[0])
    except CertificateProblem as error:
        raise Unusable(str(error)) from error
