"""Send what a login asks for, to where a downstream server may lead us and nowhere else.

Metadata that a server publishes names the addresses of its login. They are asked over TLS, within bounds of
time and size, and not at private addresses if the server itself is at a public one.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from toolhone.exceptions import LoginFailedError, PermissionDeniedError, ServerUnavailableError
from toolhone.models import JsonObject
from toolhone.registry.addresses import is_public, resolve_host
from toolhone.registry.config import Endpoint
from toolhone.registry.http_client import CheckedTransport, tls_context
from toolhone.registry.oauth_settings import OAuth
from toolhone.registry.proxies import ProxiedTransport, proxy_for

LONGEST_ANSWER: Final = 1_048_576
"""Bytes of an answer of an authorization server."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Exchange:
    """Sends the requests of flows for one server. Made by `authorizing`."""

    def __init__(self, server: str, target: Endpoint, client: httpx2.AsyncClient) -> None:
        self.server = server
        self.target = target
        self._client = client
        self._own = httpx2.URL(target.url)

    @property
    def oauth(self) -> OAuth:
        return self.target.oauth or OAuth()

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer. Redirects are the flow's to follow.

        Raises:
            LoginFailedError: The downstream server leads where nothing may be sent.
            ServerUnavailableError: There is no answer, or one that is too long.
        """
        self.permit(request.url)
        # Some answer with a form unless JSON is asked for.
        request.headers.setdefault("Accept", "application/json")
        response = await self._begin(request)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise ServerUnavailableError(f"{named(request.url)} answered with too much.")
        except (httpx2.TransportError, httpx2.DecodingError) as exc:
            raise ServerUnavailableError(f"The answer of {named(request.url)} broke off: {exc}.") from exc
        finally:
            await response.aclose()
        headers = response.headers.copy()
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        whole = httpx2.Response(response.status_code, headers=headers, content=bytes(body), request=request)
        whole.next_request = response.next_request
        return whole

    async def show(self, request: httpx2.Request) -> httpx2.Response:
        """What the downstream server answers, without the body, which may never end."""
        response = await self._begin(request)
        await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, request=request)

    def question(self) -> httpx2.Request:
        """What the downstream server is asked to see whether it lets us in. It changes nothing there."""
        headers = dict(self.target.headers)
        if self.target.transport == "sse":
            return httpx2.Request("GET", self.target.url, headers=headers | {"Accept": "text/event-stream"})
        headers["Accept"] = "application/json, text/event-stream"
        ping: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        return httpx2.Request("POST", self.target.url, headers=headers, json=ping)

    def permit(self, url: httpx2.URL) -> None:
        """Secrets go over TLS, unless they stay on this machine or the server itself is reached without.

        Raises:
            LoginFailedError: This is not such an address.
        """
        plain = url.host in _LOOPBACK or (self._own.scheme == "http" and url.host == self._own.host)
        if url.scheme != "https" and not (url.scheme == "http" and plain):
            raise LoginFailedError(
                f"Server {self.server!r} leads to {named(url)} for its login, which is not https; "
                "nothing was sent."
            )

    async def _begin(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._client.send(request, stream=True, follow_redirects=False)
        except httpx2.TransportError as exc:
            why = str(exc) or type(exc).__name__
            raise ServerUnavailableError(f"{named(request.url)} cannot be reached: {why}.") from exc
        except PermissionDeniedError as exc:
            raise LoginFailedError(
                f"Server {self.server!r} leads to {named(request.url)} for its login, which has the address "
                f"{exc.data.get('address')}. That is not a public one, and the server itself is; nothing was "
                "sent."
            ) from exc


@asynccontextmanager
async def authorizing(
    server: str, target: Endpoint, environment: Mapping[str, str]
) -> AsyncGenerator[Exchange]:
    """What sends the requests of flows for this server.

    Metadata of a server names the addresses that are asked. Those of a server at a public address must be
    public too, where no proxy decides on what is reached.
    """

    async def direct() -> httpx2.AsyncBaseTransport:
        return CheckedTransport(
            await tls_context("https:"),
            resolve=resolve_host,
            allow_private=await _is_private(httpx2.URL(target.url), environment),
        )

    transport = ProxiedTransport(environment, direct)
    timeout = httpx2.Timeout(10.0)
    async with httpx2.AsyncClient(timeout=timeout, transport=transport, trust_env=False) as client:
        yield Exchange(server, target, client)


async def _is_private(url: httpx2.URL, environment: Mapping[str, str]) -> bool:
    try:
        found = await resolve_host(url.host, url.port or (443 if url.scheme == "https" else 80))
    except OSError as exc:
        if proxy_for(url, environment) is not None:
            return False  # Only its proxy knows it, so nothing speaks for private addresses.
        raise ServerUnavailableError(f"The host {url.host!r} cannot be resolved: {exc}.") from exc
    return not all(map(is_public, found))


def named(url: httpx2.URL) -> str:
    """An address without what may be secret in it."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"
