"""Which requests of a login go through a proxy, as the environment says it."""

from contextlib import AsyncExitStack

import anyio
import anyio.abc
import httpx2
import pytest

from toolhone.exceptions import ConfigurationError
from toolhone.registry.config import Endpoint
from toolhone.registry.exchange import authorizing
from toolhone.registry.oauth_settings import OAuth
from toolhone.registry.proxies import proxy_for

PUBLIC = Endpoint(url="http://93.184.215.14/mcp", headers={}, transport="http", oauth=OAuth())


@pytest.mark.parametrize(
    ("environment", "address", "proxy"),
    [
        ({}, "https://a.example.org", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.example.org", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://a.example.org", "http://p:1"),
        ({"HTTPS_PROXY": ""}, "https://a.example.org", None),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.example.org", None),
        ({"ALL_PROXY": "http://p:1"}, "https://a.example.org", "http://p:1"),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://big:1"}, "https://a.b", "http://small:1"),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://one:1"}, "https://a.b", "http://one:1"),
    ],
)
def test_each_scheme_has_its_proxy(environment: dict[str, str], address: str, proxy: str | None) -> None:
    assert proxy_for(httpx2.URL(address), environment) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        ("*", ["https://a.example.org", "https://10.0.0.1"], []),
        ("example.org", ["https://example.org", "https://a.EXAMPLE.org"], ["https://badexample.org"]),
        (".example.org", ["https://a.example.org"], ["https://example.org", "https://bexample.org"]),
        ("*.example.org", ["https://a.example.org"], ["https://example.org"]),
        ("x.org, Example.org", ["https://example.org"], ["https://y.org"]),
        ("example.org:8443", ["https://example.org:8443"], ["https://example.org"]),
        ("example.org:443", ["https://example.org"], ["https://example.org:8443"]),
        ("http://example.org", [], ["https://example.org"]),
        ("https://example.org", ["https://example.org"], []),
        ("10.0.0.0/8", ["https://10.1.2.3"], ["https://11.0.0.1", "https://ten.example.org"]),
        ("10.0.0.1:8443", ["https://10.0.0.1:8443"], ["https://10.0.0.1"]),
        ("::1,fd00::/8", ["https://[::1]", "https://[fd12::1]"], ["https://[fe80::1]"]),
        ("[::1]", ["https://[::1]:8443"], ["https://1"]),
        (",,:²", [], ["https://example.org"]),
    ],
)
def test_what_goes_through_none_is_named(no_proxy: str, direct: list[str], proxied: list[str]) -> None:
    environment = {"https_proxy": "http://p:1", "NO_PROXY": no_proxy}
    assert [proxy_for(httpx2.URL(address), environment) for address in direct] == [None] * len(direct)
    assert [proxy_for(httpx2.URL(address), environment) for address in proxied] == ["http://p:1"] * len(
        proxied
    )


async def test_what_a_proxy_is_for_goes_through_it() -> None:
    asked: list[bytes] = []

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive())
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(
            await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        exchange = await stack.enter_async_context(
            authorizing("docs", PUBLIC, {"HTTP_PROXY": f"127.0.0.1:{port}"})
        )
        with anyio.fail_after(15):
            answered = await exchange.send(httpx2.Request("GET", "http://93.184.215.14/token"))
        tasks.cancel_scope.cancel()

    assert answered.text == "hi"
    assert asked[0].startswith(b"GET http://93.184.215.14/token HTTP/1.1\r\n")


async def test_a_proxy_that_cannot_be_used_is_said_without_its_password() -> None:
    async with authorizing("docs", PUBLIC, {"ALL_PROXY": "gopher://me:s3cret@proxy"}) as exchange:
        with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
            await exchange.send(httpx2.Request("GET", "http://93.184.215.14/token"))
    assert "s3cret" not in caught.value.message
