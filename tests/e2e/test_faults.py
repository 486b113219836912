"""What goes wrong around a running toolhone, and what it does then."""

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias

import anyio
import httpx2
import pytest
from mcp import Client

from toolhone import tokens
from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json
Stdio: TypeAlias = Json
Watch: TypeAlias = Callable[[int], Json]


@pytest.fixture(scope="module")
def faulty_site(tmp_path_factory: pytest.TempPathFactory, shared_site: Site) -> Site:
    site = type(shared_site)(tmp_path_factory.mktemp("faulty"))
    site.downstream(
        {
            "plain": site.plain(),
            "victim": site.plain(),
            "impatient": site.plain(limits={"timeoutSeconds": 0.5}),
            "noisy": site.plain("--garbage"),
            "strange": site.plain("--bad"),
            "dead": site.plain("--exit", "no licence found"),
            "mute": site.plain("--hang", "tools/list", startTimeoutSeconds=2),
        }
    )
    return site


@pytest.fixture(scope="module")
def host(faulty_site: Site) -> Iterator[Stdio]:
    """One stdio server that survives everything the tests here do to it."""
    with faulty_site.stdio(TOOLHONE_CALLER_CONCURRENCY="256") as server:
        server.initialize()
        yield server
        server.process.stdin.close()
        assert server.process.wait(90) == 0, server.errors.rest()


# --- the client's side


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        ("garbage{", None, -32700),
        ("[]", None, -32600),
        ("null", None, -32600),
        ("{}", None, -32600),
        ('{"jsonrpc":"2.0"}', None, -32600),
        ('{"jsonrpc":"2.0","id":"lonely"}', "lonely", -32600),
        ('{"jsonrpc":"1.0","id":"old","method":"ping"}', "old", -32600),
    ],
)
def test_a_line_that_is_not_json_rpc_is_answered_and_ends_nothing(
    host: Stdio, line: str, number: str | None, code: int
) -> None:
    host.write(line)
    assert host.answer(number)["error"]["code"] == code
    assert host.run("add", a=1, b=2)["result"] == {"sum": 3}


def test_blank_lines_and_answers_to_nothing_are_passed_over(host: Stdio) -> None:
    before = host.unasked()
    for line in ("", "  ", '{"jsonrpc":"2.0","id":"never asked","result":5}'):
        host.write(line)
    assert host.ask("ping") == {}
    assert host.unasked() == before


def call_of_echo(number: str, arguments: str) -> str:
    """A request in JSON whose arguments are taken as they stand."""
    calls = f'{{"calls":[{{"tool":"plain__echo","arguments":{arguments}}}]}}'
    params = f'{{"name":"call_tools","arguments":{calls}}}'
    return f'{{"jsonrpc":"2.0","id":"{number}","method":"tools/call","params":{params}}}'


@pytest.mark.parametrize("depth", [250, 100_000])
@pytest.mark.parametrize("ends", ["[]", "{}"])
def test_a_request_that_nests_too_deep_is_answered(host: Stdio, depth: int, ends: str) -> None:
    opening = ends[0] if ends == "[]" else '{"a":'
    nested = opening * depth + "1" + ends[1] * depth
    host.write(call_of_echo("deep", f'{{"text":{nested}}}'))
    answer = host.answer("deep")
    assert answer["error"]["code"] == -32700 and "too deep" in answer["error"]["message"]
    assert host.run("plain__echo", text="still here")["success"]


def test_odd_json_is_taken_or_refused_and_ends_nothing(host: Stdio) -> None:
    for number, arguments, told in (
        ("long", f'{{"text":1{"0" * 5_000}}}', "number out of range"),
        ("twice", '{"text":"a","text":"b"}', None),
        ("large", '{"text":1e999}', "1e999 is not a finite number"),
        ("none", '{"text":NaN}', "NaN is not a finite number"),
        ("half", '{"text":"\\ud800"}', "not JSON"),
    ):
        host.write(call_of_echo(number, arguments))
        answer = host.answer(number)
        if told is None:
            assert answer["result"]["structuredContent"]["results"][0]["success"]
        else:
            assert answer["error"]["code"] == -32700 and told in answer["error"]["message"]
    assert host.run("plain__echo", text="still here")["success"]


def test_two_hundred_calls_are_in_flight_at_once(host: Stdio) -> None:
    numbers = [host.begin("meet", guests=200) for _ in range(200)]
    slots = [host.answer(number)["result"]["structuredContent"]["results"][0] for number in numbers]
    assert {slot["result"] for slot in slots} == {"200"}


def test_two_hundred_calls_to_a_downstream_server_get_each_its_own_answer(host: Stdio) -> None:
    numbers = {turn: host.begin("plain__echo", turn=turn) for turn in range(200)}
    for turn, number in numbers.items():
        (slot,) = host.answer(number)["result"]["structuredContent"]["results"]
        assert slot["result"] == {"turn": turn}


def test_a_call_that_the_client_cancels_is_cancelled_downstream(host: Stdio) -> None:
    before = int(host.run("plain__cancelled")["result"])
    number = host.begin("plain__wait_forever")
    assert host.run("plain__echo", x=1)["success"]
    host.notify("notifications/cancelled", requestId=number)
    heard = (int(host.run("plain__cancelled")["result"]) for _ in range(1_000))
    assert any(count == before + 1 for count in heard)


# --- the downstream servers' side


def test_a_server_that_dies_in_mid_call_costs_that_call_and_is_started_again(host: Stdio) -> None:
    slots = host.call(
        "call_tools",
        calls=[{"tool": "plain__die", "arguments": {}}, {"tool": "add", "arguments": {"a": 1, "b": 1}}],
    )["results"]
    assert slots[0]["error"]["code"] == "connection_lost"
    assert slots[1]["result"] == {"sum": 2}
    assert host.run("plain__echo", back=True)["result"] == {"back": True}


def test_a_server_that_is_killed_in_mid_call_is_started_again(host: Stdio) -> None:
    pid = int(host.run("victim__pid")["result"])
    waiting = host.begin("victim__wait_forever")
    assert host.run("victim__echo", x=1)["success"]
    os.kill(pid, signal.SIGKILL)
    (slot,) = host.answer(waiting)["result"]["structuredContent"]["results"]
    assert slot["error"]["code"] == "connection_lost"
    assert int(host.run("victim__pid")["result"]) != pid


def test_a_tool_that_hangs_is_given_up_in_its_time_and_told_so(host: Stdio) -> None:
    slot = host.run("impatient__wait_forever")
    assert slot["error"]["code"] == "timeout"
    assert "0.5 s" in slot["error"]["message"]
    assert host.run("impatient__cancelled")["result"] == "1"


def test_what_a_server_prints_between_its_messages_is_skipped(host: Stdio) -> None:
    assert host.run("noisy__echo", x=1)["result"] == {"x": 1}


def test_a_wrong_tool_in_a_listing_costs_only_itself(host: Stdio) -> None:
    assert host.run("strange__echo", x=1)["result"] == {"x": 1}
    names = [tool["name"] for tool in catalog_of(host)]
    assert len(names) == len(set(names))
    assert not any("no_schema" in name for name in names)


def test_servers_that_do_not_start_are_shown_with_the_reason_and_harm_nobody(
    host: Stdio, faulty_site: Site
) -> None:
    assert host.run("dead__anything")["error"]["code"] == "unknown_tool"
    assert host.run("add", a=2, b=2)["success"]
    places = ["--config", str(faulty_site.config), "--data", str(faulty_site.data)]
    told = json.loads(faulty_site.toolhone("servers", *places, "--json").stdout)
    states = {state["name"]: state for state in told}
    assert "no licence found" in states["dead"]["error"]
    assert "2 s" in states["mute"]["error"]
    assert states["plain"]["error"] is None and states["plain"]["tools"] == 10


def catalog_of(host: Stdio) -> list[JsonObject]:
    tools: list[JsonObject] = []
    uri: str | None = "toolhone://catalog"
    while uri:
        page = json.loads(host.ask("resources/read", uri=uri)["contents"][0]["text"])
        tools += page["tools"]
        uri = page.get("next")
    return tools


def test_ten_thousand_tools_stay_behind_a_small_listing(site: Site) -> None:
    site.downstream({"huge": site.plain("--tools", "10000")})
    with site.stdio() as host:
        host.initialize()
        listed = host.ask("tools/list")["tools"]
        if "huge (" not in listed[0]["description"]:  # the machine is busy, and a listing waits but a moment
            host.wait_for("notifications/tools/list_changed")
            listed = host.ask("tools/list")["tools"]
        as_passed_on = json.dumps(
            [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in listed],
            separators=(",", ":"),
        )
        assert "huge (10000)" in listed[0]["description"]
        assert tokens.count_tokens(as_passed_on) <= 1_900
        found = host.call("find_tools", task="please run huge__tool_7777", max_tools=1)
        assert [tool["name"] for tool in found["tools"]] == ["huge__tool_7777"]
        assert found["considered"] == 10_003
        assert len(catalog_of(host)) == 10_003


# --- clients that leave


@pytest.mark.parametrize("way", ["stateless", "sse"])
async def test_a_client_that_leaves_in_mid_call_cancels_it_downstream(http_server: Http, way: str) -> None:
    leave = leave_a_stateless_request if way == "stateless" else leave_a_session
    with anyio.fail_after(90):
        async with Client(f"{http_server.url}/mcp") as asking, httpx2.AsyncClient(timeout=60) as leaving:
            before = await cancelled(asking)
            while await cancelled(asking) == before:
                await leave(leaving, http_server.url)


async def cancelled(client: Client) -> int:
    """How many of its calls the downstream server has seen cancelled."""
    calls: list[Json] = [{"tool": "plain__cancelled", "arguments": {}}]
    answer = await client.call_tool("call_tools", {"calls": calls})
    return int(answer.structured_content["results"][0]["result"])


WAITING: JsonObject = {
    "name": "call_tools",
    "arguments": {
        "calls": [
            {"tool": "plain__wait_forever", "arguments": {}},
            {"tool": "plain__progress", "arguments": {}},
        ]
    },
}
"""The second call's progress tells that the first is, most likely, under way too."""


def request(number: int, method: str, **params: Json) -> JsonObject:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def leave_a_stateless_request(client: httpx2.AsyncClient, url: str) -> None:
    meta: JsonObject = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "call_tools",
    }
    body = request(1, "tools/call", **WAITING, _meta=meta)
    async with client.stream("POST", f"{url}/mcp", headers=headers, json=body) as response:
        await progress_in(response.aiter_lines())


async def leave_a_session(client: httpx2.AsyncClient, url: str) -> None:
    async with client.stream("GET", f"{url}/sse") as response:
        lines = response.aiter_lines()
        address = url + await anext(line[6:] async for line in lines if line.startswith("data: "))
        about = {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        await client.post(address, json=request(1, "initialize", **about))
        await client.post(address, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.post(address, json=request(2, "tools/call", **WAITING, _meta={"progressToken": 1}))
        await progress_in(lines)


async def progress_in(lines: AsyncIterator[str]) -> None:
    async for line in lines:
        if "notifications/progress" in line:
            return
    raise AssertionError("the answer came to its end")


# --- the end of toolhone


@pytest.mark.parametrize("end", ["killed", "terminated", "left"])
def test_no_child_outlives_toolhone_and_what_was_answered_is_recorded(
    site: Site, watch: Watch, end: str
) -> None:
    with site.stdio() as host:
        host.initialize()
        child = watch(int(host.run("plain__pid")["result"]))
        assert host.run("add", a=20, b=22)["success"]
        host.begin("plain__wait_forever")
        assert host.run("plain__echo", last="answer")["success"]
        if end == "killed":
            host.process.kill()
        elif end == "terminated":
            host.process.terminate()
        else:
            host.process.stdin.close()
        code = host.process.wait(90)
        assert child.ends()
        if end == "left":
            assert code == 0
            assert "Traceback" not in host.errors.rest()

    data = ["--data", str(site.data), "--json"]
    rows = json.loads(site.toolhone("audit", "list", "--kind", "call", *data).stdout)
    last = next(row for row in rows if row["success"])
    assert last["tool_name"] == "plain__echo"
    assert last["parameters"] == {"last": "answer"}
    if end == "left":
        assert rows[0]["error_code"] == "cancelled"
    verified = site.toolhone("audit", "verify", *data)
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["whole"]


def test_two_toolhones_share_a_data_folder(site: Site) -> None:
    with site.stdio() as one, site.stdio() as two:
        hosts = (one, two)
        for host in hosts:
            host.initialize()
        numbers = [(host, host.begin("add", a=turn, b=turn)) for turn in range(100) for host in hosts]
        for host, number in numbers:
            assert host.answer(number)["result"]["structuredContent"]["results"][0]["success"]
    verified = json.loads(site.toolhone("audit", "verify", "--data", str(site.data), "--json").stdout)
    assert verified["whole"], verified["problems"]
    with contextlib.closing(sqlite3.connect(site.data / "audit.db")) as database:
        (calls,) = database.execute("SELECT COUNT(*) FROM audit WHERE kind = 'call' AND success").fetchone()
    assert calls == 200
