"""Whether a host is this machine itself."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether nobody on any network can be behind this name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
