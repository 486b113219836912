"""The table of who may do what is true: every request is sent with a token of every role."""

import re
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import anyio
import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client

from toolhone.models import Json
from toolhone.roles import Permission, Role
from toolhone.server.api.routes import api_routes
from toolhone.server.dashboard.routes import dashboard_routes
from toolhone.server.http import build_http
from toolhone.server.paths import PUBLIC, PUBLIC_FOLDERS
from toolhone.server.permissions_table import (
    METHODS,
    Entry,
    endpoints,
    entries_of,
    others,
    pages,
    prompts,
    readable,
    rendered,
    tools,
)

Rest: TypeAlias = Json

REST, PAGES = endpoints(), pages()

PAGE = Path(__file__).parents[3] / "docs" / "permissions.md"

LEAVING = "/logout"
"""Ends the login of whoever has one, and asks nothing of others."""


def test_the_documented_table_is_the_one_in_force() -> None:
    command = "python -m toolhone.server.permissions_table > docs/permissions.md"

    assert PAGE.read_text(encoding="utf-8") == rendered(), f"write it anew: {command}"


def test_every_endpoint_says_once_what_it_takes() -> None:
    assert [entry for entry in entries_of(api_routes()) if len(entry.gates) != 1] == []


WELL_KNOWN = "/.well-known/oauth-protected-resource"

FOR_EVERYBODY = {
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/static/{name}"),
    ("GET", WELL_KNOWN),
    ("GET", f"{WELL_KNOWN}/mcp"),
    # Ends the login of whoever has one, and asks nothing of others.
    ("POST", LEAVING),
}


async def test_every_route_there_is_stands_in_the_table_or_is_for_everybody(open_rest: Rest) -> None:
    oauth = {
        "oauth_issuer": "https://login.example.com",
        "oauth_jwks": "keys.json",
        "oauth_audience": "https://tools.example.com/mcp",
    }
    async with open_rest(**oauth) as rest:
        routes = list(iter_route_contexts(build_http(rest.app).routes))
    found = {
        (method, route.path or "")
        for route in routes
        # A route of ASGI, and one that is mounted, say no methods: they are all meant.
        for method in (route.methods or METHODS)
        if method in METHODS
    }
    listed = {(entry.method, entry.name) for entry in [*REST, *PAGES, *others()]}
    mcp = {(method, path) for method in METHODS for path in ("/mcp", "/messages")}

    assert found - listed - mcp == FOR_EVERYBODY
    assert listed - found == {("POST", "/messages/")}  # mounted, without the slash


def test_every_page_says_once_what_it_takes_or_is_public() -> None:
    silent = [entry for entry in entries_of(dashboard_routes()) if len(entry.gates) != 1]

    assert [
        entry.name
        for entry in silent
        if entry.gates
        or not (entry.name in {*PUBLIC, LEAVING} or f"{entry.name}/".startswith(PUBLIC_FOLDERS))
    ] == []


def test_nothing_is_for_everybody_but_what_tells_callers_about_themselves() -> None:
    assert [entry.name for entry in REST if entry.gates == (None,)] == ["/api/v1/me"]


async def ask(client: httpx2.AsyncClient, entry: Entry, *, form: bool) -> httpx2.Response:
    """A request that means nothing: whether it may be asked is decided before what it asks is looked at."""
    path = re.sub(r"{[^}]+}", "nothing_of_this_name", entry.name)
    if entry.method == "GET":
        return await client.get(path)
    if form:
        return await client.request(entry.method, path, data={"a": "b"})
    return await client.request(entry.method, path, json={})


@pytest.mark.parametrize("role", Role)
async def test_each_endpoint_is_open_to_the_roles_of_the_table_and_to_no_other(
    rest: Rest, role: Role
) -> None:
    wrong: list[str] = []
    async with rest.client(role) as client:
        for entry in [*REST, *PAGES]:
            response = await ask(client, entry, form=not entry.name.startswith("/api/"))
            allowed = response.status_code not in {401, 403}
            if allowed is not entry.allows(role) or response.status_code == 500:
                wrong.append(f"{entry.method} {entry.name}: {response.status_code}")

    assert wrong == []


async def test_without_a_credential_nothing_is_open(rest: Rest) -> None:
    wrong: list[str] = []
    async with httpx2.AsyncClient(base_url=rest.url, timeout=60) as nobody:
        for entry in [*REST, *PAGES, *others()]:
            response = await ask(nobody, entry, form=False)
            if response.status_code != 401:
                wrong.append(f"{entry.method} {entry.name}: {response.status_code}")

    assert wrong == []


async def test_a_scope_takes_away_what_its_role_would_allow(rest: Rest) -> None:
    wrong: list[str] = []
    async with rest.client(Role.ADMIN, scopes=[Permission.MONITOR]) as client:
        for entry in REST:
            response = await ask(client, entry, form=False)
            if (response.status_code == 403) is (entry.gates in {(Permission.MONITOR,), (None,)}):
                wrong.append(f"{entry.method} {entry.name}: {response.status_code}")

    assert wrong == []


@asynccontextmanager
async def mcp_client(rest: Rest, role: Role, **options: Json) -> AsyncGenerator[Client]:
    """Over a real port, with a new token of this role."""
    headers = {"Authorization": f"Bearer {await rest.token(role, **options)}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        with anyio.fail_after(90):
            async with Client(streamable_http_client(f"{rest.url}/mcp", http_client=http)) as client:
                yield client


@pytest.mark.parametrize("role", Role)
async def test_each_tool_is_open_to_the_roles_of_the_table_and_to_no_other(rest: Rest, role: Role) -> None:
    wrong: list[str] = []
    async with mcp_client(rest, role) as client:
        for entry in tools():
            answer = await client.call_tool(entry.name, {})
            (block,) = answer.content
            assert isinstance(block, types.TextContent)
            allowed = not block.text.startswith("permission_denied")
            if allowed is not entry.allows(role):
                wrong.append(f"{entry.name}: {block.text}")

    assert wrong == []


async def code_of(answer: Awaitable[object]) -> str | None:
    """The code of the error that a request is answered with, if it is."""
    try:
        await answer
    except MCPError as error:
        return error.error.data["code"]
    return None


def addressed(uri: str) -> str:
    """One that means nothing, of a template."""
    return re.sub(r"{[^}]+}", "nothing_of_this_name", uri.replace("{?token_budget}", "?token_budget=100"))


SOMEBODY = [*((role, None) for role in Role), (Role.ADMIN, Permission.COLLECT)]


@pytest.mark.parametrize(("role", "scope"), SOMEBODY)
async def test_each_resource_and_prompt_of_mcp_is_open_as_the_table_says(
    rest: Rest, role: Role, scope: Permission | None
) -> None:
    def allowed(entry: Entry) -> bool:
        return entry.allows(role) and (scope is None or entry.gates == (scope,))

    wrong: list[str] = []
    async with mcp_client(rest, role, **({} if scope is None else {"scopes": [scope]})) as client:
        listed = {one.uri for one in (await client.list_resources()).resources}
        listed |= {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        named = {one.name for one in (await client.list_prompts()).prompts}
        for entry in readable():
            template = types.ResourceTemplateReference(type="ref/resource", uri=entry.name)
            codes = [
                await code_of(client.read_resource(addressed(entry.name))),
                await code_of(client.complete(template, {"name": "name", "value": ""})),
            ]
            opened = [code != "permission_denied" for code in codes]
            if {*opened, entry.name in listed} != {allowed(entry)}:
                wrong.append(f"{entry.name}: {codes}")
        for entry in prompts():
            reference = types.PromptReference(type="ref/prompt", name=entry.name)
            codes = [
                await code_of(client.get_prompt(entry.name, {"category": "core_security", "task": "add"})),
                await code_of(client.complete(reference, {"name": "task", "value": ""})),
            ]
            opened = [code != "permission_denied" for code in codes]
            if {*opened, entry.name in named} != {allowed(entry)}:
                wrong.append(f"{entry.name}: {codes}")

    assert wrong == []


async def test_every_refusal_is_in_the_audit(rest: Rest) -> None:
    async with rest.client(Role.AGENT) as agent, rest.client() as admin:
        me = (await agent.get("/api/v1/me")).json()["principal"]
        refused = await agent.get("/api/v1/tokens")
        rows = (await admin.get("/api/v1/audit", params={"principal": me, "kinds": "refusal"})).json()[
            "items"
        ]

    assert refused.status_code == 403
    (row,) = rows
    assert row["error_code"] == "permission_denied"
    assert row["details"] == {"method": "GET", "path": "/api/v1/tokens", "permission": "administer"}
