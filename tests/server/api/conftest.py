"""Toolhone on a real port of this process, and clients with the tokens of every role."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
import httpx2
import pytest
import uvicorn

from toolhone.app import App, open_app
from toolhone.models import LOCAL_CALLER, Json, JsonObject
from toolhone.roles import Role
from toolhone.server.addresses import listen, url_of
from toolhone.server.http import build_http
from toolhone.settings import Settings

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

ROOT = Path(__file__).parents[3]
PLAIN = ROOT / "tests" / "registry" / "servers" / "plain.py"

ADD: JsonObject = {
    "name": "add",
    "description": "Add two numbers.",
    "inputSchema": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
    "annotations": {"readOnlyHint": True},
    "handler": {"type": "python", "function": "functions_of_rest:add"},
}
LIST_ROWS: JsonObject = {
    "name": "list_rows",
    "description": "List many rows of a table.",
    "inputSchema": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
    "handler": {"type": "python", "function": "functions_of_rest:list_rows"},
}
WEATHER: JsonObject = {
    "name": "get_weather",
    "description": "Get the weather forecast and temperature for a place.",
    "inputSchema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    "annotations": {"readOnlyHint": True},
    "category": "ai_intelligence",
    "handler": {"type": "python", "function": "functions_of_rest:get_weather"},
}
MODULE = """
def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


def list_rows(count: int) -> dict[str, object]:
    return {"rows": [{"number": number, "name": f"row {number}"} for number in range(count)]}


def get_weather(place: str) -> dict[str, object]:
    return {"place": place, "celsius": 21}
"""


@dataclass
class Rest:
    """A running toolhone on a port."""

    app: App
    url: str

    async def token(self, role: Role = Role.ADMIN, **options: Json) -> str:
        """A new token of this role."""
        _, text = await self.app.tokens.issue(caller=LOCAL_CALLER, name="test", role=role, **options)
        return text

    @asynccontextmanager
    async def client(self, role: Role = Role.ADMIN, **options: Json) -> AsyncGenerator[httpx2.AsyncClient]:
        """A client with a new token of this role."""
        headers = {"Authorization": f"Bearer {await self.token(role, **options)}"}
        # Over http there is nothing to verify, and reading the certificates of all authorities takes a while.
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=60, verify=False) as client:
            yield client


OpenRest: TypeAlias = Callable[..., AbstractAsyncContextManager[Rest]]


def opener(folder: Path) -> OpenRest:
    registry = folder / "registry"
    registry.mkdir()
    (registry / "functions_of_rest.py").write_text(MODULE)
    for file in (ADD, LIST_ROWS, WEATHER):
        (registry / f"{file['name']}.json").write_text(json.dumps(file))

    @asynccontextmanager
    async def opened(
        servers: Mapping[str, JsonObject] | None = None, **settings: Json
    ) -> AsyncGenerator[Rest]:
        config = folder / "mcp.json"
        config.write_text(json.dumps({"mcpServers": dict(servers or {})}))
        chosen = Settings(
            data=folder / "data", registry=registry, config=config if servers else None, **settings
        )
        listening = listen("127.0.0.1", 0)
        with listening:
            async with open_app(chosen, os.environ) as app, anyio.create_task_group() as tasks:
                server = uvicorn.Server(
                    uvicorn.Config(
                        build_http(app),
                        log_config=None,
                        access_log=False,
                        lifespan="on",
                        timeout_graceful_shutdown=5,
                    )
                )

                async def serve() -> None:
                    # When a test fails it is asked to end, too: cancelled, it would leave its socket behind.
                    with anyio.CancelScope(shield=True):
                        await server.serve([listening])

                tasks.start_soon(serve)
                try:
                    yield Rest(app, url_of(listening))
                finally:
                    server.should_exit = True

    return opened


@pytest.fixture
def open_rest(tmp_path: Path) -> OpenRest:
    """Opens a toolhone on the tool files above, and on the downstream servers that are given."""
    return opener(tmp_path)


@pytest.fixture(scope="module")
async def rest(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Rest]:
    """Local tools only; shared by the tests of a module, which must not count what others did."""
    async with opener(tmp_path_factory.mktemp("rest"))() as running:
        yield running


@pytest.fixture(scope="module")
async def admin(rest: Rest) -> AsyncGenerator[httpx2.AsyncClient]:
    async with rest.client() as client:
        yield client


@pytest.fixture(scope="session")
def plain_server() -> JsonObject:
    """A downstream server that starts in milliseconds; see `plain.py`."""
    return {"command": sys.executable, "args": ["-I", "-S", str(PLAIN)]}


PRICES = """
["127.0.0.1".models."gpt-4.1-mini-2025-04-14"]
training_usd_per_million = 5.0
input_usd_per_million = 0.8
output_usd_per_million = 3.2
as_of = 2026-11-01
source = "the test"
"""


@dataclass
class Training:
    """A service of fine-tuning, and what toolhone is told to use it with."""

    service: "OpenAIServer"
    settings: JsonObject
    config: JsonObject


@pytest.fixture
def openai(openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """A real service on 127.0.0.1 that trains in no time."""
    monkeypatch.setenv("OPENAI_API_KEY", openai_api.api_key)
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    config: JsonObject = {
        "category": "core_security",
        "provider": "openai",
        "base_model": "gpt-4.1-mini-2025-04-14",
        "n_epochs": 2,
        "batch_size": 8,
    }
    return Training(openai_api, {"openai_url": openai_api.base_url, "prices": prices}, config)
