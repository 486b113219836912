"""Where a request comes from, with proxies before us and without."""

import pytest
from starlette.types import Scope

from toolhone.exceptions import ConfigurationError
from toolhone.server.cookies import cookie_name
from toolhone.server.origins import Proxies, address_of, is_secure


def scope_of(peer: str, **headers: str) -> Scope:
    return {
        "type": "http",
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }


def located(scope: Scope, *trusted: str) -> Scope:
    Proxies(trusted).locate(scope)
    return scope


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ([], "192.0.2.7", "10.0.0.5"),
        (["10.0.0.9"], "192.0.2.7", "10.0.0.5"),
        (["10.0.0.5"], "192.0.2.7", "192.0.2.7"),
        # What stands before the last is what the client wrote.
        (["10.0.0.5"], "127.0.0.1, 192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/24"], "192.0.2.7, 10.0.0.6", "192.0.2.7"),
        (["10.0.0.5"], "2001:db8::1", "2001:db8::1"),
        (["10.0.0.5"], "nobody", "10.0.0.5"),
        (["10.0.0.5"], "", "10.0.0.5"),
    ],
)
def test_only_a_trusted_proxy_says_who_is_behind_it(trusted: list[str], forwarded: str, address: str) -> None:
    scope = located(scope_of("10.0.0.5", x_forwarded_for=forwarded), *trusted)
    assert address_of(scope) == address


def test_only_a_proxy_of_this_machine_or_a_trusted_one_says_that_it_is_https() -> None:
    assert is_secure(located(scope_of("127.0.0.1", x_forwarded_proto="https")))
    assert is_secure(located(scope_of("10.0.0.5", x_forwarded_proto="https"), "10.0.0.5"))
    assert not is_secure(located(scope_of("10.0.0.5", x_forwarded_proto="https")))


def test_what_is_no_address_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"'proxy\.example\.com'"):
        Proxies(["proxy.example.com"])


def test_the_cookie_has_the_port_that_the_browser_knows() -> None:
    assert cookie_name(scope_of("127.0.0.1", host="localhost:8001")) == "toolhone_session_8001"
    assert cookie_name(scope_of("127.0.0.1", host="localhost")) == "toolhone_session_80"
    behind = scope_of("127.0.0.1", host="tools.example.com", x_forwarded_proto="https")
    assert cookie_name(behind) == "__Host-toolhone_session_443"
