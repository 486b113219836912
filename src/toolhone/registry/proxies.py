"""Through which proxy a request goes, as the environment says it, and what goes through none."""

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Final

import httpx2

from toolhone.exceptions import ConfigurationError
from toolhone.registry.http_client import tls_context

_PORTS: Final = {"http": 80, "https": 443}


def proxy_for(url: httpx2.URL, environment: Mapping[str, str]) -> str | None:
    """The address of the proxy for this one, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""
    # Small letters sort after capitals, so they win, as everywhere.
    said = {name.lower(): value for name, value in sorted(environment.items()) if value}
    address = said.get(f"{url.scheme}_proxy") or said.get("all_proxy")
    if address is None or any(_names(entry, url) for entry in said.get("no_proxy", "").split(",")):
        return None
    return address if "://" in address else f"http://{address}"


def _names(entry: str, url: httpx2.URL) -> bool:
    """Whether an entry of NO_PROXY is about this address.

    A name stands for its subdomains too, `.name` and `*.name` for these alone. A scheme may stand before it,
    and a port after it. An address may have the bits of its network.
    """
    scheme, _, place = entry.strip().lower().rpartition("://")
    if not place or scheme not in ("", "all", url.scheme):
        return False
    if place == "*":
        return True
    try:
        return ip_address(url.host) in ip_network(place.replace("[", "").replace("]", ""), strict=False)
    except ValueError:  # one of them is a name, or has a port
        host, _, port = place.rpartition(":")
    if not port.isdecimal():
        host, port = place, ""
    if port and int(port) != (url.port or _PORTS.get(url.scheme)):
        return False
    host = host.strip("[]")
    if host.startswith((".", "*.")):
        return url.host.endswith(host.removeprefix("*"))
    return url.host == host or url.host.endswith(f".{host}")


class ProxiedTransport(httpx2.AsyncBaseTransport):
    """Sends through a proxy what the environment wants so, and all else through `direct`."""

    def __init__(
        self, environment: Mapping[str, str], direct: Callable[[], Awaitable[httpx2.AsyncBaseTransport]]
    ) -> None:
        """Nothing is opened yet.

        Args:
            direct: Makes what sends without a proxy; called once, when something first goes so.
        """
        self._environment = environment
        self._make_direct = direct
        self._made: dict[str | None, httpx2.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it.

        Raises:
            ConfigurationError: The environment names a proxy that cannot be used.
        """
        proxy = proxy_for(request.url, self._environment)
        if proxy not in self._made:
            self._made[proxy] = await (self._make_direct() if proxy is None else _through(proxy))
        return await self._made[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._made.values():
            await transport.aclose()


async def _through(proxy: str) -> httpx2.AsyncBaseTransport:
    try:
        return httpx2.AsyncHTTPTransport(
            verify=await tls_context("https:"), proxy=httpx2.Proxy(proxy), trust_env=False
        )
    except (ValueError, ImportError, httpx2.InvalidURL) as exc:
        # Without its address: a password may be in it.
        raise ConfigurationError(
            "The proxy that the environment names (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) cannot be used: it "
            "must be an address that begins with http:// or https://."
        ) from exc
