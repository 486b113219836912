"""Where a request comes from: its address, with or without a proxy, its scheme, and its page."""

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from toolhone.auth.loopback import is_loopback
from toolhone.exceptions import ConfigurationError

ADDRESS = "toolhone.address"
"""Where in an ASGI scope the address stands that a trusted proxy named."""

PROXIED = "toolhone.proxied"
"""Where in an ASGI scope it stands that the other end of the connection is a trusted proxy."""

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The proxies whose word counts."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Take their addresses or networks.

        Raises:
            ConfigurationError: One is neither.
        """
        self._networks: list[Network] = []
        for text in trusted:
            try:
                self._networks.append(ipaddress.ip_network(text))
            except ValueError as exc:
                raise ConfigurationError(
                    f"The setting trusted_proxies has {text!r}; write addresses or networks, such as "
                    "10.0.0.5 or 10.0.0.0/24."
                ) from exc

    def locate(self, scope: Scope) -> None:
        """Note in the scope who is behind a proxy of ours.

        Each proxy adds the address that it sees at the end, so the last one that is no proxy of ours is the
        one that a proxy of ours vouches for. What stands before it anybody may have written.
        """
        if not self._are(peer_of(scope)):
            return
        scope[PROXIED] = True
        listed = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for text in reversed([part.strip() for part in listed]):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                return
            scope[ADDRESS] = str(address)
            if not self._are(scope[ADDRESS]):
                return

    def _are(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def peer_of(scope: Scope) -> str:
    """The other end of the connection of a request."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    return client[0] if client else "unknown"


def address_of(scope: Scope) -> str:
    """Where a request comes from: the other end of its connection, or whom a trusted proxy names."""
    return scope.get(ADDRESS) or peer_of(scope)


def is_secure(scope: Scope) -> bool:
    """Whether the browser sees https: ours, or that of a proxy of this machine or one that is trusted."""
    if scope["scheme"] == "https":
        return True
    believed = scope.get(PROXIED, False) or is_loopback(peer_of(scope))
    return believed and Headers(scope=scope).get("x-forwarded-proto") == "https"


def is_same_origin(scope: Scope) -> bool | None:
    """Whether the page that sent this is of this toolhone; `None` if no browser says so."""
    headers = Headers(scope=scope)
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    if (origin := headers.get("origin")) is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None


def is_of_this_machine(scope: Scope) -> bool:
    """Whether no other machine is behind a request, a proxy of this one included."""
    headers = Headers(scope=scope)
    name = without_port(headers.get("host", ""))
    forwarded = any(mark in headers for mark in FORWARDED)
    return is_loopback(peer_of(scope)) and name.lower() in LOOPBACK_NAMES and not forwarded


def without_port(host: str) -> str:
    """The name in a Host header, as it stands there."""
    return _split(host)[0]


def port_of(scope: Scope) -> str:
    """The port by which the browser knows us."""
    return _split(Headers(scope=scope).get("host", ""))[1] or ("443" if is_secure(scope) else "80")


def _split(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdecimal() and port.isascii() else (host, "")
