"""Bodies with numbers that JSON cannot carry: refused wherever they go, before anything is on record."""

from collections.abc import AsyncGenerator
from typing import TypeAlias

import anyio
import httpx2
import pytest

from toolhone.models import Json
from toolhone.stores import AuditQuery

Rest: TypeAlias = Json

JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
MODERN = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "call_tools"}
NUMBERS = ["NaN", "-Infinity", "1e999"]


def call_of_add(number: str) -> str:
    return f'{{"calls":[{{"tool":"add","arguments":{{"a":{number},"b":2}}}}]}}'


def message(number: str) -> str:
    meta = (
        '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
        '"io.modelcontextprotocol/clientCapabilities":{}}'
    )
    params = f'{{"name":"call_tools","arguments":{call_of_add(number)},{meta}}}'
    return f'{{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{params}}}'


async def rows(rest: Rest) -> int:
    return len(await rest.app.audit.query(AuditQuery(limit=None)))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/tools/call", call_of_add("NUMBER")),
        ("/api/v1/finetuning/tools/select", '{"task_description":"add","max_tools":NUMBER}'),
        ("/api/v1/finetuning/collect", '{"agent_id":"a","input_data":{"deep":[{"n":NUMBER}]}}'),
    ],
)
async def test_rest_says_what_is_wrong_and_records_nothing(
    rest: Rest, admin: httpx2.AsyncClient, path: str, body: str, number: str
) -> None:
    before = await rows(rest)
    answer = await admin.post(path, content=body.replace("NUMBER", number), headers=JSON)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    told = answer.json()
    assert (told["code"], told["errors"][0]["field"]) == ("invalid_request", "body")
    assert f"{number} is not a finite number" in told["detail"]
    assert await rows(rest) == before


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("version", [MODERN, {}])
async def test_mcp_answers_that_it_is_no_json_under_the_id_of_the_request(
    rest: Rest, admin: httpx2.AsyncClient, version: dict[str, str], number: str
) -> None:
    before = await rows(rest)
    answer = await admin.post("/mcp", content=message(number), headers={**JSON, **version})

    assert answer.status_code == 400
    told = answer.json()
    assert (told["id"], told["error"]["code"]) == ("mine", -32700)
    assert f"{number} is not a finite number" in told["error"]["message"]
    assert await rows(rest) == before

    good = await admin.post("/mcp", content=message("1.5e300"), headers={**JSON, **MODERN})
    assert good.status_code == 200 and "1.5e+300" in good.text, good.text


async def test_messages_of_the_older_transport_are_refused_too(admin: httpx2.AsyncClient) -> None:
    async with admin.stream("GET", "/sse", headers={"Accept": "text/event-stream"}) as stream:
        with anyio.fail_after(30):
            told = [line async for line in _until_data(stream)]
        answer = await admin.post(told[-1].removeprefix("data: "), content=message("NaN"), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


async def _until_data(stream: httpx2.Response) -> AsyncGenerator[str]:
    async for line in stream.aiter_lines():
        yield line
        if line.startswith("data: "):
            return


@pytest.mark.parametrize("called", ["text/plain", "application/JSON; charset=utf-8", ""])
async def test_no_other_name_for_json_hides_it_from_mcp(
    rest: Rest, admin: httpx2.AsyncClient, called: str
) -> None:
    headers = {**JSON, **MODERN, "Content-Type": called}
    answer = await admin.post("/mcp", content=message("NaN"), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


async def test_other_encodings_of_unicode_hide_nothing(admin: httpx2.AsyncClient) -> None:
    body = call_of_add("NaN").encode("utf-16")
    answer = await admin.post("/api/v1/tools/call", content=body, headers=JSON)
    assert answer.status_code == 422 and "NaN" in answer.json()["detail"]


async def test_a_text_that_names_such_numbers_is_a_text(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/api/v1/tools/find", json={"task": "what NaN, -Infinity and 1e999 are"})
    assert answer.status_code == 200, answer.text


async def test_who_is_nobody_is_told_only_that(rest: Rest) -> None:
    async with httpx2.AsyncClient(base_url=rest.url, timeout=60) as stranger:
        answer = await stranger.post("/api/v1/tools/call", content=call_of_add("NaN"), headers=JSON)
    assert answer.status_code == 401


async def test_a_body_in_pieces_is_read_whole(admin: httpx2.AsyncClient) -> None:
    async def pieces(text: str) -> AsyncGenerator[bytes]:
        for start in range(0, len(text), 7):
            yield text[start : start + 7].encode()

    good = await admin.post("/api/v1/tools/call", content=pieces(call_of_add("1.5")), headers=JSON)
    bad = await admin.post("/api/v1/tools/call", content=pieces(call_of_add("NaN")), headers=JSON)
    assert good.json()["results"][0]["result"] == {"sum": 3.5}
    assert bad.status_code == 422
