"""Tools over REST as over MCP: list, find, describe, call, read, validate."""

from typing import TypeAlias

import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.roles import Role

Rest: TypeAlias = Json

TOOLS = "/api/v1/tools"


async def test_tools_are_listed_by_name_a_page_at_a_time(admin: httpx2.AsyncClient) -> None:
    names: list[str] = []
    cursor: JsonObject = {}
    pages = 0
    while True:
        page = (await admin.get(TOOLS, params={"limit": 2, **cursor})).json()
        names += [tool["name"] for tool in page["items"]]
        pages += 1
        assert page["total"] == 3
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert (names, pages) == (["add", "get_weather", "list_rows"], 2)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"prefix": "get_"}, ["get_weather"]),
        ({"server": "local"}, ["add", "get_weather", "list_rows"]),
        ({"server": "github"}, []),
        ({"category": "ai_intelligence"}, ["get_weather"]),
    ],
)
async def test_a_list_of_tools_is_filtered(
    admin: httpx2.AsyncClient, filters: JsonObject, names: list[str]
) -> None:
    page = (await admin.get(TOOLS, params=filters)).json()

    assert [tool["name"] for tool in page["items"]] == names
    assert page["total"] == len(names)


async def test_a_cursor_of_nobody_is_refused(admin: httpx2.AsyncClient) -> None:
    assert (await admin.get(TOOLS, params={"cursor": "WzFd"})).status_code == 400


async def test_a_tool_is_told_whole_and_not_again_if_it_is_known(admin: httpx2.AsyncClient) -> None:
    told = await admin.get(f"{TOOLS}/add")

    assert told.status_code == 200
    assert told.json()["inputSchema"]["required"] == ["a", "b"]
    assert told.json()["signature"].splitlines()[0].startswith("## add")
    assert 0 < told.json()["tokens"]["signature"] < told.json()["tokens"]["as_json"]
    again = await admin.get(f"{TOOLS}/add", headers={"If-None-Match": told.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await admin.get(f"{TOOLS}/get_weather", headers={"If-None-Match": told.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["get_wether", "..%2f..%2fetc%2fpasswd", "%00", "a'--"])
async def test_a_tool_that_is_not_there_is_not_found(admin: httpx2.AsyncClient, name: str) -> None:
    response = await admin.get(f"{TOOLS}/{name}")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_tools_are_found_and_described_as_over_mcp(admin: httpx2.AsyncClient) -> None:
    found = (await admin.post(f"{TOOLS}/find", json={"task": "weather in Paris", "max_tools": 1})).json()
    names = [tool["name"] for tool in found["tools"]]
    described = (await admin.post(f"{TOOLS}/describe", json={"names": [*names, "nobody"]})).json()

    assert names == ["get_weather"]
    # In the text the marks of a tool stand behind its name.
    assert found["tools"][0]["signature"].partition("\n")[2] in found["text"]
    assert [tool["name"] for tool in described["tools"]] == names
    assert "nobody" in described["missing"][0]


async def test_a_misspelled_parameter_is_refused_and_not_ignored(admin: httpx2.AsyncClient) -> None:
    response = await admin.post(f"{TOOLS}/find", json={"task": "weather", "max_tool": 1})

    assert response.status_code == 422
    assert "max_tool" in response.json()["detail"]


async def test_a_request_that_is_turned_away_is_in_the_audit(admin: httpx2.AsyncClient) -> None:
    await admin.post(f"{TOOLS}/find", json={"task": " "})
    newest = (await admin.get("/api/v1/audit", params={"kinds": "refusal", "limit": 1})).json()["items"][0]

    assert (newest["tool_name"], newest["error_code"]) == ("find_tools", "invalid_request")


async def test_calls_run_and_only_read_only_ones_where_that_is_asked(admin: httpx2.AsyncClient) -> None:
    calls: JsonObject = {
        "calls": [
            {"id": "sum", "tool": "add", "arguments": {"a": 2, "b": 3}},
            {"tool": "list_rows", "arguments": {"count": 1}},
        ]
    }
    of_call = (await admin.post(f"{TOOLS}/call", json=calls)).json()["results"]
    of_read = (await admin.post(f"{TOOLS}/call-read", json=calls)).json()["results"]

    assert [slot["success"] for slot in of_call] == [True, True]
    assert of_call[0]["result"] == {"sum": 5}
    assert [slot["success"] for slot in of_read] == [True, False]
    assert of_read[1]["error"]["code"] == "not_read_only"


async def test_a_large_result_is_read_by_its_caller_and_nobody_else(rest: Rest) -> None:
    async with rest.client(Role.AGENT) as one, rest.client(Role.ADMIN) as other:
        call = {"calls": [{"tool": "list_rows", "arguments": {"count": 2_000}}]}
        slot = (await one.post(f"{TOOLS}/call", json=call)).json()["results"][0]
        address = f"/api/v1/results/{slot['handle']}"
        page = await one.get(address, params={"path": "/rows", "offset": 1_990, "fields": ["number"]})
        foreign = await other.get(address)

    assert page.status_code == 200
    assert page.json()["value"][-1] == {"number": 1_999}
    assert page.json()["total"] == 2_000
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_handle")


async def test_a_value_is_checked_against_a_schema(admin: httpx2.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    wrong = (await admin.post("/api/v1/validate", json={"schema": schema, "output": {"answer": 5}})).json()
    right = (await admin.post("/api/v1/validate", json={"schema": schema, "output": {"answer": "5"}})).json()

    assert (wrong["valid"], right) == (False, {"valid": True, "errors": []})
    assert "answer" in wrong["errors"][0]
