"""Sending one event to one receiver: signed, to an address that was checked, no redirects, no proxies.

`Goldsmith-Signature: t=<seconds since 1970>,v1=<hex>`, where hex is HMAC-SHA256 with the webhook's secret over
`<t>.<body>`. Receivers compute the same, compare in constant time, and refuse an old `t`.

httpx is imported by the first attempt: most services never make one, and all of them start.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldsmith import __version__
from goldsmith.events.schemas import MEDIA_TYPE
from goldsmith.events.targets import Target, Targets, Unsafe

if TYPE_CHECKING:
    import httpx

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read, so that the receiver can finish it; they are thrown away."""
TRIED_ADDRESSES = 3
LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went; `error` is "" when the receiver has taken the event."""

    status: int | None
    error: str
    seconds: float = 0.0


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the signature header."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Sender:
    """Sends events; every attempt is a connection of its own."""

    def __init__(self, targets: Targets, timeout: float) -> None:
        self._targets, self._timeout = targets, timeout
        self._client: httpx.AsyncClient | None = None

    async def send(self, webhook_id: str, url: str, secret: str, body: bytes) -> Outcome:
        """One attempt; it never raises."""
        import httpx

        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                target = await self._targets.checked(url)
                status = await self._post(webhook_id, target, secret, body)
            error = _refused(status)
        except Unsafe as unsafe:
            status, error = None, f"{unsafe.rule}: {unsafe.message}"
        except TimeoutError:
            status, error = None, f"No answer within {self._timeout:g} seconds."
        except (httpx.HTTPError, OSError, ValueError) as failure:
            status, error = None, f"{type(failure).__name__}: {failure}"
        return Outcome(status, error[:LONGEST_ERROR], round(time.monotonic() - started, 3))

    async def close(self) -> None:
        """Let go of every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, webhook_id: str, target: Target, secret: str, body: bytes) -> int:
        import httpx

        last: Exception = ValueError("no address")
        for address in target.addresses[:TRIED_ADDRESSES]:
            try:
                return await self._post_to(str(address), webhook_id, target, secret, body)
            except httpx.ConnectError as error:
                last = error
        raise last

    async def _post_to(self, address: str, webhook_id: str, target: Target, secret: str, body: bytes) -> int:
        headers = {
            "Host": target.url.netloc.decode("ascii"), "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
            "User-Agent": f"goldsmith/{__version__}", "Accept-Encoding": "identity", "Goldsmith-Webhook": webhook_id,
            "Goldsmith-Signature": signature(secret, int(time.time()), body),
        }  # fmt: skip
        request = self._opened().build_request(
            "POST", target.url.copy_with(host=address), content=body, headers=headers,
            extensions={"sni_hostname": target.host},
        )  # fmt: skip
        response = await self._opened().send(request, stream=True)
        try:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > LONGEST_ANSWER:
                    break
        finally:
            await response.aclose()
        return response.status_code

    def _opened(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(), trust_env=False, follow_redirects=False, timeout=self._timeout,
                limits=httpx.Limits(max_keepalive_connections=0),
            )  # fmt: skip
        return self._client


def _refused(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"The receiver answered {status}; redirects are not followed."
    return f"The receiver answered {status}."
