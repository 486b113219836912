"""Toolhone on a port: who may reach it, and how it ends."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import TypeAlias

import anyio
import httpx2
import pytest
from mcp import Client, types

from toolhone import __version__
from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json
Watch: TypeAlias = Callable[[int], Json]

PLACES = [("POST", "/mcp"), ("GET", "/mcp"), ("GET", "/sse"), ("POST", "/messages/"), ("GET", "/health")]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}
STATELESS = {
    **ACCEPT,
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "call_tools",
}
ENDLESS: JsonObject = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "call_tools",
        "arguments": {
            "calls": [
                {"tool": "plain__wait_forever", "arguments": {}},
                {"tool": "plain__progress", "arguments": {}},
            ]
        },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": 1,
        },
    },
}


@pytest.fixture
def http(http_server: Http) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=http_server.url, timeout=60) as client:
        yield client


def test_health_says_that_it_serves(http: httpx2.Client) -> None:
    answer = http.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__}


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_foreign_host_header_is_refused(http: httpx2.Client, method: str, path: str) -> None:
    body = json.dumps(INITIALIZE) if method == "POST" else None
    headers = {**ACCEPT, "Host": "evil.example.com", "Content-Type": "application/json"}
    answer = http.request(method, path, headers=headers, content=body)
    assert answer.status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1.evil.example.com"])
@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_foreign_origin_is_refused(http: httpx2.Client, method: str, path: str, origin: str) -> None:
    body = json.dumps(INITIALIZE) if method == "POST" else None
    headers = {**ACCEPT, "Origin": origin, "Content-Type": "application/json"}
    answer = http.request(method, path, headers=headers, content=body)
    assert answer.status_code == 403


def test_a_page_of_this_machine_may_ask(http: httpx2.Client, http_server: Http) -> None:
    answer = http.post("/mcp", headers={**ACCEPT, "Origin": http_server.url}, json=INITIALIZE)
    assert answer.status_code == 200


def test_only_bodies_of_up_to_four_megabytes_are_read(http: httpx2.Client) -> None:
    large = {**INITIALIZE, "padding": "x" * 4 * 1024 * 1024}
    assert http.post("/mcp", headers=ACCEPT, json=large).status_code == 413
    assert http.post("/messages/?session_id=" + "0" * 32, json=large).status_code == 413
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("body", [b"", b"garbage{", b"[]", b"\xff\xfe", b'{"jsonrpc":"2.0"}'])
def test_a_body_that_is_not_json_rpc_is_a_client_error(http: httpx2.Client, body: bytes) -> None:
    answer = http.post("/mcp", headers={**ACCEPT, "Content-Type": "application/json"}, content=body)
    assert 400 <= answer.status_code < 500
    assert http.get("/health").status_code == 200


def test_other_paths_and_methods_are_refused(http: httpx2.Client) -> None:
    assert http.get("/health/more").status_code == 401
    assert http.get("/login/more", headers={"Accept": "text/html"}).status_code == 303
    assert http.put("/mcp").status_code == 405
    assert http.post("/health").status_code == 405


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("0.0.0.0:0", "--remote"),
        ("[::]:0", "--remote"),
        ("192.168.1.5:8000", "--remote"),
        ("example.com:8000", "--remote"),
        ("127.0.0.1", "HOST:PORT"),
        ("127.0.0.1:http", "HOST:PORT"),
        ("127.0.0.1:70000", "HOST:PORT"),
    ],
)
def test_only_addresses_of_this_machine_are_listened_on(address: str, says: str) -> None:
    from toolhone.exceptions import ConfigurationError
    from toolhone.server.addresses import parse_address

    with pytest.raises(ConfigurationError, match=says):
        parse_address(address)


def test_an_address_that_others_can_reach_ends_the_command_with_one_clear_line(site: Site) -> None:
    done = site.toolhone(*site.command[3:], "--http", "0.0.0.0:0")
    assert done.returncode == 1
    assert done.stderr.startswith("error: '0.0.0.0:0' can be reached from other machines")
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_ends_the_command_with_one_clear_line(site: Site, http_server: Http) -> None:
    done = site.toolhone(*site.command[3:], "--http", http_server.url.removeprefix("http://"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: 127.0.0.1:")
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_result_of_http_is_not_read_over_stdio_nor_the_other_way(
    shared_site: Site, http_server: Http
) -> None:
    rows: JsonObject = {"calls": [{"tool": "list_rows", "arguments": {"count": 2_000}}]}
    with anyio.fail_after(90), shared_site.stdio() as host:
        host.initialize()
        async with Client(f"{http_server.url}/mcp") as client:
            answer = await client.call_tool("call_tools", rows)
            over_http = answer.structured_content["results"][0]["handle"]
            over_stdio = host.call("call_tools", **rows)["results"][0]["handle"]

            assert host.call("read_result", handle=over_stdio)["total"] > 0
            page = await client.call_tool("read_result", {"handle": over_http})
            assert page.structured_content["total"] > 0
            refused = host.ask("tools/call", name="read_result", arguments={"handle": over_http})
            assert refused["isError"] and "unknown_handle" in refused["content"][0]["text"]
            foreign: Json = await client.call_tool("read_result", {"handle": over_stdio})
            assert foreign.is_error and "unknown_handle" in foreign.content[0].text


async def test_changes_are_told_to_every_session_though_others_do_not_listen(site: Site) -> None:
    site.downstream({"plain": site.plain(deny=["grown"])})
    told = anyio.Event()

    async def note(message: Json) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            told.set()

    with anyio.fail_after(90), site.http("--open-loopback") as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as silent:
            for _ in range(3):  # sessions without a stream that a notification could take
                answer = await silent.post("/mcp", headers=ACCEPT, json=INITIALIZE)
                headers = {**ACCEPT, "Mcp-Session-Id": answer.headers["mcp-session-id"]}
                listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
                assert (await silent.post("/mcp", headers=headers, json=listed)).status_code == 200
            async with Client(f"{server.url}/mcp", mode="legacy", message_handler=note) as client:
                await client.list_tools()
                calls: JsonObject = {"calls": [{"tool": "plain__grow", "arguments": {}}]}
                await client.call_tool("call_tools", calls)
                await told.wait()


async def test_a_signal_ends_it_in_order_though_clients_are_connected_and_calls_run(
    site: Site, watch: Watch
) -> None:
    with site.http("--open-loopback") as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as listening:
            async with Client(f"{server.url}/mcp") as client:
                calls: JsonObject = {"calls": [{"tool": "plain__pid", "arguments": {}}]}
                answer = await client.call_tool("call_tools", calls)
                child = watch(int(answer.structured_content["results"][0]["result"]))
            async with (
                listening.stream("GET", "/sse") as stream,
                listening.stream("POST", "/mcp", headers=STATELESS, json=ENDLESS) as call,
            ):
                assert stream.status_code == 200
                await anext(line async for line in call.aiter_lines() if "notifications/progress" in line)
                server.process.send_signal(signal.SIGTERM)
                code = await anyio.to_thread.run_sync(server.process.wait, 90)
        assert code == 0
        assert child.ends()
        logged = server.errors.rest()
        assert "Traceback" not in logged, logged
