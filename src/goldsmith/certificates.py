"""TLS: a certificate authority of our own for `goldsmith init --tls`, and the context that `serve` uses.

The authority lives in the data folder and vouches for this one server; clients are given `ca.pem`. Whoever reads
`ca.key` can pose as any host towards those that trust it, so it is readable by the owner only, and so is the
server's key.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = "tls"
CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key"
SERVER_CERTIFICATE, SERVER_KEY = "server.pem", "server.key"
CA_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
CLOCKS_DIFFER = timedelta(hours=1)

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey


class CertificateProblem(Exception):
    """A certificate or key that cannot be used; the text says which and why."""


def provide(folder: Path, host: str, now: datetime | None = None) -> None:
    """Make authority and server certificate in `folder`, or complete and renew them.

    What is good stays: the authority always (clients trust it), the server certificate while it names `host` and
    is not about to expire. Raises `CertificateProblem` when what is there cannot be read.
    """
    now = now or datetime.now(UTC)
    folder.mkdir(mode=0o700, exist_ok=True)
    names = _names(host)
    if not (folder / CA_CERTIFICATE).exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder / CA_KEY, _private(key), 0o600)
        _write(folder / CA_CERTIFICATE, _public(_authority(key, now)), 0o644)
    authority, key = _read(folder / CA_CERTIFICATE, folder / CA_KEY)
    server = folder / SERVER_CERTIFICATE
    if server.exists() and (folder / SERVER_KEY).exists() and _is_good(_certificate(server), authority, names, now):
        return
    server_key = ec.generate_private_key(ec.SECP256R1())
    server.unlink(missing_ok=True)  # never one beside the key of another
    _write(folder / SERVER_KEY, _private(server_key), 0o600)
    _write(server, _public(_server(server_key, names, authority, key, now)), 0o644)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate; raises `CertificateProblem` saying which file is wrong and why."""
    for path, what in ((certificate, "certificate"), (key, "key")):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise CertificateProblem(f"cannot read the TLS {what} {path}: {error.strerror}") from error
        if b"-----BEGIN " not in text:
            raise CertificateProblem(f"the TLS {what} {path} is not in PEM form")
        if what == "key" and b"ENCRYPTED" in text:
            raise CertificateProblem(f"the TLS key {path} has a passphrase; give one without")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateProblem(f"the TLS key {key} is not that of the certificate {certificate}") from error
        reason = error.reason or "no certificate or key in PEM form is in it"
        raise CertificateProblem(f"the TLS files {certificate} and {key} cannot be used: {reason}") from error
    return context


def _names(host: str) -> list[x509.GeneralName]:
    found: dict[str, x509.GeneralName] = {}
    for name in ("localhost", "127.0.0.1", "::1", socket.gethostname(), host):
        try:
            found[name] = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            found[name] = x509.DNSName(name)
    return list(dict.fromkeys(found.values()))


def _authority(key: PrivateKey, now: datetime) -> x509.Certificate:
    name = _name(f"goldsmith on {socket.gethostname()}"[:64])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _begun(name, name, key, now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: PrivateKey, names: Iterable[x509.GeneralName], authority: x509.Certificate, ca_key: PrivateKey, now: datetime
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _begun(_name("goldsmith"), authority.subject, key, now, SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _is_good(
    server: x509.Certificate, authority: x509.Certificate, names: Iterable[x509.GeneralName], now: datetime
) -> bool:
    try:
        held = set(server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return False
    is_ours = server.issuer == authority.subject
    return is_ours and held.issuperset(names) and now + RENEW_BEFORE < server.not_valid_after_utc


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateProblem(f"cannot read the certificate {path}: {error}") from error


def _read(certificate: Path, key: Path) -> tuple[x509.Certificate, PrivateKey]:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateProblem(f"cannot read the key {key}: {error}") from error
    found = _certificate(certificate)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
        raise CertificateProblem(f"{key} is not the key of {certificate}; remove both to make new ones")
    return found, private


def _private(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, with these permissions from the first byte on."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
