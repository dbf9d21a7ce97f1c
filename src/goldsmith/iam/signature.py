"""Request signatures of the family SDK-HMAC-SHA256 (contract: authentication, section 3).

The client lists the headers it signed. We rebuild the canonical request from exactly that list and from the
header values as they arrived, so a client that signs few headers (Terraform: not even the host) and one that
signs many (the Python SDK) are verified by the same rule. The list itself must be in the one form the signers
write: lower case, sorted, nothing twice, `x-sdk-date` included.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

from goldsmith import errors
from goldsmith.errors import ServiceError

ALGORITHM = "SDK-HMAC-SHA256"
CLOCK_SKEW = timedelta(minutes=15)
Headers = Sequence[tuple[bytes, bytes]]

_SYNTAX = re.compile(
    r"SDK-HMAC-SHA256 Access=([A-Za-z0-9+/=_.~-]{1,128}), ?"
    r"SignedHeaders=([^\s,]{1,2048}), ?"
    r"Signature=([0-9a-f]{64})"
)
_FAMILY = re.compile(r"(?:SDK|V11)-[A-Z0-9-]+(?: |$)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_DATE = re.compile(rb"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_HASH = re.compile(rb"[0-9a-fA-F]{64}")
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9\-._~/]*")
_PLAIN_TEXT = re.compile(rb"[A-Za-z0-9\-._~]*")


def refused(reason: str) -> ServiceError:
    """The gateway's 401; `reason` is the tail of its message (contract: authentication, section 4)."""
    return errors.UNAUTHENTICATED.error(f"Incorrect IAM authentication information: {reason}")


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an `Authorization` header of this family says."""

    access_key: str
    signed_headers: tuple[bytes, ...]
    signature: str


def is_signature(value: str) -> bool:
    """Whether this `Authorization` header means a request signature, of any algorithm and however broken."""
    return _FAMILY.match(value) is not None


def parse_authorization(value: str) -> Authorization:
    """Take the header apart; raises `errors.UNAUTHENTICATED` saying which part is wrong."""
    match = _SYNTAX.fullmatch(value)
    if match is None:
        raise _malformed(value)
    access_key, listed, signature = match.groups()
    return Authorization(access_key, _signed_headers(listed), signature)


@lru_cache(maxsize=256)
def _signed_headers(listed: str) -> tuple[bytes, ...]:
    names = listed.split(";")
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise refused(f"SignedHeaders: {name[:64]!r} is not a header name in lower case.")
    if names != sorted(set(names)):
        raise refused("SignedHeaders must be sorted and name each header once.")
    if "x-sdk-date" not in names:
        raise refused("SignedHeaders must include x-sdk-date.")
    return tuple(name.encode() for name in names)


def _malformed(value: str) -> ServiceError:
    scheme = value.partition(" ")[0]
    if scheme != ALGORITHM:
        return refused(f"the algorithm {scheme[:32]!r} is not supported; sign with {ALGORITHM}.")
    return refused(
        f"Authorization must read '{ALGORITHM} Access=<access key>, SignedHeaders=<names;...>, "
        "Signature=<64 lower-case hex digits>'."
    )


def verify(
    authorization: Authorization,
    secret: str,
    *,
    method: str,
    raw_path: bytes,
    query_string: bytes,
    headers: Headers,
    body: bytes,
    now: datetime,
) -> None:
    """Return when the signature is good; else raise `errors.UNAUTHENTICATED`. See `is_genuine`."""
    if not is_genuine(
        authorization, secret, method=method, raw_path=raw_path, query_string=query_string, headers=headers,
        body=body, now=now,
    ):  # fmt: skip
        raise refused("verify aksk signature fail")


def is_genuine(
    authorization: Authorization,
    secret: str,
    *,
    method: str,
    raw_path: bytes,
    query_string: bytes,
    headers: Headers,
    body: bytes,
    now: datetime,
) -> bool:
    """Whether the signature was made with this secret; raises `errors.UNAUTHENTICATED` for one that cannot be.

    `raw_path` is percent-encoded as received, `headers` are the raw ones of ASGI. Nothing that is raised
    depends on whether the access key exists, as long as the caller passes some secret for unknown ones.
    """
    received = _by_name(headers)
    date = _one(received, b"x-sdk-date")
    if abs(now - _parse_date(date)) > CLOCK_SKEW:
        raise refused("calc ak sk signature fail:signature expired")
    head = _canonical_head(method, raw_path, query_string, authorization.signed_headers, received)
    key = secret.encode()
    for payload in _payload_hashes(body, received):
        wanted = _signature(key, date, head + payload)
        if hmac.compare_digest(wanted, authorization.signature):
            return True
    return False


def sign(
    access_key: str,
    secret: str,
    *,
    method: str,
    raw_path: bytes,
    query_string: bytes = b"",
    headers: Headers = (),
    body: bytes = b"",
    now: datetime,
) -> list[tuple[bytes, bytes]]:
    """`headers` with `x-sdk-date` and `authorization` added; all the given ones are signed."""
    date = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    complete = [*headers, (b"x-sdk-date", date)]
    received = _by_name(complete)
    names = tuple(sorted(received))
    head = _canonical_head(method, raw_path, query_string, names, received)
    signature = _signature(secret.encode(), date, head + _payload_hashes(body, received)[0])
    listed = b";".join(names).decode("latin-1")
    header = f"{ALGORITHM} Access={access_key}, SignedHeaders={listed}, Signature={signature}"
    return [*complete, (b"authorization", header.encode())]


def _by_name(headers: Headers) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in found:
            found[lowered].append(value.strip())
        else:
            found[lowered] = [value.strip()]
    return found


def _one(received: dict[bytes, list[bytes]], name: bytes) -> bytes:
    values = received.get(name, ())
    if len(values) != 1:
        raise refused(f"the header {name.decode()} must be sent exactly once.")
    return values[0]


@lru_cache(maxsize=256)
def _parse_date(text: bytes) -> datetime:
    match = _DATE.fullmatch(text)
    if match is not None:
        year, month, day, hour, minute, second = map(int, match.groups())
        with suppress(ValueError):
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    raise refused("calc ak sk signature fail:X-Sdk-Date must be a UTC time like 20240520T103949Z.")


def _canonical_head(
    method: str, raw_path: bytes, query: bytes, names: Sequence[bytes], received: dict[bytes, list[bytes]]
) -> bytes:
    """Parts 1 to 5 of the canonical request and the line break before part 6."""
    lines = [method.upper().encode(), canonical_path(raw_path), canonical_query(query)]
    for name in names:
        values = received.get(name)
        if values is None:
            shown = name.decode("latin-1")[:64]
            raise refused(f"verify aksk signature fail: the signed header {shown!r} did not arrive.")
        lines.append(b"%b:%b" % (name, values[0]))
        if len(values) > 1:
            lines += [b"%b:%b" % (name, value) for value in values[1:]]
    lines += (b"", b";".join(names), b"")
    return b"\n".join(lines)


def canonical_path(raw_path: bytes) -> bytes:
    """Every segment decoded once and encoded again, with a slash at the end."""
    if _PLAIN_PATH.fullmatch(raw_path) is None:
        raw_path = b"/".join(_encode(unquote_to_bytes(segment)) for segment in raw_path.split(b"/"))
    return raw_path if raw_path.endswith(b"/") else raw_path + b"/"


def canonical_query(query: bytes) -> bytes:
    """Pairs sorted by their decoded bytes, then encoded.

    A plus sign is a space, as in the Go signer, which reads the query like a form before it signs.
    """
    if not query:
        return b""
    pairs = sorted(tuple(map(_decode, part.partition(b"=")[::2])) for part in query.split(b"&") if part)
    return b"&".join([_encode(key) + b"=" + _encode(value) for key, value in pairs])


def _decode(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def _encode(text: bytes) -> bytes:
    return text if _PLAIN_TEXT.fullmatch(text) else quote(text, safe="").encode()


def _payload_hashes(body: bytes, received: dict[bytes, list[bytes]]) -> tuple[bytes, ...]:
    """What part 6 may be.

    A value of `X-Sdk-Content-Sha256` counts literally. One that is a hash must be the body's own, though: the
    header need not be signed, so whoever copies a signed request could otherwise name the hash of the old
    body and send another. With an empty body the Python signer ignores the header, the Go signer does not.
    """
    actual = sha256(body).hexdigest().encode()
    if b"x-sdk-content-sha256" not in received or not any(received[b"x-sdk-content-sha256"]):
        return (actual,)
    declared = _one(received, b"x-sdk-content-sha256")
    if _HASH.fullmatch(declared) and declared.lower() != actual:
        raise refused("verify aksk signature fail: X-Sdk-Content-Sha256 is not the hash of the body.")
    return (declared,) if body else (declared, actual)


def _signature(key: bytes, date: bytes, canonical_request: bytes) -> str:
    text = b"SDK-HMAC-SHA256\n%b\n%b" % (date, sha256(canonical_request).hexdigest().encode())
    # `hmac.digest` would let go of the interpreter, which takes longer than the digest when others want it.
    return hmac.new(key, text, "sha256").hexdigest()
