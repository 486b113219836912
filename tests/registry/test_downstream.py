"""Supervised downstream servers, against real processes and real HTTP ports."""

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from toolhone.exceptions import (
    ConfigurationError,
    ConnectionLostError,
    NotRunningError,
    ServerAuthenticationError,
    ServerUnavailableError,
    StorageError,
    ToolFailedError,
    UnknownToolError,
)
from toolhone.models import Category, Json, JsonObject, Limits, ToolDefinition, ToolOutput
from toolhone.registry.config import Command, Endpoint, ServerEntry, ServerSettings
from toolhone.registry.downstream import DownstreamServers
from toolhone.registry.self_reference import NESTING_MARK
from toolhone.registry.server_state import ServerState
from toolhone.stores import StoredCatalog

SERVERS = Path(__file__).parent / "servers"


class MemoryCatalogs:
    def __init__(self, *catalogs: StoredCatalog) -> None:
        self.kept = {catalog.server: catalog for catalog in catalogs}

    def load(self) -> dict[str, StoredCatalog]:
        return dict(self.kept)

    def save(self, catalog: StoredCatalog) -> None:
        self.kept[catalog.server] = catalog

    def delete(self, server: str) -> None:
        self.kept.pop(server, None)

    def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def plain(
    name: str, *args: str, toolhone: JsonObject | None = None, fingerprint: str = "sha256:1"
) -> ServerEntry:
    """A server that starts in milliseconds; see `servers/plain.py` for what it can be told."""
    command = Command(
        command=sys.executable, args=("-I", "-S", str(SERVERS / "plain.py"), *map(str, args)), env={}
    )
    settings = ServerSettings.model_validate(toolhone or {})
    return ServerEntry(name=name, fingerprint=fingerprint, target=command, settings=settings)


def endpoint(name: str, url: str, transport: Json = "http", **headers: str) -> ServerEntry:
    target = Endpoint(url=url, headers=headers, transport=transport)
    return ServerEntry(name=name, fingerprint="sha256:1", target=target, settings=ServerSettings())


class Told:
    """Everything the supervisor reported, as (server, what)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self._more = anyio.Event()

    def __call__(self, server: str, what: str, detail: JsonObject) -> None:
        self.events.append((server, what))
        self._more.set()
        self._more = anyio.Event()

    async def until(self, server: str, what: str) -> None:
        with anyio.fail_after(60):
            while (server, what) not in self.events:
                await self._more.wait()


class Running:
    """The servers under test, and short ways to ask them."""

    def __init__(self, servers: DownstreamServers, told: Told) -> None:
        self.servers = servers
        self.told = told

    def tool(self, name: str) -> ToolDefinition:
        return {tool.name: tool for tool in self.servers.tools()}[name]

    def state(self, name: str) -> ServerState:
        return {state.name: state for state in self.servers.states()}[name]

    async def call(self, name: str, **arguments: Json) -> ToolOutput:
        return await self.servers.call(self.tool(name), arguments)

    async def until_changed(self, condition: Callable[[], bool]) -> None:
        changed = anyio.Event()
        stop = self.servers.subscribe(lambda: changed.set())
        with anyio.fail_after(60):
            while not condition():
                await changed.wait()
                changed = anyio.Event()
        stop()


@asynccontextmanager
async def running(
    entries: Sequence[ServerEntry],
    store: MemoryCatalogs | None = None,
    *,
    listed: bool = True,
    **options: Json,
) -> AsyncGenerator[Running]:
    told = Told()
    servers = DownstreamServers(
        entries, lambda: store or MemoryCatalogs(), os.environ, on_event=told, **options
    )
    with anyio.fail_after(40):
        async with anyio.create_task_group() as tasks:
            await tasks.start(servers.run)
            if listed:
                assert await servers.wait_listed(20)
            yield Running(servers, told)
            tasks.cancel_scope.cancel()


async def stay_asleep(_seconds: float) -> None:
    await anyio.sleep_forever()


def starts(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except FileNotFoundError:
        return True


STORED = StoredCatalog(
    server="one",
    fingerprint="sha256:1",
    content_hash="sha256:2",
    tools=({"name": "echo", "inputSchema": {"type": "object"}}, {"name": "gone", "inputSchema": {}}),
    listed_at="2026-01-01T00:00:00+00:00",
)


async def test_tools_are_known_before_their_server_starts_and_a_call_starts_it(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    store = MemoryCatalogs(STORED)
    async with running([plain("one", "--starts", str(log))], store) as up:
        assert [tool.name for tool in up.servers.tools()] == ["one__echo", "one__gone"]
        assert (up.state("one").state, up.state("one").listed_at) == ("idle", STORED.listed_at)
        assert starts(log) == []
        gone = up.tool("one__gone")

        answer = await up.call("one__echo", text="hello", nothing=None)

        assert answer.structured == {"text": "hello", "nothing": None}
        assert len(starts(log)) == 1
        # What it really has was listed on connect, stored, and replaced what was remembered.
        assert store.kept["one"].content_hash != STORED.content_hash
        assert up.state("one").state == "ready"
        assert up.state("one").pid == starts(log)[0]
        with pytest.raises(UnknownToolError, match="'gone'"):
            await up.servers.call(gone, {})
    assert is_gone(starts(log)[0])


async def test_a_stored_listing_of_another_entry_is_not_used(tmp_path: Path) -> None:
    async with running([plain("one", fingerprint="sha256:other")], MemoryCatalogs(STORED)) as up:
        assert "one__gone" not in [tool.name for tool in up.servers.tools()]
        assert "one__wait_forever" in [tool.name for tool in up.servers.tools()]


async def test_without_a_store_everything_else_works() -> None:
    def fail() -> MemoryCatalogs:
        raise StorageError("no room")

    servers = DownstreamServers([plain("one")], fail, os.environ)
    async with anyio.create_task_group() as tasks:
        await tasks.start(servers.run)
        assert await servers.wait_listed(15)
        assert servers.tools()
        tasks.cancel_scope.cancel()
    with pytest.raises(NotRunningError):
        await servers.call(servers.tools()[0], {})


async def test_servers_that_misbehave_harm_nobody_else() -> None:
    problem = ConfigurationError("Server 'invalid': command is missing.")
    blank = ServerSettings()
    entries = [
        plain("good"),
        plain("mixed", "--bad"),
        plain("noisy", "--garbage"),
        plain("many", "--tools", "10000"),
        plain("hanging", "--hang", "initialize", toolhone={"startTimeoutSeconds": 0.5}),
        plain("mute", "--hang", "tools/list", toolhone={"startTimeoutSeconds": 0.5}),
        plain("endless", "--endless"),
        plain("keyless", "--exit", "I need a key"),
        ServerEntry(
            name="missing",
            fingerprint="",
            target=Command(command="no-such-command", env={}),
            settings=blank,
        ),
        endpoint("nobody", "http://127.0.0.1:9/mcp"),
        ServerEntry(name="invalid", fingerprint="", target=None, settings=blank, problem=problem),
        ServerEntry(name="off", fingerprint="", target=None, settings=blank, disabled=True),
    ]
    async with running(entries, sleep=stay_asleep) as up:
        for name in ("good", "mixed", "noisy", "many"):
            await up.told.until(name, "started")
        assert up.state("good").state == "ready"
        assert up.state("good").error is None
        assert (await up.call("good__echo", a=1)).structured == {"a": 1}

        mixed = " ".join(up.state("mixed").problems)
        assert up.state("mixed").tools == up.state("good").tools
        for words in (
            "number 11",
            "'no_schema'",
            "/properties/a/type: 'text' is not a type",
            "'array'",
            "listed twice",
        ):
            assert words in mixed

        assert (await up.call("noisy__echo", a=2)).structured == {"a": 2}
        assert any("were not MCP" in told for told in up.state("noisy").problems)

        assert up.state("many").tools == 10_000
        assert up.tool("many__tool_9999").original_name == "tool_9999"

        for name, words in {
            "hanging": "did not answer within 0.5 s",
            "mute": "did not answer within 0.5 s",
            "endless": "has no end",
            "keyless": "It ended before it answered. It wrote: I need a key",
            "missing": "Cannot start 'no-such-command': No such file or directory",
            "nobody": "ConnectError",
        }.items():
            state = up.state(name)
            assert (state.state, state.attempts) == ("backoff", 1), state
            assert words in (state.error or ""), state
            assert state.next_attempt is not None
        assert (up.state("invalid").state, up.state("invalid").error) == ("invalid", problem.message)
        assert up.state("off").state == "disabled"
        with pytest.raises(ServerUnavailableError, match="command is missing"):
            await up.servers.restart("invalid")
        with pytest.raises(ConfigurationError, match="no server 'nobody else'"):
            await up.servers.refresh(["nobody else"])


async def test_answers_come_back_as_they_were_sent() -> None:
    reports: list[tuple[float, float | None, str | None]] = []
    finished = anyio.Event()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))
        if progress == total:
            finished.set()

    async with running([plain("one")]) as up:
        odd = await up.call("one__odd")
        assert odd.content[0] == {"type": "text", "text": "fine"}
        assert json.loads(odd.content[1]["text"]) == {"type": "smell", "strength": 3}
        assert odd.has_structured and odd.structured is None
        assert "block 2" in odd.notices[0]

        with pytest.raises(ToolFailedError, match=r"error -32050: no luck today") as failed:
            await up.call("one__fail")
        assert failed.value.data["code"] == -32050

        await up.servers.call(up.tool("one__progress"), {}, report_progress=report)
        with anyio.fail_after(60):
            await finished.wait()
        assert reports == [(1, 2, "step 1"), (2, 2, "step 2")]

        long = up.tool("one__for_ever").description
        assert len(long) < 17_000
        assert long.endswith("[toolhone shows 16384 of 20000 characters]")


@pytest.mark.parametrize("message", ["Database is locked", "Connection closed"])
async def test_an_error_with_the_code_of_a_lost_connection_is_an_answer(message: str) -> None:
    async with running([plain("one", "--more")]) as up:
        before = (await up.call("one__pid")).text
        with pytest.raises(ToolFailedError, match=f"with error -32000: {message}") as failed:
            await up.call("one__refuse", code=-32000, message=message, data={"try": "later"})
        assert failed.value.data == {"code": -32000, "data": {"try": "later"}}
        with pytest.raises(ToolFailedError) as failed:
            await up.call("one__refuse", code=-32000, message=message)
        assert failed.value.data == {"code": -32000}
        assert (await up.call("one__pid")).text == before
        assert [what for _, what in up.told.events] == ["listed", "started"]


async def test_a_server_is_made_ready_without_a_call(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    async with running([plain("one", "--starts", str(log))], MemoryCatalogs(STORED)) as up:
        echo = up.tool("one__echo")
        assert up.state("one").state == "idle"
        await up.servers.ensure_ready(echo)
        assert up.state("one").state == "ready"
        with anyio.CancelScope() as scope:
            scope.cancel()
            # Once it runs, there is nothing to wait for: not even a cancellation is noticed.
            await up.servers.ensure_ready(echo)
        assert not scope.cancelled_caught
        assert len(starts(log)) == 1


async def test_a_server_that_cannot_be_made_ready_says_why() -> None:
    async with running([plain("one", "--exit", "I need a key")], MemoryCatalogs(STORED)) as up:
        with pytest.raises(ServerUnavailableError, match=r"did not start.*I need a key"):
            await up.servers.ensure_ready(up.tool("one__echo"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in the file system")
async def test_a_server_that_waits_for_its_turn_to_start_says_so(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    entries = [plain("first", "--gate", str(gate)), plain("second")]
    async with running(entries, max_starting=1, listed=False) as up:
        await anyio.wait_all_tasks_blocked()
        assert (up.state("first").state, up.state("first").error) == ("starting", None)
        assert up.state("second").state == "starting"
        assert "Waiting to start" in (up.state("second").error or "")
        await anyio.to_thread.run_sync(gate.write_bytes, b"")
        await up.told.until("second", "started")
        assert (up.state("second").state, up.state("second").error) == ("ready", None)


async def test_a_server_that_turns_out_to_be_toolhone_is_ended_and_not_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    entry = plain("again", "--name", "toolhone", "--starts", str(log))
    async with running([entry], MemoryCatalogs(replace(STORED, server="again")), sleep=stay_asleep) as up:
        for words in ("is toolhone itself", "is invalid"):
            with pytest.raises(ServerUnavailableError, match=words):
                await up.call("again__echo")
        await up.servers.refresh()
        state = up.state("again")
        assert state.state == "invalid"
        assert (state.error or "").startswith("Server 'again' is toolhone itself")
        await up.told.until("again", "failed")
        assert len(starts(log)) == 1
        assert is_gone(starts(log)[0])


async def test_a_server_can_know_that_toolhone_started_it() -> None:
    async with running([plain("one", "--more")]) as up:
        assert (await up.call("one__environment", variable=NESTING_MARK)).text == "1"


async def test_the_last_words_of_a_server_are_told_without_the_secrets_in_them() -> None:
    words = "Bad key sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ\npassword=hunter2secret99"
    async with running([plain("one", "--exit", words)], sleep=stay_asleep) as up:
        error = up.state("one").error or ""
        assert "It wrote: Bad key [REDACTED:api_key] | password=[REDACTED:password]" in error


async def test_what_is_remembered_of_a_server_nobody_has_any_more_is_dropped_after_90_days() -> None:
    day, now = 86_400.0, 1_800_000_000.0
    clock = Clock()
    clock.now = now

    def stored(name: str, days: float) -> StoredCatalog:
        listed_at = datetime.fromtimestamp(now - days * day, UTC).isoformat()
        return replace(STORED, server=name, listed_at=listed_at)

    odd = replace(STORED, server="odd", listed_at="yesterday")
    store = MemoryCatalogs(stored("one", 400), stored("left", 91), stored("elsewhere", 89), odd)
    async with running([plain("one")], store, clock=clock) as up:
        assert up.tool("one__echo")
        assert set(store.kept) == {"one", "elsewhere"}


async def test_a_listing_in_use_is_remembered_anew_once_a_day_though_it_never_changes() -> None:
    clock, store = Clock(), MemoryCatalogs()
    async with running([plain("one")], store, clock=clock) as up:
        await up.told.until("one", "started")
    first, published = store.kept["one"].listed_at, 0

    def count() -> None:
        nonlocal published
        published += 1

    async with running([plain("one")], store, clock=clock) as up:
        up.servers.subscribe(count)
        clock.now += 3_600
        await up.servers.refresh()
        assert store.kept["one"].listed_at == first
        clock.now += 86_400
        await up.servers.refresh()
        assert store.kept["one"].listed_at > first
        assert published == 0
        assert [what for _, what in up.told.events] == ["started"]


async def test_cancelling_a_call_reaches_the_server_and_disturbs_no_other() -> None:
    async with running([plain("one")]) as up:
        with anyio.move_on_after(0.05) as scope:
            await up.call("one__wait_forever")
        assert scope.cancelled_caught
        assert (await up.call("one__cancelled")).text == "1"


async def test_a_server_killed_in_mid_call_fails_that_call_and_comes_back_at_once(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    async with running([plain("one", "--starts", str(log))]) as up:
        outcomes: list[Exception] = []

        async def wait_forever() -> None:
            try:
                await up.call("one__wait_forever")
            except ConnectionLostError as exc:
                outcomes.append(exc)

        first = int((await up.call("one__pid")).text)
        async with anyio.create_task_group() as calls:
            calls.start_soon(wait_forever)
            calls.start_soon(wait_forever)
            await anyio.wait_all_tasks_blocked()
            os.kill(first, signal.SIGKILL)
        assert len(outcomes) == 2
        assert int((await up.call("one__pid")).text) != first
        assert len(starts(log)) == 2


async def test_a_server_that_stays_dead_is_left_alone_for_longer_and_longer(tmp_path: Path) -> None:
    log, dead = tmp_path / "starts", tmp_path / "dead"
    clock = Clock()
    entry = plain("one", "--starts", str(log), "--exit-if", str(dead))
    async with running([entry], clock=clock, random=lambda: 1.0) as up:
        dead.touch()
        with pytest.raises(ConnectionLostError):
            await up.call("one__die")
        with pytest.raises(ServerUnavailableError, match="told to end"):
            await up.call("one__echo")  # the one reconnection that is free
        for pause in (2, 4, 8):
            tried = starts(log)
            with pytest.raises(ServerUnavailableError, match=f"tried again in {pause} s") as refused:
                await up.call("one__echo")
            assert refused.value.data == {"retry_after_seconds": pause}
            assert starts(log) == tried
            assert up.state("one").state == "backoff"
            clock.now += pause
            with pytest.raises(ServerUnavailableError, match="told to end"):
                await up.call("one__echo")
            assert starts(log) > tried
        dead.unlink()
        await up.servers.restart("one")
        assert (await up.call("one__echo", a=1)).structured == {"a": 1}
        assert up.state("one").attempts == 0


async def test_which_calls_would_be_refused_now_and_which_would_probably_fail_is_known(
    tmp_path: Path,
) -> None:
    dead, clock = tmp_path / "dead", Clock()
    entry = plain("one", "--exit-if", str(dead))
    async with running([entry, plain("two")], clock=clock, random=lambda: 1.0) as up:
        assert up.servers.refusals() == up.servers.failing() == {}
        dead.touch()
        with pytest.raises(ConnectionLostError):
            await up.call("one__die")
        with pytest.raises(ServerUnavailableError):
            await up.call("one__echo")
        assert set(up.servers.refusals()) == {"one"} and up.servers.failing() == {}
        why, tools = up.servers.refusals()["one"]
        assert "told to end" in why and up.tool("one__echo") in tools

        clock.now += 2  # it may be tried again, and will probably fail
        assert set(up.servers.failing()) == {"one"} and up.servers.refusals() == {}

        dead.unlink()
        await up.call("one__echo")
        assert up.servers.refusals() == up.servers.failing() == {}


async def test_denied_tools_are_known_with_the_reason_and_change_with_the_listing() -> None:
    async with running([plain("one", toolhone={"allow": ["e*", "g*", "fail"], "deny": ["f*"]})]) as up:
        denied = {name: tool.reason for name, tool in up.servers.denied().items()}
        assert denied["one__fail"] == "on the deny list of its server"
        assert denied["one__pid"] == "not on the allow list of its server"
        assert up.servers.denied()["one__fail"].definition.original_name == "fail"
        assert not denied.keys() & {tool.name for tool in up.servers.tools()}

        await up.call("one__grow")  # `fail` goes
        await up.until_changed(lambda: "one__grown" in {tool.name for tool in up.servers.tools()})
        assert "one__fail" not in up.servers.denied()


async def test_a_server_that_was_never_listed_is_tried_again_in_the_background(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.touch()
    pauses: list[float] = []

    async def recover(seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds
        dead.unlink()

    clock = Clock()
    async with running(
        [plain("one", "--exit-if", str(dead))], clock=clock, random=lambda: 0.0, sleep=recover
    ) as up:
        await up.until_changed(lambda: bool(up.servers.tools()))
        assert pauses == [0.5]


async def test_a_server_that_ends_at_an_unknown_first_message_is_asked_again() -> None:
    async with running([plain("one", "--strict")]) as up:
        assert (await up.call("one__echo", a=1)).structured == {"a": 1}
        assert up.state("one").attempts == 0


async def test_no_more_servers_start_at_once_than_allowed() -> None:
    entries = [plain(f"s{number}") for number in range(6)]
    async with running(entries, max_starting=1) as up:
        for entry in entries:
            await up.told.until(entry.name, "started")
        # Had a second one begun before the first was through, their reports would be mixed.
        names = [server for server, _ in up.told.events]
        assert names == [entry.name for entry in entries for _ in ("listed", "started")]


async def test_a_server_that_nobody_called_does_not_stay_after_it_was_listed(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    async with running([plain("one", "--starts", str(log))], linger=0.0) as up:
        await up.told.until("one", "stopped")
        assert up.state("one").state == "idle"
        assert is_gone(starts(log)[0])
        assert (await up.call("one__echo", a=1)).structured == {"a": 1}
        assert up.state("one").state == "ready"


async def test_a_changed_list_is_read_again_in_mid_call_and_remembered() -> None:
    store = MemoryCatalogs()
    async with running([plain("one")], store) as up:
        fail = up.tool("one__fail")
        async with anyio.create_task_group() as calls:
            calls.start_soon(up.call, "one__wait_forever")
            await up.call("one__grow")
            await up.until_changed(lambda: "one__grown" in [tool.name for tool in up.servers.tools()])
            # The call that was under way still is, on the same session.
            assert (await up.call("one__grown")).text == "new"
            assert (await up.call("one__cancelled")).text == "0"
            calls.cancel_scope.cancel()
        with pytest.raises(UnknownToolError, match="'fail'"):
            await up.servers.call(fail, {})
        await up.told.until("one", "changed")  # which is told once it is kept
        assert "grown" in [tool["name"] for tool in store.kept["one"].tools]
        assert [what for _, what in up.told.events] == ["listed", "started", "changed"]


async def test_a_server_of_the_stateless_era_changes_its_tools_asks_and_is_cancelled() -> None:
    command = Command(command=sys.executable, args=(str(SERVERS / "stateless.py"),), env={})
    entry = ServerEntry(name="new", fingerprint="", target=command, settings=ServerSettings())
    started = anyio.Event()

    async def report(_progress: float, _total: float | None, _message: str | None) -> None:
        started.set()

    async with running([entry]) as up:
        await up.told.until("new", "started")
        assert up.state("new").protocol_version == "2026-07-28"
        with pytest.raises(ToolFailedError, match="asks its user for input"):
            await up.call("new__ask")
        async with anyio.create_task_group() as calls:
            wait = partial(up.servers.call, up.tool("new__wait"), {}, report_progress=report)
            calls.start_soon(wait)
            await started.wait()
            calls.cancel_scope.cancel()
        assert (await up.call("new__cancelled")).text == "1"
        await up.call("new__grow")
        await up.until_changed(lambda: "new__grown" in [tool.name for tool in up.servers.tools()])
        assert "new__ask" not in [tool.name for tool in up.servers.tools()]


async def test_settings_decide_what_is_seen_and_believed() -> None:
    toolhone: JsonObject = {
        "allow": ["echo", "p*"],
        "deny": ["pr*"],
        "trusted": True,
        "category": "marketing_brand",
        "limits": {"maxConcurrency": 3, "timeoutSeconds": 7},
        "tools": {"pid": {"timeoutSeconds": 1, "maxConcurrency": 1, "category": "ecommerce"}},
    }
    async with running([plain("one", toolhone=toolhone), plain("two")]) as up:
        assert [tool.name for tool in up.servers.tools() if tool.server == "one"] == ["one__echo", "one__pid"]
        echo, pid = up.tool("one__echo"), up.tool("one__pid")
        assert echo.read_only and not up.tool("two__echo").read_only
        assert (echo.category, pid.category) == (Category.MARKETING_BRAND, Category.ECOMMERCE)
        assert echo.limits == Limits(timeout_seconds=7)
        assert pid.limits == Limits(timeout_seconds=1, max_concurrency=1)
        assert up.servers.server_limits["one"] == Limits(max_concurrency=3, timeout_seconds=7)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has job objects instead")
async def test_a_stubborn_server_and_what_it_started_end_with_us(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with running([plain("one", "--stubborn", str(pids))]) as up:
        await up.told.until("one", "started")
        assert up.state("one").state == "ready"
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())


class Door:
    """Lets in who shows the token; can be told to let nobody in."""

    token = "Bearer open"

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and headers.get(b"authorization") != Door.token.encode():
            await PlainTextResponse("who are you?", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@asynccontextmanager
async def web_server() -> AsyncGenerator[str]:
    mcp = MCPServer("web")

    @mcp.tool()
    def add(a: int, b: int) -> int:  # pyright: ignore[reportUnusedFunction]
        return a + b

    streamable, sse = mcp.streamable_http_app(), mcp.sse_app()
    app = Starlette(
        routes=[*streamable.routes, *sse.routes],
        middleware=[Middleware(Door)],
        lifespan=lambda _app: mcp.session_manager.run(),
    )
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncGenerator[str]:
    started = anyio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="auto"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        with anyio.fail_after(60):
            await started.wait()
        try:
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = server.force_exit = True


async def test_http_servers_of_both_kinds_work_and_a_refused_credential_stops_all_tries() -> None:
    async with web_server() as url:
        entries = [
            endpoint("web", f"{url}/mcp", Authorization=Door.token),
            endpoint("old", f"{url}/sse", "sse", Authorization=Door.token),
            endpoint("closed", f"{url}/mcp", Authorization="Bearer wrong"),
            endpoint("shut", f"{url}/sse", "sse"),
            endpoint("lost", f"{url}/nowhere", Authorization=Door.token),
        ]
        async with running(entries, sleep=stay_asleep) as up:
            for name in ("web", "old"):
                await up.told.until(name, "started")
            assert up.state("web").protocol_version == "2026-07-28"
            assert (await up.call("web__add", a=1, b=2)).structured == {"result": 3}
            assert (await up.call("old__add", a=1, b=2)).structured == {"result": 3}
            for name in ("closed", "shut"):
                assert up.state(name).state == "failed"
                assert "HTTP 401" in (up.state(name).error or "")
                await up.servers.refresh([name])
                assert up.state(name).state == "failed"
                with pytest.raises(ServerAuthenticationError):
                    await up.servers.restart(name)
            assert "HTTP 404" in (up.state("lost").error or "")


async def test_a_credential_refused_later_fails_the_call_and_stops_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        web_server() as url,
        running([endpoint("web", f"{url}/mcp", Authorization=Door.token)]) as up,
    ):
        monkeypatch.setattr(Door, "token", "Bearer changed")
        with pytest.raises(ServerAuthenticationError):
            await up.call("web__add", a=1, b=2)
        assert up.state("web").state == "failed"
        with pytest.raises(ServerAuthenticationError):
            await up.call("web__add", a=1, b=2)


class OldWeb:
    """A web server of the handshake era that can forget its sessions, as after a restart."""

    def __init__(self, *, standard: bool = True) -> None:
        self.standard = standard
        """Answers to an unknown session as the standard says, not as servers on the TypeScript SDK do."""
        self.breaks_off = False
        """Ends the stream of a tool's answer before there is one."""
        self.session = 1
        self.calls: list[str] = []

    async def answer(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message: JsonObject = await request.json()
        method, headers = message["method"], {"mcp-session-id": str(self.session)}
        self.calls.append(method)
        if method == "initialize":
            result: JsonObject = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "serverInfo": {"name": "old", "version": "1"},
            }
        elif method == "server/discover":
            return JSONResponse({"error": "no such method"}, 400)
        elif request.headers.get("mcp-session-id") != str(self.session):
            if self.standard:
                return PlainTextResponse("Session not found", 404)
            error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
            return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
        elif method == "tools/call" and self.breaks_off:
            return Response(": nothing\n\n", media_type="text/event-stream", headers=headers)
        elif method == "tools/list":
            result = {"tools": [{"name": "which", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": str(self.session)}]}
        else:
            return Response(status_code=202)
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=headers)


@pytest.mark.parametrize("standard", [True, False])
async def test_a_forgotten_http_session_is_renewed_and_the_call_is_sent_again(standard: bool) -> None:
    web = OldWeb(standard=standard)
    app = Starlette(routes=[Route("/mcp", web.answer, methods=["GET", "POST", "DELETE"])])
    async with serving(app) as url, running([endpoint("old", f"{url}/mcp")]) as up:
        assert (await up.call("old__which")).text == "1"
        web.session = 2
        assert (await up.call("old__which")).text == "2"
        assert web.calls.count("initialize") == 2
        assert web.calls.count("tools/call") == 3


async def test_an_answer_over_http_that_breaks_off_is_lost_and_the_call_is_not_sent_again() -> None:
    web = OldWeb()
    app = Starlette(routes=[Route("/mcp", web.answer, methods=["GET", "POST", "DELETE"])])
    async with serving(app) as url, running([endpoint("old", f"{url}/mcp")]) as up:
        web.breaks_off = True
        with pytest.raises(ConnectionLostError):
            await up.call("old__which")
        assert web.calls.count("tools/call") == 1
        web.breaks_off = False
        assert (await up.call("old__which")).text == "1"


async def test_an_http_server_that_went_away_is_reported_as_not_reached() -> None:
    async with web_server() as url:
        entry = endpoint("web", f"{url}/mcp", Authorization=Door.token)
        store = MemoryCatalogs()
        async with running([entry], store) as up:
            await up.told.until("web", "started")
    async with running([entry], store) as up:
        with pytest.raises(ServerUnavailableError, match="ConnectError"):
            await up.call("web__add", a=1, b=2)
        with pytest.raises(ServerUnavailableError, match="tried again in 1 s"):
            await up.call("web__add", a=1, b=2)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK logs a traceback for every line that is not MCP."""
    caplog.set_level(logging.CRITICAL, logger="mcp.client.stdio")
