"""The seed's endpoints about tools: select, run in parallel, statistics."""

from typing import TypeAlias

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from toolhone import tokens
from toolhone.models import Json, JsonObject
from toolhone.roles import Role

Rest: TypeAlias = Json
OpenRest: TypeAlias = Json

SELECT = "/api/v1/finetuning/tools/select"
PARALLEL = "/api/v1/finetuning/tools/execute-parallel"
STATISTICS = "/api/v1/finetuning/tools/statistics"

WEATHER: JsonObject = {
    "task_description": "Get weather forecast and temperature",
    "task_type": "data_retrieval",
    "required_capabilities": ["weather"],
    "max_tools": 5,
    "prefer_fast": True,
}


async def answer(client: httpx2.AsyncClient, path: str, body: JsonObject) -> JsonObject:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_seeds_request_selects_the_tool_for_the_task(admin: httpx2.AsyncClient) -> None:
    selected = await answer(admin, SELECT, WEATHER)

    assert selected["selected_tools"][0] == "get_weather"
    assert [schema["name"] for schema in selected["compressed_schemas"]] == selected["selected_tools"]
    assert "place" in selected["compressed_schemas"][0]["signature"]
    assert selected["nothing_fits"] is False


async def test_what_is_saved_is_counted(admin: httpx2.AsyncClient) -> None:
    selected = await answer(admin, SELECT, WEATHER)

    assert selected["tokens_sent"] == tokens.count_tokens(selected["text"])
    assert selected["tokens_saved"] == selected["tokens_of_available"] - selected["tokens_sent"]
    share = selected["tokens_saved"] / selected["tokens_of_available"]
    assert selected["optimization_ratio"] == f"{share:.1%}"


async def test_a_saving_is_reckoned_against_the_tools_that_are_available(admin: httpx2.AsyncClient) -> None:
    of_all = await answer(admin, SELECT, WEATHER)
    of_one = await answer(admin, SELECT, {**WEATHER, "available_tools": ["get_weather"]})

    assert 0 < of_one["tokens_of_available"] < of_all["tokens_of_available"]


async def test_names_that_no_tool_has_do_no_harm_and_are_said(admin: httpx2.AsyncClient) -> None:
    selected = await answer(admin, SELECT, {**WEATHER, "available_tools": ["get_weather", "query_database"]})

    assert selected["selected_tools"] == ["get_weather"]
    assert any("query_database" in notice for notice in selected["notices"])


@pytest.mark.parametrize("available", [[], ["query_database"]])
async def test_nothing_to_choose_from_selects_and_saves_nothing(
    admin: httpx2.AsyncClient, available: list[str]
) -> None:
    selected = await answer(admin, SELECT, {**WEATHER, "available_tools": available})

    assert selected["selected_tools"] == []
    assert (selected["tokens_saved"], selected["optimization_ratio"]) == (0, "0.0%")
    assert selected["notices"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"task_description": ""}, 400),
        ({"task_description": " \n", "required_capabilities": ["weather"]}, 400),
        ({"task_description": "x", "max_tools": 0}, 422),
        ({"task_description": "x", "max_tools": 51}, 422),
        ({"task_description": ["x"]}, 422),
    ],
)
async def test_a_request_that_is_not_valid_is_a_problem(
    admin: httpx2.AsyncClient, body: JsonObject, status: int
) -> None:
    response = await admin.post(SELECT, json=body)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


async def test_a_selection_is_in_the_audit_under_its_request_id(admin: httpx2.AsyncClient) -> None:
    selected = await answer(admin, SELECT, WEATHER)
    rows = (await admin.get("/api/v1/audit", params={"request_id": selected["request_id"]})).json()["items"]

    (row,) = rows
    assert row["kind"] == "selection"
    assert [name for name, _ in row["details"]["selected"]] == selected["selected_tools"]


async def test_the_same_task_again_is_answered_and_recorded_again(admin: httpx2.AsyncClient) -> None:
    first = await answer(admin, SELECT, WEATHER)
    again = await answer(admin, SELECT, WEATHER)

    assert first["request_id"] != again["request_id"]
    assert {**first, "request_id": None} == {**again, "request_id": None}


async def test_calls_in_the_words_of_the_seed_run_and_each_says_how_it_went(
    admin: httpx2.AsyncClient,
) -> None:
    calls: list[JsonObject] = [
        {"function": "add", "arguments": {"a": 2, "b": 3}},
        {"name": "add", "params": {"a": 4, "b": 5}},
        {"function": "no_such_tool", "arguments": {}},
        {"function": "add", "arguments": {"a": "two"}},
        {"type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 1}'}},
    ]
    told = await answer(admin, PARALLEL, {"function_calls": calls, "user_id": "user-17"})

    results = told["results"]
    assert [slot["success"] for slot in results] == [True, True, False, False, True]
    assert [slot["result"] for slot in results] == [{"sum": 5}, {"sum": 9}, None, None, {"sum": 2}]
    assert [slot["error_code"] for slot in results[2:4]] == ["unknown_tool", "invalid_arguments"]
    assert "no_such_tool" in results[2]["error"]
    assert [slot["function"] for slot in results] == ["add", "add", "no_such_tool", "add", "add"]
    assert "notices" not in results[0]
    assert (told["total_calls"], told["successful_calls"], told["failed_calls"]) == (5, 3, 2)
    assert told["total_tokens_used"] == sum(slot["tokens_used"] for slot in results)


async def test_a_call_may_take_its_arguments_from_another(admin: httpx2.AsyncClient) -> None:
    calls = [
        {"id": "sum", "function": "add", "arguments": {"a": 2, "b": 3}},
        {"function": "add", "arguments": {"a": {"$from": "sum", "path": "/sum"}, "b": 1}},
    ]
    told = await answer(admin, PARALLEL, {"function_calls": calls})

    assert told["results"][1]["result"] == {"sum": 6}


async def test_no_calls_are_no_results(admin: httpx2.AsyncClient) -> None:
    told = await answer(admin, PARALLEL, {"function_calls": []})

    assert told == {
        "results": [],
        "total_calls": 0,
        "successful_calls": 0,
        "failed_calls": 0,
        "total_tokens_used": 0,
    }


async def test_too_many_calls_are_refused_before_one_of_them_runs(admin: httpx2.AsyncClient) -> None:
    calls = [{"function": "add", "arguments": {"a": 1, "b": 1}}] * 65
    response = await admin.post(PARALLEL, json={"function_calls": calls})

    assert response.status_code == 400
    assert "at most 64" in response.json()["detail"]


async def test_a_user_is_a_note_in_the_audit_and_not_the_caller(
    rest: Rest, admin: httpx2.AsyncClient
) -> None:
    calls = [{"function": "add", "arguments": {"a": 20, "b": 30}}]
    async with rest.client(Role.AGENT) as agent:
        me = (await agent.get("/api/v1/me")).json()["principal"]
        await answer(agent, PARALLEL, {"function_calls": calls, "user_id": "admin"})
    rows = (await admin.get("/api/v1/audit", params={"principal": me, "kinds": "call"})).json()["items"]

    (row,) = rows
    assert row["details"]["user_id"] == "admin"
    assert row["user_id"] == me


async def test_statistics_have_the_seeds_keys_and_count_what_happened(rest: Rest) -> None:
    async with rest.client() as client:
        before = (await client.get(STATISTICS)).json()
        selected = await answer(client, SELECT, WEATHER)
        await answer(
            client, PARALLEL, {"function_calls": [{"function": "add", "arguments": {"a": 1, "b": 2}}]}
        )
        after = (await client.get(STATISTICS)).json()

    assert after["registered_tools"] == 3
    assert after["total_executions"] == before["total_executions"] + 1
    assert after["total_tokens_saved"] == before["total_tokens_saved"] + selected["tokens_saved"]
    average = after["total_tokens_saved"] / after["total_executions"]
    assert after["avg_tokens_saved_per_execution"] == pytest.approx(average)
    of_add = after["tool_usage_patterns"]["add"]
    calls_before = before["tool_usage_patterns"].get("add", {"usage_count": 0})["usage_count"]
    assert of_add["usage_count"] == calls_before + 1
    assert 0 < of_add["success_rate"] <= 1
    assert after["complete"] is True


async def test_statistics_of_selections_outlive_a_restart(open_rest: OpenRest) -> None:
    async with open_rest() as running, running.client() as client:
        of_all = await answer(client, SELECT, WEATHER)
        of_one = await answer(client, SELECT, {**WEATHER, "available_tools": ["get_weather"]})
        before = (await client.get(STATISTICS)).json()
    async with open_rest() as running, running.client() as client:
        after = (await client.get(STATISTICS)).json()

    assert (before["total_executions"], before["complete"]) == (2, True)
    assert before["total_tokens_saved"] == of_all["tokens_saved"] + of_one["tokens_saved"]
    assert after == before


async def test_statistics_count_what_agents_select_over_mcp(rest: Rest, admin: httpx2.AsyncClient) -> None:
    before = (await admin.get(STATISTICS)).json()
    url, headers = f"{rest.url}/mcp", {"Authorization": f"Bearer {await rest.token()}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as agent,
    ):
        found = await agent.call_tool("find_tools", {"task": "the weather in Paris"})
    after = (await admin.get(STATISTICS)).json()

    assert found.structured_content is not None
    figures = found.structured_content["tokens"]
    saved = after["total_tokens_saved"] - before["total_tokens_saved"]
    assert after["total_executions"] == before["total_executions"] + 1
    assert saved == figures["all_schemas"] - figures["sent"]
