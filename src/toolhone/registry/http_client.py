"""Sending one HTTP request to a checked address, and knowing whether it was sent when something fails."""

import codecs
import ssl
from collections.abc import Sequence
from functools import lru_cache

import anyio
import anyio.to_thread
import httpx2

from toolhone.activity import trace_headers
from toolhone.exceptions import (
    CallTimeoutError,
    ConnectionLostError,
    InvalidArgumentsError,
    ServerUnavailableError,
    ToolFailedError,
)
from toolhone.models import Json
from toolhone.registry.addresses import Resolve, checked_addresses
from toolhone.registry.http_handler import HttpAnswer, HttpRequest

CONNECT_SECONDS = 10.0
"""The longest wait for one address to accept a connection."""

_ERROR_BODY_BYTES = 32_768


async def send(
    request: HttpRequest,
    *,
    resolve: Resolve,
    allow_private: bool,
    timeout_seconds: float,
    max_bytes: int,
) -> HttpAnswer:
    """Send the request and read the answer. Redirects are not followed, proxies are not used.

    Each call has a connection of its own: tools are called from one event loop or another, and rarely
    often enough for keeping connections open to pay.

    Raises:
        PermissionDeniedError: The host has an address that is not public.
        ServerUnavailableError: Nothing was sent.
        CallTimeoutError: The time limit passed after the request was sent.
        ConnectionLostError: The connection broke after the request was sent.
        ToolFailedError: The answer is too long or damaged.
    """
    sent = False

    async def trace(event: str, _info: Json) -> None:
        nonlocal sent
        sent = sent or event.endswith("send_request_headers.started")

    shown_as = request.shown_as
    try:
        with anyio.fail_after(timeout_seconds):
            transport = CheckedTransport(
                await tls_context(request.url), resolve=resolve, allow_private=allow_private
            )
            connect_seconds = min(CONNECT_SECONDS, timeout_seconds)
            async with (
                httpx2.AsyncClient(
                    transport=transport,
                    timeout=httpx2.Timeout(timeout_seconds, connect=connect_seconds),
                    trust_env=False,
                ) as client,
                client.stream(
                    request.method,
                    request.url,
                    headers={**trace_headers(), **request.headers},
                    content=request.content,
                    extensions={"trace": trace},
                ) as response,
            ):
                return await _read(response, max_bytes, shown_as)
    except (httpx2.InvalidURL, httpx2.LocalProtocolError) as exc:
        raise InvalidArgumentsError(f"{shown_as} cannot be sent: {exc}.") from exc
    except (TimeoutError, httpx2.TimeoutException) as exc:
        if sent:
            raise CallTimeoutError(f"{shown_as} did not answer within {timeout_seconds:g} s.") from exc
        raise ServerUnavailableError(f"{shown_as}: no connection in time; nothing was sent.") from exc
    except httpx2.TransportError as exc:
        cause = str(exc) or type(exc).__name__
        if sent:
            raise ConnectionLostError(
                f"{shown_as}: the connection was lost after the request was sent ({cause})."
            ) from exc
        raise ServerUnavailableError(f"{shown_as}: no connection ({cause}); nothing was sent.") from exc
    except httpx2.DecodingError as exc:
        raise ToolFailedError(f"{shown_as} answered with a damaged body: {exc}.") from exc


async def _read(response: httpx2.Response, max_bytes: int, shown_as: str) -> HttpAnswer:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if not response.is_success and len(body) > _ERROR_BODY_BYTES:
            break
        if response.is_success and len(body) > max_bytes:
            raise ToolFailedError(
                f"{shown_as} answered with more than {max_bytes:,} bytes; ask for less, or raise "
                "response.maxBytes in the tool's file."
            )
    return HttpAnswer(
        status=response.status_code,
        reason=response.reason_phrase,
        location=response.headers.get("location") if response.is_redirect else None,
        encoding=_known_encoding(response.charset_encoding),
        body=bytes(body),
    )


def _known_encoding(name: str | None) -> str:
    try:
        return codecs.lookup(name or "utf-8").name
    except LookupError:
        return "utf-8"


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves the host, checks every address, and connects to the first checked one that answers.

    The request keeps its Host header, and TLS asks for and verifies the host's own name.
    """

    def __init__(self, tls: ssl.SSLContext | bool, *, resolve: Resolve, allow_private: bool) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)
        self._resolve = resolve
        self._allow_private = allow_private

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses: Sequence[str] = await checked_addresses(
            host, port, resolve=self._resolve, allow_private=self._allow_private
        )
        for address in addresses[:-1]:
            try:
                return await self._send_to(address, host, request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # Nothing was sent, so the next address may have it.
        return await self._send_to(addresses[-1], host, request)

    async def _send_to(self, address: str, host: str, request: httpx2.Request) -> httpx2.Response:
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def tls_context(url: str) -> ssl.SSLContext | bool:
    # Reading the machine's certificates takes a tenth of a second: once, and not on the event loop.
    if not url.startswith("https:"):
        return False
    return await anyio.to_thread.run_sync(_shared_tls_context)


@lru_cache(maxsize=1)
def _shared_tls_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
