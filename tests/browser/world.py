"""A toolhone with a past: work, a dataset, a comparison, trainings, calls; and the server that shows it.

Everything is made by the real services; only the provider of fine-tuning is the stand-in of
`providers/openai_server.py`, which answers over a real port.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from toolhone.app import open_app
from toolhone.assembly import audit_log
from toolhone.finetuning_parts import FinetuningParts, build_finetuning
from toolhone.models import AuditEvent, Caller, Category, EventKind, JsonObject
from toolhone.records.datasets import DatasetRequest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus
from toolhone.settings import load_settings
from toolhone.storage.audit import SqliteAuditStore

if TYPE_CHECKING:
    from providers.openai_server import Object, OpenAIServer

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0

BASE = "gpt-4.1-mini-2025-04-14"
OTHER = "gpt-4o-mini"
SECURITY = Category.CORE_SECURITY
ADMIN = Caller(principal="local")

FINDINGS = ("sql injection", "hardcoded key", "open redirect", "path traversal", "weak cipher")
WISHES = {
    "hash_file": ("is this download intact", "prove that nobody touched the installer"),
    "scan_secrets": ("may I publish this folder", "did somebody check a password in"),
    "query_database": ("how many orders came last week", "who bought most this year"),
    "describe_database": ("where would the addresses be kept", "what do we store of a customer"),
    "search_files": ("where do we still mention the old price", "who uses the function that goes away"),
    "get_weather": ("do I need an umbrella", "can we eat outside"),
    "get_exchange_rate": ("what is that in euros", "is the dollar cheap now"),
    "analyze_data": ("is one of the measurements odd", "which month stands out"),
}
"""What people want, in words of their own, and the tool that serves it."""

OPENINGS = ("please", "quickly", "for the report:", "before noon:", "once more:", "I ask myself")

LANGUAGES = ("python", "typescript", "go", "rust", "java", "kotlin", "ruby", "php")

PRICES = """
["127.0.0.1".models."{model}"]
training_usd_per_million = 5.0
input_usd_per_million = 0.8
output_usd_per_million = 3.2
base_input_usd_per_million = 0.4
base_output_usd_per_million = 1.6
as_of = 2026-11-01
source = "the tests"
"""


def work(number: int) -> JsonObject:
    """One piece of work of an agent that looks for weaknesses in code."""
    finding, language = FINDINGS[number % len(FINDINGS)], LANGUAGES[number % len(LANGUAGES)]
    failed = number % 12 == 11
    return {
        "agent_id": f"reviewer-{number % 3}",
        "agent_name": "Code reviewer" if number % 3 else "Nightly scanner",
        "category": "core_security",
        "task_type": ("scan", "triage", "explain")[number % 3],
        "input_data": {
            "messages": [
                {
                    "role": "user",
                    "content": f"Look at module {number * 7919 % 1000} of the {language} service in area "
                    f"{number}: {finding} was reported on line {number * 31 % 400}. What is it?",
                }
            ]
        },
        "output_data": {"content": f"{finding} in {language}, severity {number % 4}"},
        "success": not failed,
        "performance_score": 0.3 if failed else 0.8 + number % 20 / 100,
        "execution_time_ms": 120.0 + number * 13 % 900,
        "tokens_used": 200 + number * 17 % 600,
        "tools_used": ["file_search"],
    }


def answer(model: str, messages: "list[Object]", tools: "list[Object]") -> "Object":
    """What models say: tuned ones know nearly all, the base model half, the other less."""
    asked = str(messages[-1]["content"])
    number = int(found[1]) if (found := re.search(r"in area (\d+)", asked)) else 0
    share = 19 if model.startswith("ft:") else 10 if model == BASE else 6
    if number * 7 % 20 >= share:
        return {"content": "No finding."}
    return {"content": work(number)["output_data"]["content"]}


def run(work: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run it in a thread: Playwright has an event loop of its own in ours."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, work, *arguments).result()


class Lines:
    """Everything that a pipe says, until it ends."""

    def __init__(self, pipe: IO[str]) -> None:
        self.seen: list[str] = []
        self._pipe = pipe
        self._came = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def find(self, pattern: str) -> re.Match[str]:
        """The first that matches, as soon as it is there."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.seen if (match := re.search(pattern, line))), None)

        with self._came:
            self._came.wait_for(lambda: self._ended or found() is not None, PATIENCE)
            match = found()
        assert match is not None, f"nothing like {pattern!r} in {''.join(self.seen)}"
        return match

    def text(self) -> str:
        self._thread.join(PATIENCE)
        return "".join(self.seen)

    def _read(self) -> None:
        for line in self._pipe:
            with self._came:
                self.seen.append(line)
                self._came.notify_all()
        with self._came:
            self._ended = True
            self._came.notify_all()


class World:
    """A data folder, and the server that is started on it."""

    def __init__(self, folder: Path, service: "OpenAIServer | None" = None) -> None:
        self.data = folder / "data"
        self.service = service
        folder.mkdir(parents=True, exist_ok=True)
        prices = folder / "prices.toml"
        prices.write_text("".join(PRICES.format(model=model) for model in (BASE, OTHER)))
        config = folder / "mcp.json"
        config.write_text(json.dumps({"mcpServers": servers()}))
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
        self.environ = {
            **own,
            "PYTHONUNBUFFERED": "1",
            "XDG_CONFIG_HOME": str(folder / "settings"),
            "TOOLHONE_DATA": str(self.data),
            "TOOLHONE_CONFIG": str(config),
            "TOOLHONE_REGISTRY": str(ROOT / "tool_registry"),
            "TOOLHONE_PRICES": str(prices),
            "TOOLHONE_SNAPSHOTS": '{"*": "redacted"}',
        }
        if service is not None:
            service.models = {BASE: {}, OTHER: {}}
            service.say = answer
            self.environ |= {"TOOLHONE_OPENAI_URL": service.base_url, "OPENAI_API_KEY": service.api_key}
        self.url = ""
        self.login = ""
        """The address that logs a browser in, once."""
        self.token = ""
        """Of an admin."""
        self.names: dict[str, str] = {}
        """What there is, by what it is called in addresses: DATASET, JOB, REQUEST, …"""
        self._uses = 0

    def start(self) -> None:
        """Serve, and wait until it says where."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toolhone", "serve", "--http", "127.0.0.1:0"],
            env=self.environ,
            cwd=ROOT / "docs",
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr
        self.errors = Lines(self.process.stderr)
        self.login = self.errors.find(r"http://\S+/login\?code=\S+")[0]
        self.url = self.login.partition("/login")[0]
        self.token = self.token or self.errors.find(r"thk_\w+")[0]

    def end(self) -> tuple[int, str]:
        """Ask it to end; its exit code and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE), self.errors.text()
        finally:
            self.process.kill()
            self.process.wait(PATIENCE)
            if self.process.stderr:
                self.process.stderr.close()

    def address(self, path: str) -> str:
        """The address of a page, with what there is in place of what is meant."""
        for name, value in self.names.items():
            path = path.replace(name, value)
        return self.url + path

    def rest(
        self, method: str, path: str, body: JsonObject | None = None, *, token: str = ""
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx2.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=PATIENCE
        )

    def fill(self) -> None:
        """Give it a past, before it is started."""
        run(self._fill)

    def use(self) -> None:
        """Let an agent find and call tools over MCP."""
        run(self._use)

    def order(self, *, approved: bool = False) -> str:
        """Another training; its id."""
        return run(self._order, approved)

    def wait_for(self, job_id: str, *statuses: JobStatus) -> Job:
        """The job, as soon as it is in one of these states."""
        return run(self._wait_for, job_id, statuses)

    @asynccontextmanager
    async def _parts(self) -> AsyncGenerator[FinetuningParts]:
        settings = load_settings(self.environ)
        audit = audit_log(settings)
        parts = build_finetuning(settings, self.environ, audit)
        try:
            yield parts
        finally:
            await parts.aclose()
            await audit.aclose()

    async def _fill(self) -> None:
        async with self._parts() as parts:
            system = parts.system
            await system.collect([work(number) for number in range(240)], caller=ADMIN)
            request = DatasetRequest(category=SECURITY, min_samples=20)
            manifest = await system.prepare_dataset(request, caller=ADMIN)
            await system.set_budget(SECURITY, 25.0, caller=ADMIN)
            compared = await system.compare(
                f"openai:{OTHER}", f"openai:{BASE}", category=SECURITY, at_most_usd=5.0, caller=ADMIN
            )
            self.names |= {"DATASET": manifest.dataset_id, "COMPARISON": compared.comparison_id or ""}

        await self._learn(260)
        await self._learn(140)

    async def _learn(self, requests: int) -> None:
        """Remember that many requests more, and learn a version of the selector from all there are."""
        settings = load_settings(self.environ).model_copy(update={"config": None})
        store = SqliteAuditStore(self.data)
        store.append(uses(requests, begin=self._uses))
        store.close()
        self._uses += requests
        async with open_app(settings, self.environ) as app:
            await (await app.gateway()).indexed()
            outcome = await (await app.learning()).learn()
        assert outcome.version is not None, outcome

    async def _order(self, approved: bool) -> str:
        async with self._parts() as parts:
            config = FinetuningConfig(
                category=SECURITY,
                provider=FinetuningProvider.OPENAI,
                base_model=BASE,
                min_validation_accuracy=0.6,
                max_training_cost_usd=5.0,
            )
            # By name: other tests prepare newer ones.
            dataset = self.names["DATASET"]
            job = await parts.system.create_job(config=config, dataset_id=dataset, caller=ADMIN)
            if approved:
                await parts.system.approve_job(job.job_id, caller=ADMIN)
            return job.job_id

    async def _wait_for(self, job_id: str, statuses: tuple[JobStatus, ...]) -> Job:
        job: Job | None = None
        with anyio.move_on_after(PATIENCE):
            async with self._parts() as parts:
                async for job in parts.system.watch(job_id, caller=ADMIN):
                    if job.status in statuses:
                        return job
        raise AssertionError(f"{job_id} is {job and job.status}: {job and job.error}")

    async def _use(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http)) as client,
        ):
            for task in ("hash a file and compare it", "what time is it in Tokyo", "find text in files"):
                await client.call_tool("find_tools", {"task": task})
            for calls in BATCHES:
                await client.call_tool("call_tools", {"calls": calls})
        rows = self.rest("GET", "/audit?kinds=call&tool=hash_file").json()["items"]
        assert rows and rows[0]["success"], rows
        self.names["REQUEST"] = rows[0]["request_id"]


def uses(count: int, *, begin: int) -> list[AuditEvent]:
    """Requests of some days ago, each with a call of the tool that served it."""
    start = datetime.now(UTC) - timedelta(days=6)
    tools = list(WISHES)
    events: list[AuditEvent] = []
    for number in range(begin, begin + count):
        tool = tools[number * 5 % len(tools)]
        wish = WISHES[tool][number // len(tools) % 2]
        shown = [tools[(number * 3 + place) % len(tools)] for place in range(5)]
        asked: JsonObject = {
            "task": f"{OPENINGS[number % len(OPENINGS)]} {wish}, case {number}",
            "selected": [[name, 0.5] for name in shown],
            "shown": 5,
            "roster": [name for name in tools if name not in shown],
        }
        answered: JsonObject = {"arguments": {}, "result": "done"}
        for kind, name, minutes, payload in (
            (EventKind.SELECTION, None, 0, asked),
            (EventKind.CALL, tool, 1, answered),
        ):
            moment = start + timedelta(minutes=15 * number + minutes)
            events.append(
                AuditEvent(
                    event_id=f"use-{number}-{minutes}",
                    timestamp=moment.isoformat(timespec="microseconds"),
                    kind=kind,
                    caller=ADMIN,
                    tool=name,
                    success=True,
                    payload=payload,
                )
            )
    return events


BATCHES: list[list[JsonObject]] = [
    [
        {
            "id": "found",
            "tool": "search_files",
            "arguments": {"path": ".", "query": "find_tools", "glob": "*.md"},
        },
        {
            "id": "hashed",
            "tool": "hash_file",
            "arguments": {"path": {"$from": "found", "path": "/matches/0/file"}},
        },
        {"id": "sum", "tool": "calculate", "arguments": {"expression": "2 + 3 * 4"}},
        {"id": "time", "tool": "time__get_current_time", "arguments": {"timezone": "Asia/Tokyo"}},
    ],
    [
        {"id": "wrong", "tool": "calculate", "arguments": {"expression": "2 +"}},
        {"id": "unknown", "tool": "no_such_tool", "arguments": {}},
    ],
]


def servers() -> Mapping[str, JsonObject]:
    """One server that works, and one that cannot start."""
    beside = Path(sys.executable).parent
    return {
        "time": {"command": str(beside / "mcp-server-time"), "args": ["--local-timezone", "UTC"]},
        "gone": {"command": str(beside / "no-such-server")},
    }
