"""What one client may take: requests a second, and the bytes and seconds of a connection.

`RateLimits` is asked by the routes, after authentication for who is known, before any work for who is not.
`guarded` makes uvicorn's protocol strict: what the parser (llhttp) lets pass, but another server on the way could
read differently, is refused, and nothing a client sends or leaves unsent holds memory or a socket for ever.
"""

from __future__ import annotations

import logging
import math
import re
import time
import uuid
from asyncio import Transport
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goldsmith import errors
from goldsmith.errors import ServiceError
from goldsmith.http.rendering import render
from goldsmith.settings import LimitsSettings

if TYPE_CHECKING:
    from goldsmith.iam.service import Caller

log = logging.getLogger("goldsmith.access")

REMEMBERED = 16384
"""Buckets kept of each kind; beyond it the one longest unused is forgotten, which makes it full again."""

QUIET_SECONDS = 60.0
MAX_URL = 16 * 1024
MAX_HEAD = 64 * 1024
MAX_FIELDS = 100
FRAMING = 8
"""Bytes that may frame one byte of a chunked body, beside `MAX_HEAD` in all: extensions and trailers count."""
LINGER = 2.0
"""Seconds a refused client has to read why, while what it still sends is thrown away."""

ONLY_ONCE = frozenset((
    b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding", b"x-auth-token",
    b"x-domain-id", b"x-project-id", b"x-sdk-content-sha256", b"x-sdk-date", b"x-security-token", b"x-subject-token",
))  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Buckets:
    """Token buckets by key: `burst` requests at once, `per_second` in the long run; 0 is no limit.

    Kept as the time at which a bucket will be full again, one number a key (the generic cell rate algorithm).
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic, size: int = REMEMBERED
    ) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._room = (burst - 0.5) * self._interval
        self._clock = clock
        self._size = size
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._quiet_until: OrderedDict[str, float] = OrderedDict()

    @property
    def is_off(self) -> bool:
        """Whether there is no limit."""
        return not self._interval

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str) -> None:
        """Take one out of the bucket; raises `errors.TOO_MANY_REQUESTS` when it is empty."""
        if self.is_off:
            return
        now = self._clock()
        full_at = self._full_at.get(key, now)
        if full_at < now:
            full_at = now
        wait = full_at - now - self._room
        if wait > 0:
            raise self._refusal(key, now, wait)
        self._full_at[key] = full_at + self._interval
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._size:
            self._full_at.popitem(last=False)

    def _refusal(self, key: str, now: float, wait: float) -> ServiceError:
        """The refusal: one a minute goes on record, or a flood of requests would become a flood of records."""
        error = errors.TOO_MANY_REQUESTS.error(headers={"Retry-After": str(max(1, math.ceil(wait)))})
        error.is_repeated = now < self._quiet_until.get(key, now)
        if not error.is_repeated:
            self._quiet_until[key] = now + QUIET_SECONDS
            self._quiet_until.move_to_end(key)
            if len(self._quiet_until) > self._size:
                self._quiet_until.popitem(last=False)
        return error


class RateLimits:
    """The three kinds of buckets; `origin` tells which source addresses count as one."""

    def __init__(self, settings: LimitsSettings, origin: Callable[[str], str] = str) -> None:
        self._callers = Buckets(settings.requests_per_second, settings.burst)
        self._strangers = Buckets(settings.requests_per_second, settings.burst)
        self._logins = Buckets(settings.logins_per_second, settings.login_burst)
        self._origin = origin

    def caller(self, caller: Caller) -> None:
        """A request of someone we know: an access key has a bucket of its own, all tokens of a user share one."""
        if self._callers.is_off:
            return
        self._callers.take(caller.credential_id if caller.credential_kind == "access_key" else caller.user_id)

    def stranger(self, source_ip: str) -> None:
        """A request of someone we do not know."""
        self._strangers.take(self._origin(source_ip))

    def login(self, source_ip: str) -> None:
        """A request that asks us to check a password."""
        self._logins.take(self._origin(source_ip))


NO_LIMITS = RateLimits(LimitsSettings(requests_per_second=0, logins_per_second=0))


class Refused(Exception):
    """Leaves the parser's callbacks with what to tell the client."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.message)
        self.error = error


def guarded(settings: LimitsSettings, headers: Sequence[tuple[bytes, bytes]] = ()) -> type[GuardedProtocol]:
    """The protocol class with these limits; `headers` go with every refusal it makes."""

    class Guarded(GuardedProtocol):
        limits = settings
        refusal_headers = tuple(headers)

    return Guarded


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits; `Server` calls `expire` now and then."""

    limits = LimitsSettings()
    refusal_headers: tuple[tuple[bytes, bytes], ...] = ()

    _deadline = math.inf
    _unread_since = 0.0
    _is_deaf = False
    _in_head = False
    _in_body = False
    _is_new = False
    _wire = 0
    _received = 0
    _refusal: ServiceError | None = None

    # ---- connections

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self.limits.header_seconds
        if len(self.connections) > self.limits.connections:
            self._is_deaf = True
            self._answer(errors.UNAVAILABLE.error("Too many connections.", headers={"Retry-After": "1"}))
            transport.close()

    def expire(self, now: float) -> None:
        """End the connection when its time is up."""
        if self._is_unread(now) or (self._is_deaf and now >= self._deadline):
            self.transport.abort()
        elif now < self._deadline or self.transport.is_closing():
            return
        elif self._in_head or self._in_body:
            self._refuse(errors.REQUEST_TIMEOUT.error())
        else:
            self.transport.close()

    def _is_unread(self, now: float) -> bool:
        """Whether the client has left an answer unread for too long."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = 0.0
        elif not self._unread_since:
            self._unread_since = now
        return bool(self._unread_since) and now - self._unread_since > self.limits.body_seconds

    def data_received(self, data: bytes) -> None:
        """Parse, and look how much has come of a head or body that is not complete yet."""
        if self._is_deaf:
            return
        if self._deadline == math.inf and not self._in_body and (self.cycle is None or self.cycle.response_complete):
            self._deadline = self.loop.time() + self.limits.header_seconds
        super().data_received(data)
        if self._is_deaf or not (self._in_head or self._in_body):
            return
        # The chunk of data in which a message begins may hold the end of another, so it is not counted.
        self._wire, self._is_new = (0 if self._is_new else self._wire + len(data)), False
        if self._in_head and self._wire > MAX_HEAD:
            self._refuse(_too_long(len(self.url)))
        elif self._in_body and self._wire > MAX_HEAD + FRAMING * self._received:
            self._refuse(errors.MALFORMED_REQUEST.error("The chunks of the body are framed by too much."))

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is amiss: a client asked whether another protocol is spoken here, and it is not."""

    # ---- parser callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._is_new = True
        if self._deadline == math.inf:
            self._deadline = self.loop.time() + self.limits.header_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that comes after the body (a trailer) is no header and is dropped."""
        if not self._in_head:
            return
        if len(self.headers) >= MAX_FIELDS:
            raise self._because(errors.HEADERS_TOO_LARGE.error(f"At most {MAX_FIELDS} headers are taken."))
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Refuse what must not be, then hand the request over."""
        fault = self._fault()
        if fault is not None:
            raise self._because(fault)
        super().on_headers_complete()
        self._in_head, self._in_body, self._received = False, True, 0
        self._deadline = self.loop.time() + self.limits.body_seconds
        if self.parser.should_upgrade():
            # Bytes that follow may be meant in the other protocol: they must not be read as a request.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here; the time for the answer is ours."""
        self._in_body, self._deadline = False, math.inf
        super().on_message_complete()
        if self.parser.should_upgrade():
            self._is_deaf = True

    def _because(self, error: ServiceError) -> Refused:
        self._refusal = error
        return Refused(error)

    def _fault(self) -> ServiceError | None:
        version, malformed = self.parser.get_http_version(), errors.MALFORMED_REQUEST
        if version not in {"1.1", "1.0"}:
            return malformed.error("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if not self.url.startswith(b"/") or b"#" in self.url:
            return malformed.error("The request target must be a path that starts with a slash; this is no proxy.")
        fields = dict(self.headers)
        if len(fields) == len(self.headers):
            size = len(self.url) + sum(map(len, fields)) + sum(map(len, fields.values()))
        else:
            names = [name for name, _ in self.headers]
            for name in ONLY_ONCE & fields.keys():
                if names.count(name) > 1:
                    return malformed.error(f"The header {name.decode()} must be sent once only.")
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD or len(self.url) > MAX_URL:
            return _too_long(len(self.url))
        host, coding = fields.get(b"host"), fields.get(b"transfer-encoding")
        if _HOST.fullmatch(host or b"") is None and not (host is None and version == "1.0"):
            return malformed.error("The header Host must be sent, and name a host and at most a port.")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            return malformed.error("The only Transfer-Encoding understood here is chunked, in HTTP/1.1.")
        return None

    # ---- refusals

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser or one of its callbacks refuses."""
        self._refuse(self._refusal or errors.MALFORMED_REQUEST.error())

    def _refuse(self, error: ServiceError) -> None:
        """Listen no more, and say why unless the turn to speak is an earlier request's."""
        if self._is_deaf:
            return
        self._is_deaf, self._deadline = True, math.inf
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not self._in_body):
            self._answer(error)
        elif cycle.response_complete:
            self._end()  # the request was answered before its body was here
        elif self._in_body and self.pipeline:
            self.pipeline.clear()
        elif self._in_body and not cycle.response_started:
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(error)
        else:
            cycle.keep_alive = False

    def _answer(self, error: ServiceError) -> None:
        request_id = uuid.uuid4().hex
        response = render(error, None, request_id)
        status = response.status_code
        log.info("- refused %d %s %s", status, error.message, request_id)
        lines = [
            b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()),
            *(
                b"%b: %b" % header
                for header in (
                    *self.server_state.default_headers, *response.raw_headers,
                    (b"connection", b"close"), (b"x-request-id", request_id.encode()), *self.refusal_headers,
                )
            ),
        ]  # fmt: skip
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body))
        self._end()

    def _end(self) -> None:
        """Say no more, and give the client time to read what was said."""
        self._deadline = self.loop.time() + LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _too_long(url: int) -> ServiceError:
    if url > MAX_URL:
        return errors.URI_TOO_LONG.error(f"The URL may have at most {MAX_URL} bytes.")
    return errors.HEADERS_TOO_LARGE.error(f"The headers may have at most {MAX_HEAD} bytes in all.")
