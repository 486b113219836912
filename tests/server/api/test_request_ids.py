"""One id a request: in the header of its answer, in its rows of the audit, and in its lines of the log."""

import json
import logging
from collections.abc import Iterator
from typing import TypeAlias

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from toolhone.cli.logs import IdFilter, JsonFormatter
from toolhone.gateway import Gateway
from toolhone.models import Json, JsonObject

Rest: TypeAlias = Json

ID = "x-request-id"
ADD: JsonObject = {"tool": "add", "arguments": {"a": 1, "b": 2}}


async def ids_of(admin: httpx2.AsyncClient, *kinds: str) -> list[str]:
    """Of the rows of these kinds, the newest first."""
    page = (await admin.get("/api/v1/audit", params={"kinds": kinds, "limit": 20})).json()
    return [row["request_id"] for row in page["items"]]


async def test_rows_have_the_id_that_is_in_the_header_of_the_answer(
    rest: Rest, admin: httpx2.AsyncClient
) -> None:
    found = await admin.post("/api/v1/tools/find", json={"task": "add two numbers"})
    assert found.json()["request_id"] == found.headers[ID]
    assert (await ids_of(admin, "selection"))[0] == found.headers[ID]

    called = await admin.post("/api/v1/tools/call", json={"calls": [ADD, ADD]})
    assert (await ids_of(admin, "call"))[:2] == [called.headers[ID]] * 2

    described = await admin.post("/api/v1/tools/describe", json={"names": ["add"]})
    assert (await ids_of(admin, "description"))[0] == described.headers[ID]

    issued = await admin.post("/api/v1/tokens", json={"role": "viewer"})
    assert (await ids_of(admin, "access"))[0] == issued.headers[ID]


async def test_over_mcp_each_request_has_its_own(rest: Rest, admin: httpx2.AsyncClient) -> None:
    answered: list[str] = []

    async def note(response: httpx2.Response) -> None:
        answered.append(response.headers[ID])

    headers = {"Authorization": f"Bearer {await rest.token()}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, event_hooks={"response": [note]}) as http,
        Client(streamable_http_client(f"{rest.url}/mcp", http_client=http)) as client,
    ):
        for _ in range(2):
            await client.call_tool("call_tools", {"calls": [ADD]})

    newest, before = (await ids_of(admin, "call"))[:2]
    assert newest != before
    assert {newest, before} <= set(answered)


@pytest.fixture
def lines() -> Iterator[list[JsonObject]]:
    """What is logged by toolhone meanwhile, as `--log-format json` writes it."""
    written: list[JsonObject] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler = Kept()
    handler.addFilter(IdFilter())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("toolhone")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


@pytest.mark.parametrize("path", ["/api/v1/statistics", "/tools"])
async def test_who_is_told_to_look_into_the_log_finds_the_line(
    rest: Rest,
    admin: httpx2.AsyncClient,
    lines: list[JsonObject],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("told to fail")

    monkeypatch.setattr(Gateway, "statistics", broken)
    monkeypatch.setattr(Gateway, "tools", broken)
    answer = await admin.get(path)

    assert answer.status_code == 500
    assert answer.headers[ID] in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [line["request_id"] for line in lines if "exception" in line] == [answer.headers[ID]]
