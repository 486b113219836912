"""Where HTTP listens: an address of this machine's loopback, unless it is said that others shall reach it."""

import socket

from toolhone.auth.loopback import is_loopback
from toolhone.exceptions import ConfigurationError

HOSTS = ("127.0.0.1", "localhost", "::1")


def parse_address(text: str, *, remote: bool = False) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` or `PORT`; the host must be this machine's loopback.

    Args:
        remote: Whether other machines may reach it.

    Raises:
        ConfigurationError: Not an address, or one that other machines can reach though they may not.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigurationError(f"{text!r} is not an address; write HOST:PORT, such as 127.0.0.1:8000.")
    if remote or host in HOSTS:
        return host, int(port)
    if is_loopback(host):
        raise ConfigurationError(f"{text!r}: of the loopback addresses only {', '.join(HOSTS)} are served.")
    raise ConfigurationError(
        f"{text!r} can be reached from other machines. Use 127.0.0.1, or add --remote if that is meant; "
        "then serve https (--tls-cert, --tls-key), or put a proxy before it that does."
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose, and `url_of` tells which it was.

    Raises:
        ConfigurationError: The port is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
        # What is accepted inherits it. asyncio would set it itself, but not where the socket was made without
        # naming TCP; without it each answer of two segments waits 40 ms for the client's acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {exc.strerror or exc}. "
            "Stop what uses it, or name another port."
        ) from exc
    return listening


def url_of(listening: socket.socket, *, tls: bool = False) -> str:
    host, port = listening.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{host_header(host)}:{port}"


def host_header(host: str) -> str:
    """How a host is spelled in a URL, and in a Host header."""
    return f"[{host}]" if ":" in host else host
