"""The real `toolhone serve` as a process: over stdio and over a port, as hosts start it."""

import contextlib
import json
import logging
import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from toolhone.cli import toolhone
from toolhone.models import Json, JsonObject

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "tests" / "registry" / "servers" / "plain.py"

PATIENCE = 90.0
"""Seconds after which an answer is given up. The machine may be busy; none of it is waited for in vain."""

ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "inputSchema": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
    "annotations": {"readOnlyHint": True},
    "handler": {"type": "python", "function": "functions_of_e2e:add"},
}
LIST_ROWS = {
    "name": "list_rows",
    "description": "List many rows.",
    "inputSchema": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
    "annotations": {"readOnlyHint": True},
    "handler": {"type": "python", "function": "functions_of_e2e:list_rows"},
}
MEET = {
    "name": "meet",
    "description": "Answer when so many calls are here at once.",
    "inputSchema": {"type": "object", "properties": {"guests": {"type": "integer"}}, "required": ["guests"]},
    "handler": {"type": "python", "function": "functions_of_e2e:meet"},
}
MODULE = """
import anyio

here = 0
full = anyio.Event()


async def meet(guests: int) -> int:
    global here
    here += 1
    if here == guests:
        full.set()
    await full.wait()
    return here


def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


def list_rows(count: int) -> dict[str, object]:
    return {"rows": [{"number": number, "name": f"row {number}"} for number in range(count)]}
"""


class Lines:
    """The lines of a pipe, read by a thread, so that a test never waits for ever."""

    def __init__(self, pipe: IO[str]) -> None:
        self.seen: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[str]) -> None:
        with contextlib.suppress(ValueError):  # the pipe was closed
            for line in pipe:
                self.seen.append(line)
                self._queue.put(line)
        self._queue.put(None)

    def next(self) -> str | None:
        """The next line, or `None` at the end."""
        return self._queue.get(timeout=PATIENCE)

    def rest(self) -> str:
        """Everything there ever was, once the pipe has ended."""
        self._thread.join(PATIENCE)
        return "".join(self.seen)


def stop(process: subprocess.Popen[str]) -> None:
    """The end of a test: nothing of it stays."""
    if process.poll() is None:
        process.kill()
    process.wait(PATIENCE)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class Stdio:
    """A host's end of a stdio server, in plain JSON-RPC."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            arguments,
            env=env,
            text=True,
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout and self.process.stderr
        self._answers = Lines(self.process.stdout)
        self.errors = Lines(self.process.stderr)
        self._numbers = count(1)
        self._answered: dict[int | str | None, JsonObject] = {}
        self.notifications: list[JsonObject] = []

    def write(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Json) -> int:
        """A request; `answer` waits for what comes of it."""
        number = next(self._numbers)
        self.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        return number

    def notify(self, method: str, **params: Json) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))

    def answer(self, number: int | str | None) -> JsonObject:
        while number not in self._answered:
            self._take()
        return self._answered.pop(number)

    def wait_for(self, method: str) -> None:
        """Until the server has told this by itself."""
        while not any(one["method"] == method for one in self.notifications):
            self._take()

    def _take(self) -> None:
        line = self._answers.next()
        assert line is not None, f"the server ended: {self.errors.rest()}"
        message = json.loads(line)
        if "id" in message:
            self._answered[message["id"]] = message
        else:
            self.notifications.append(message)

    def unasked(self) -> list[JsonObject]:
        """Answers that came while another was waited for, and that nobody has asked for since."""
        return list(self._answered.values())

    def ask(self, method: str, **params: Json) -> JsonObject:
        answer = self.answer(self.send(method, **params))
        assert "result" in answer, answer
        return answer["result"]

    def initialize(self, version: str = "2025-11-25") -> JsonObject:
        told = self.ask(
            "initialize",
            protocolVersion=version,
            capabilities={},
            clientInfo={"name": "test host", "version": "1"},
        )
        self.notify("notifications/initialized")
        return told

    def call(self, tool: str, **arguments: Json) -> JsonObject:
        """The structured answer of one of toolhone's tools."""
        return self.ask("tools/call", name=tool, arguments=arguments)["structuredContent"]

    def run(self, name: str, **arguments: Json) -> JsonObject:
        """The slot of one call through toolhone."""
        return self.call("call_tools", calls=[{"tool": name, "arguments": arguments}])["results"][0]

    def begin(self, name: str, **arguments: Json) -> int:
        return self.send(
            "tools/call",
            name="call_tools",
            arguments={"calls": [{"tool": name, "arguments": arguments}]},
        )


class Http:
    """A toolhone on a port of this machine."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            arguments, env=env, text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout and self.process.stderr
        self.output = Lines(self.process.stdout)
        self.errors = Lines(self.process.stderr)
        self.url = ""
        self.login = ""
        """The address that logs a browser in, once."""
        self.first_token: str | None = None
        """The token of an admin, if this is the first start on its data folder."""

    def wait(self) -> None:
        """Until it has said where it is and how to get in."""
        while not self.login:
            line = self.errors.next()
            assert line is not None, f"it ended: {self.errors.rest()}"
            if token := re.search(r"thk_\w+", line):
                self.first_token = token[0]
            if login := re.search(r"https?://\S+/login\?code=\S+", line):
                self.login = login[0]
                self.url = self.login.partition("/login")[0]

    def end(self) -> tuple[int, str]:
        """Ask it to end, as a service manager does: (exit code, what it logged)."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), self.errors.rest()


class Site:
    """A registry, a configuration and a data folder, and how toolhone is started on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.registry = folder / "registry"
        self.registry.mkdir(parents=True)
        for tool in (ADD, LIST_ROWS, MEET):
            (self.registry / f"{tool['name']}.json").write_text(json.dumps(tool))
        (self.registry / "functions_of_e2e.py").write_text(MODULE)
        self.config = folder / "mcp.json"
        self.downstream({"plain": self.plain()})
        # Nothing of the user who runs the tests takes part.
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
        self.env = {**own, "XDG_CONFIG_HOME": str(folder / "config"), "PYTHONUNBUFFERED": "1"}

    def plain(self, *args: str, **settings: Json) -> JsonObject:
        """A downstream server that starts in milliseconds; see `plain.py`."""
        return {"command": sys.executable, "args": ["-I", "-S", str(PLAIN), *args], "toolhone": settings}

    def downstream(self, servers: JsonObject) -> None:
        self.config.write_text(json.dumps({"mcpServers": servers}))

    @property
    def command(self) -> list[str]:
        places = ["--config", str(self.config), "--registry", str(self.registry), "--data", str(self.data)]
        return [sys.executable, "-m", "toolhone", "serve", *places]

    @contextlib.contextmanager
    def stdio(self, **env: str) -> Generator[Stdio]:
        server = Stdio(self.command, {**self.env, **env})
        try:
            yield server
        finally:
            stop(server.process)

    @contextlib.contextmanager
    def http(self, *options: str, **env: str) -> Generator[Http]:
        """A server on a port that asks for tokens, unless the options say otherwise."""
        server = Http([*self.command, "--http", "127.0.0.1:0", *options], {**self.env, **env})
        try:
            server.wait()
            yield server
        finally:
            stop(server.process)

    @contextlib.contextmanager
    def start_quietly(self, *options: str) -> Generator[Http]:
        """A server on a port that says on stderr only where it has written how to get in."""
        server = Http([*self.command, "--http", "127.0.0.1:0", *options], self.env)
        try:
            yield server
        finally:
            stop(server.process)

    def token(self, role: str, *options: str) -> str:
        """A new token for the servers of this site."""
        done = self.run_here("tokens", "issue", "--role", role, "--data", str(self.data), *options)
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()

    def run_here(self, *arguments: str) -> Result:
        """One command of the command line, in this process: Python's start takes longer than most of them."""
        foreign = logging.getLogger("mcp.client.stdio")
        level = foreign.level
        own: dict[str, str | None] = dict.fromkeys(set(os.environ) - set(self.env))
        try:
            # In a thread, because an event loop may run in this one.
            with ThreadPoolExecutor(1) as thread:
                runner = CliRunner(env={**own, **self.env})
                return thread.submit(runner.invoke, toolhone, arguments).result()
        finally:
            foreign.setLevel(level)  # commands turn it down; other tests listen to it

    def toolhone(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the command line, in a process of its own, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "toolhone", *arguments],
            env=self.env,
            text=True,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def http_server(shared_site: Site) -> Iterator[Http]:
    """One server on a port for every test that does not end or break it. At the end it must be in order.

    Programs of this machine need no token at its /mcp and /sse.
    """
    with shared_site.http("--open-loopback", "--role", "admin") as server:
        yield server
        code, logged = server.end()
    assert code == 0
    assert "Traceback" not in logged, logged


class Watched:
    """A process that is not our child, and its end."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def ends(self) -> bool:
        """Wait for the end of it."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        try:
            return bool(poll.poll(PATIENCE * 1000))
        finally:
            os.close(self._descriptor)


@pytest.fixture
def watch() -> Callable[[int], Watched]:
    return Watched
