"""HTTP that is quick to retry: a busy server within milliseconds, an absent one until it is back.

Prefect's client waits two seconds and more after each 503, and gives up on a server that is away
for a minute. These transports sit below it and hand on only what lasts longer.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import httpx
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.settings import get_current_settings

BUSY_TRIES = 8
ABSENT = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors that prove that the request never arrived."""

LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=25)


def busy_waits() -> Iterator[float]:
    """Waits after each 503, with jitter: about 0.05 s to 0.5 s, two seconds in all."""
    for attempt in range(BUSY_TRIES):
        yield min(0.5, 0.05 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311


def absent_wait() -> float:
    """Wait before the next attempt to reach a server that is not there."""
    return random.uniform(0.2, 0.5)  # noqa: S311


def is_busy(response: httpx.Response) -> bool:
    """Whether the server was too busy, as opposed to in maintenance or asking for patience."""
    asks = "Retry-After" in response.headers or "Prefect-Maintenance" in response.headers
    return response.status_code == httpx.codes.SERVICE_UNAVAILABLE and not asks


def is_passing(error: httpx.HTTPError) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError)


class QuickTransport(httpx.AsyncBaseTransport):
    """Asynchronous transport with quick retries around another one."""

    def __init__(self, inner: httpx.AsyncBaseTransport, patience_s: float) -> None:
        self._inner = inner
        self._patience_s = patience_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; again after a 503 or when nobody listens."""
        end = time.monotonic() + self._patience_s
        waits = busy_waits()
        while True:
            try:
                response = await self._inner.handle_async_request(request)
            except ABSENT:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(absent_wait())
                continue
            wait = next(waits, None) if is_busy(response) else None
            if wait is None:
                return response
            await response.aclose()
            await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Close the transport within."""
        await self._inner.aclose()


class QuickSyncTransport(httpx.BaseTransport):
    """The same for synchronous clients."""

    def __init__(self, inner: httpx.BaseTransport, patience_s: float) -> None:
        self._inner = inner
        self._patience_s = patience_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send; again after a 503 or when nobody listens."""
        end = time.monotonic() + self._patience_s
        waits = busy_waits()
        while True:
            try:
                response = self._inner.handle_request(request)
            except ABSENT:
                if time.monotonic() > end:
                    raise
                time.sleep(absent_wait())
                continue
            wait = next(waits, None) if is_busy(response) else None
            if wait is None:
                return response
            response.close()
            time.sleep(wait)

    def close(self) -> None:
        """Close the transport within."""
        self._inner.close()


def quick(patience_s: float) -> dict[str, Any]:
    """``httpx_settings`` of an asynchronous Prefect client; none where a proxy is in the way."""
    if behind_proxy():
        return {}
    tls = tls_context()
    inner = httpx.AsyncHTTPTransport(verify=tls, limits=LIMITS)
    return {"transport": QuickTransport(inner, patience_s), "verify": tls}


def quick_sync(patience_s: float) -> dict[str, Any]:
    """``httpx_settings`` of a synchronous Prefect client; none where a proxy is in the way."""
    if behind_proxy():
        return {}
    tls = tls_context()
    inner = httpx.HTTPTransport(verify=tls, limits=LIMITS)
    return {"transport": QuickSyncTransport(inner, patience_s), "verify": tls}


def make_clients_quick(patience_s: float) -> None:
    """Give every Prefect client that this process makes from now on these transports.

    Prefect makes clients of its own: for blocks, artifacts, and runs inside runs.
    """
    for made, settings in ((PrefectClient, quick), (SyncPrefectClient, quick_sync)):
        if not hasattr(made.__init__, "__wrapped__"):
            made.__init__ = _quickly(made.__init__, settings, patience_s)  # type: ignore[method-assign]


def _quickly(
    original: Callable[..., None], settings: Callable[[float], dict[str, Any]], patience_s: float
) -> Callable[..., None]:
    @wraps(original)
    def init(self: Any, api: Any, *args: Any, **kwargs: Any) -> None:
        given = kwargs.get("httpx_settings") or {}
        if isinstance(api, str) and "transport" not in given:
            kwargs["httpx_settings"] = {**settings(patience_s), **given}
        original(self, api, *args, **kwargs)

    return init


def behind_proxy() -> bool:
    """Whether the API is reached through a proxy, which httpx sets up only by itself."""
    url = urlsplit(get_current_settings().api.url or "")
    return url.scheme in getproxies() and not proxy_bypass(url.hostname or "")


def tls_context() -> ssl.SSLContext:
    """Prefect's own rules; for plain HTTP an empty one, as loading certificates costs 30 ms."""
    api = get_current_settings().api
    if not (api.url or "").startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context(cafile=api.ssl_cert_file or certifi.where())
    if api.tls_insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
