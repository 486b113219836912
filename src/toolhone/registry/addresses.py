"""Which network addresses a tool may connect to.

Every address a name resolves to is checked, and connections go to the checked addresses: a name that
resolves differently a moment later changes nothing.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio

from toolhone.exceptions import PermissionDeniedError, ServerUnavailableError

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> the addresses, as text. Raises OSError if there are none."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")

_OF_THE_CLOUD = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))
"""Public by the registries, or taken for it by some versions of Python, and yet services by which Azure and
Oracle Cloud talk to the machine itself."""


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a name as the operating system gives them.

    Also those of odd spellings it takes for addresses: 2130706433, 0x7f.1.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def checked_addresses(host: str, port: int, *, resolve: Resolve, allow_private: bool) -> Sequence[str]:
    """The addresses to connect to for this host.

    Raises:
        PermissionDeniedError: One of them is not public and private ones are not allowed.
        ServerUnavailableError: The name has no address.
    """
    try:
        addresses = await resolve(host, port)
    except OSError as exc:
        raise ServerUnavailableError(f"The host {host!r} cannot be resolved: {exc}.") from exc
    if not addresses:
        raise ServerUnavailableError(f"The host {host!r} has no address.")
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                raise PermissionDeniedError(
                    f"The host {host!r} has the address {address}, which is not a public one, so nothing "
                    'was sent. If this is meant, set "allowPrivateAddresses": true in the tool\'s file.',
                    data={"host": host, "address": address},
                )
    return addresses


def is_public(address: str) -> bool:
    """Reachable over the public internet, as far as the address registries say.

    IPv6 forms that carry an IPv4 address (mapped, NAT64, 6to4, Teredo) are judged by that address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        carried = _carried(parsed)
        if carried:
            return all(is_public(str(inner)) for inner in carried)
        if parsed.is_site_local or parsed in _NAT64_LOCAL:
            return False
    return parsed.is_global and not (
        any(parsed in network for network in _OF_THE_CLOUD)
        or parsed.is_multicast
        or parsed.is_reserved
        or parsed.is_unspecified
        or parsed.is_link_local
    )


def _carried(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour:
        return [address.sixtofour]
    return list(address.teredo or ())
