"""Toolhone on a real port of this process, browsers that are logged in to it, and pages as they read them."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import anyio
import httpx2
import pytest
import uvicorn

from toolhone.app import App, open_app
from toolhone.models import LOCAL_CALLER, Json, JsonObject
from toolhone.roles import Role
from toolhone.server.addresses import listen, url_of
from toolhone.server.entrance import Entrance
from toolhone.server.http import build_http
from toolhone.settings import Settings

PLAIN = Path(__file__).parents[2] / "registry" / "servers" / "plain.py"

MODULE = """
def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


def list_rows(count: int) -> dict[str, object]:
    return {"rows": [{"number": number} for number in range(count)]}


def fail(reason: str) -> str:
    raise ValueError(reason)


def sly(a: str) -> str:
    return a
"""


def tool_file(name: str, description: str, properties: JsonObject, **more: Json) -> JsonObject:
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": [*properties]},
        "handler": {"type": "python", "function": f"functions_of_pages:{name}"},
        **more,
    }


TOOLS = (
    tool_file(
        "add",
        "Add two numbers.",
        {"a": {"type": "number"}, "b": {"type": "number"}},
        annotations={"readOnlyHint": True},
    ),
    tool_file(
        "list_rows", "List many rows of a table.", {"count": {"type": "integer"}}, category="specialized"
    ),
    tool_file(
        "sly",
        "Looks harmless.\u202e <script>alert('description')</script> {{ 7 * 7 }} ${7 * 7}",
        {"a": {"type": "string", "description": "\"><img src=x onerror=alert('parameter')>"}},
    ),
    tool_file("fail", "Fail for the reason that is given.", {"reason": {"type": "string"}}),
)


class PageReader(HTMLParser):
    """What a browser would make of a page: its elements and what is read of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self._data: dict[str, str] = {}
        self._script: dict[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self._script = attributes if tag == "script" else self._script

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self._texts.append(data)
        else:
            self._data[self._script.get("id", "")] = data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def every(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.every("a") if "href" in attributes]

    def data(self, element_id: str) -> Json:
        """The JSON that stands in a script element."""
        return json.loads(self._data[element_id])

    def runs(self) -> list[str]:
        """Whatever would run, or load something, that we did not put there ourselves."""
        found: list[str] = []
        for tag, attributes in self.elements:
            if tag == "script" and attributes.get("type") != "application/json":
                source = attributes.get("src", "")
                if not source.startswith("/static/") or source.startswith("//"):
                    found.append(f"script {attributes}")
            if tag in {"iframe", "object", "embed", "base", "style"}:
                found.append(tag)
            if tag == "img" and not attributes.get("src", "").startswith("/static/"):
                found.append(f"img {attributes}")
            for name, value in attributes.items():
                address = value.strip().lower()
                if name.startswith("on") or name == "style":
                    found.append(f"{tag} {name}={value}")
                if name in {"href", "src", "action", "formaction"} and not address.startswith(("/", "#")):
                    found.append(f"{tag} {name}={value}")
        return found


@dataclass
class Visitor:
    """A browser that is logged in."""

    client: httpx2.AsyncClient
    _csrf: str = field(default="", init=False)

    async def get(self, path: str, *, status: int = 200) -> PageReader:
        answer = await self.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        assert answer.headers["content-type"].startswith("text/html"), path
        return PageReader(answer.text)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """As a form of one of our pages would."""
        if not self._csrf:
            page = await self.get("/")
            self._csrf = next(one["value"] for one in page.every("input") if one.get("name") == "csrf")
        headers = {"Origin": str(self.client.base_url).rstrip("/")}
        return await self.client.post(path, data={"csrf": self._csrf, **fields}, headers=headers)


@dataclass
class Site:
    """A running toolhone with its dashboard."""

    app: App
    url: str
    entrance: Entrance

    @asynccontextmanager
    async def visitor(self, role: Role = Role.ADMIN, **options: Json) -> AsyncGenerator[Visitor]:
        """Somebody with a new token of this role, logged in with it through the form."""
        _, token = await self.app.tokens.issue(caller=LOCAL_CALLER, name="test", role=role, **options)
        async with self.stranger() as client:
            answer = await client.post("/login", data={"token": token}, headers={"Origin": self.url})
            assert answer.status_code == 303, answer.text
            yield Visitor(client)

    @asynccontextmanager
    async def stranger(self) -> AsyncGenerator[httpx2.AsyncClient]:
        """Somebody without a credential."""
        # Over http there is nothing to verify, and reading the certificates of all authorities takes a while.
        async with httpx2.AsyncClient(base_url=self.url, timeout=60, verify=False) as client:
            yield client


OpenSite: TypeAlias = Callable[..., AbstractAsyncContextManager[Site]]


def opener(folder: Path) -> OpenSite:
    registry = folder / "registry"
    registry.mkdir()
    (registry / "functions_of_pages.py").write_text(MODULE)
    for file in TOOLS:
        (registry / f"{file['name']}.json").write_text(json.dumps(file))

    @asynccontextmanager
    async def opened(
        servers: Mapping[str, JsonObject] | None = None, **settings: Json
    ) -> AsyncGenerator[Site]:
        config = folder / "mcp.json"
        config.write_text(json.dumps({"mcpServers": dict(servers or {})}))
        places: JsonObject = {
            "data": folder / "data",
            "registry": registry,
            "config": config if servers else None,
        }
        chosen = Settings.model_validate({**places, **settings})
        with listen("127.0.0.1", 0) as listening:
            async with open_app(chosen, os.environ) as app, anyio.create_task_group() as tasks:
                api = build_http(app)
                server = uvicorn.Server(
                    uvicorn.Config(
                        api,
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
                    yield Site(app, url_of(listening), api.state.entrance)
                finally:
                    server.should_exit = True

    return opened


@pytest.fixture
def open_site(tmp_path: Path) -> OpenSite:
    """Opens a toolhone on the tool files above, and on the downstream servers that are given."""
    return opener(tmp_path)


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    """Local tools only; shared by the tests of a module, which must not count what others did."""
    async with opener(tmp_path_factory.mktemp("site"))() as running:
        yield running


@pytest.fixture(scope="module")
async def admin(site: Site) -> AsyncGenerator[Visitor]:
    async with site.visitor() as visitor:
        yield visitor


@pytest.fixture(scope="session")
def plain_server() -> JsonObject:
    """A downstream server that starts in milliseconds; see `plain.py`."""
    return {"command": sys.executable, "args": ["-I", "-S", str(PLAIN)]}
