"""The library face keeps the contract of the code that gave the idea, with real work behind it."""

import asyncio
import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import anyio
import pytest
from pydantic import BaseModel

from toolhone.exceptions import InvalidRequestError, UnusableSchemaError
from toolhone.models import Json, JsonObject
from toolhone.optimization import (
    FunctionCallResult,
    OptimizationManager,
    ParallelFunctionCaller,
    StructuredOutputValidator,
    ToolSelectionContext,
    get_optimization_manager,
)

WEATHER: JsonObject = {
    "description": "Get the weather forecast for a place.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "City name"}},
        "required": ["location"],
    },
}
DATABASE: JsonObject = {
    "description": "Run a SQL query on the database.",
    "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}
ANALYSIS: JsonObject = {
    "description": "Summarise a data set in statistics.",
    "parameters": {"type": "object", "properties": {"dataset": {"type": "string"}}},
}
NAMES = ["query_database", "analyze_data", "get_weather"]


@pytest.fixture
def manager() -> OptimizationManager:
    manager = OptimizationManager()
    manager.register_tool(tool_name="query_database", tool_config={}, full_schema=DATABASE)
    manager.register_tool(tool_name="analyze_data", tool_config={}, full_schema=ANALYSIS)
    manager.register_tool(tool_name="get_weather", tool_config={}, full_schema=WEATHER)
    return manager


def weather(**options: Json) -> ToolSelectionContext:
    return ToolSelectionContext(task_description="Get weather forecast and temperature", **options)


async def call(
    *function_calls: JsonObject, functions: Mapping[str, Callable[..., object]]
) -> list[FunctionCallResult]:
    with anyio.fail_after(30):
        return await ParallelFunctionCaller().call_functions_parallel(
            function_calls=function_calls, available_functions=functions
        )


def same(value: Json) -> Json:
    return value


# Selection


def test_a_manager_starts_empty() -> None:
    assert OptimizationManager().get_optimization_statistics() == {
        "total_executions": 0,
        "total_tokens_saved": 0,
        "avg_tokens_saved_per_execution": 0.0,
        "registered_tools": 0,
    }
    assert get_optimization_manager() is get_optimization_manager()


def test_a_context_has_the_four_fields() -> None:
    assert [field.name for field in fields(ToolSelectionContext)] == [
        *("task_description", "max_tools", "prefer_fast", "prefer_cheap")
    ]


async def test_cold_selection_picks_the_weather_tool_for_the_weather(manager: OptimizationManager) -> None:
    result = await manager.optimize_and_execute(
        context=weather(max_tools=1, prefer_fast=True), available_tools=NAMES
    )

    assert result["selected_tools"] == ["get_weather"]
    assert result["schemas"][0]["inputSchema"] == WEATHER["parameters"]
    assert result["tokens_saved"] > 0
    assert result["optimization_ratio"].endswith("%")


async def test_only_available_tools_are_selected_and_counted(manager: OptimizationManager) -> None:
    result = await manager.optimize_and_execute(
        context=weather(), available_tools=["query_database", "never_registered"]
    )

    assert result["selected_tools"] == ["query_database"]
    assert (result["tokens_saved"], result["optimization_ratio"]) == (0, "0.0%")


@pytest.mark.parametrize("available", [[], ["never_registered"]])
async def test_nothing_available_is_nothing_selected_and_nothing_saved(
    manager: OptimizationManager, available: list[str]
) -> None:
    result = await manager.optimize_and_execute(context=weather(), available_tools=available)

    assert (result["selected_tools"], result["tokens_saved"]) == ([], 0)
    assert manager.get_optimization_statistics()["total_tokens_saved"] == 0


async def test_without_a_list_every_registered_tool_is_available(manager: OptimizationManager) -> None:
    result = await manager.optimize_and_execute(context=weather(max_tools=2))

    assert len(result["selected_tools"]) == 2
    assert result["selected_tools"][0] == "get_weather"


async def test_a_tool_registered_between_two_selections_is_found(manager: OptimizationManager) -> None:
    await manager.optimize_and_execute(context=weather())
    manager.register_tool(
        tool_name="send_rocket", full_schema={"description": "Launch a rocket into orbit.", "parameters": {}}
    )
    context = ToolSelectionContext(task_description="fly something to space", max_tools=1)

    assert (await manager.optimize_and_execute(context=context))["selected_tools"] == ["send_rocket"]


async def test_selections_at_the_same_time_do_not_disturb_each_other(manager: OptimizationManager) -> None:
    tasks = ["weather forecast", "SQL query", "statistics of a data set"]
    selected: dict[str, list[str]] = {}

    async def select(task: str) -> None:
        context = ToolSelectionContext(task_description=task, max_tools=1)
        selected[task] = (await manager.optimize_and_execute(context=context))["selected_tools"]

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for task in tasks:
                group.start_soon(select, task)

    assert [selected[task] for task in tasks] == [["get_weather"], ["query_database"], ["analyze_data"]]


async def test_an_empty_task_is_refused(manager: OptimizationManager) -> None:
    with pytest.raises(InvalidRequestError):
        await manager.optimize_and_execute(context=ToolSelectionContext(task_description=" "))


async def test_statistics_add_up(manager: OptimizationManager) -> None:
    saved = [
        (await manager.optimize_and_execute(context=weather(max_tools=most)))["tokens_saved"]
        for most in (1, 2)
    ]

    assert manager.get_optimization_statistics() == {
        "total_executions": 2,
        "total_tokens_saved": sum(saved),
        "avg_tokens_saved_per_execution": sum(saved) / 2,
        "registered_tools": 3,
    }


def test_a_manager_outlives_its_event_loop(manager: OptimizationManager) -> None:
    select = functools.partial(manager.optimize_and_execute, context=weather(max_tools=1))

    assert asyncio.run(select()) == asyncio.run(select())


# Registration


@dataclass
class Config:
    tool_name: str = "get_weather"
    permission_level: str = "admin"
    risk_level: str = "medium"
    provider: str = "both"
    max_calls_per_minute: int = 2
    require_approval: bool = False


def test_what_a_configuration_asks_in_vain_is_said(caplog: pytest.LogCaptureFixture) -> None:
    OptimizationManager().register_tool(
        tool_name="get_weather", tool_config=Config(provider="openai"), full_schema=WEATHER
    )

    assert [record.getMessage() for record in caplog.records] == [
        "The tool_config of 'get_weather' says what has no effect in toolhone: provider."
    ]


async def test_a_rate_of_the_configuration_holds_over_several_batches() -> None:
    def shout(location: str) -> str:
        return location.upper()

    manager = OptimizationManager()
    manager.register_tool(
        tool_name="get_weather",
        tool_config=Config(),
        full_schema=WEATHER,
        function=shout,
    )
    asked = {"tool": "get_weather", "arguments": {"location": "Lima"}}

    first = await manager.call([asked, asked])
    (third,) = await manager.call([asked])

    assert [result.result for result in first] == ["LIMA", "LIMA"]
    assert not third.success
    assert "limited to 2 calls a minute" in (third.error or "")


async def test_a_schema_alone_can_be_found_but_not_called(manager: OptimizationManager) -> None:
    (result,) = await manager.call([{"tool": "get_weather", "arguments": {"location": "Lima"}}])

    assert not result.success
    assert "registered as a schema alone" in (result.error or "")


class Parcel(BaseModel):
    weight: float


async def test_the_decorator_derives_the_schema_and_leaves_the_function_as_it_is() -> None:
    manager = OptimizationManager()

    @manager.tool(read_only=True)
    def cost(parcel: Parcel, zone: Literal["near", "far"] = "near") -> float:
        """What sending a parcel costs."""
        return parcel.weight * (1 if zone == "near" else 3)

    results = await manager.call(
        [
            {"id": "far", "tool": "cost", "arguments": {"parcel": {"weight": 2}, "zone": "far"}},
            {"tool": "cost", "arguments": {"parcel": {"weight": {"$from": "far"}}}},
            {"tool": "cost", "arguments": {"parcel": {"weight": 2}, "zone": "moon"}},
        ]
    )

    assert cost(Parcel(weight=2)) == 2
    assert [result.result for result in results] == [6.0, 6.0, None]
    assert "moon" in (results[2].error or "")
    context = ToolSelectionContext(task_description="price of posting a package")
    assert (await manager.optimize_and_execute(context=context))["selected_tools"] == ["cost"]


# Parallel calls


async def test_results_are_in_the_order_asked_and_one_failure_is_alone() -> None:
    async def get_weather(location: str) -> JsonObject:
        await anyio.lowlevel.checkpoint()
        return {"location": location}

    def square(of: int) -> int:
        return of * of

    def analyze(dataset: str) -> str:
        raise ValueError(f"no data set {dataset!r}")

    results = await call(
        {"function": "get_weather", "arguments": {"location": "Lima"}},
        {"function": "analyze", "arguments": {"dataset": "sales"}},
        {"function": "send_rocket", "arguments": {}},
        {"function": "square", "arguments": {"of": 7}},
        functions={"get_weather": get_weather, "analyze": analyze, "square": square},
    )

    assert [result.tool_name for result in results] == ["get_weather", "analyze", "send_rocket", "square"]
    assert [result.success for result in results] == [True, False, False, True]
    assert [result.result for result in results] == [{"location": "Lima"}, None, None, 49]
    assert results[1].error == "'analyze' failed: ValueError: no data set 'sales'"
    assert results[2].error == "There is no function 'send_rocket'. There are: analyze, get_weather, square."
    assert all(result.execution_time_ms >= 0 for result in results)
    assert all(result.tokens_used > 0 for result in results)


@pytest.mark.parametrize(
    "asked",
    [
        {"function": "double", "arguments": {"of": 4}},
        {"name": "double", "params": {"of": 4}},
        {"name": "double", "arguments": {"of": 4}},
        {"function": "double", "arguments": '{"of": 4}'},
        {"id": "call_1", "type": "function", "function": {"name": "double", "arguments": '{"of": 4}'}},
    ],
)
async def test_every_spelling_of_a_call_is_the_same_call(asked: JsonObject) -> None:
    def double(of: int) -> int:
        return of * 2

    (result,) = await call(asked, functions={"double": double})

    assert (result.tool_name, result.success, result.result) == ("double", True, 8)


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "5", "", [1, "2"], {"a": [None]}])
async def test_what_a_function_returns_comes_back_as_it_is(value: Json) -> None:
    (result,) = await call({"function": "give"}, functions={"give": lambda: value})

    assert (result.success, result.result) == (True, value)


async def test_names_are_those_of_the_program() -> None:
    results = await call(
        {"function": "getWeather"},
        {"function": "shop.find-item", "arguments": {"value": 3}},
        functions={"getWeather": lambda: "fair", "shop.find-item": same},
    )

    assert [result.result for result in results] == ["fair", 3]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"function": "same", "arguments": {"value": threading.Lock()}}, "are not JSON values"),
        ({"function": "same", "arguments": {"wrong": 1}}, "cannot take these arguments"),
        ({"function": "same", "arguments": [1]}, "must be an object"),
        ({"function": "not_callable"}, "cannot be called"),
        ({"function": "hidden"}, "cannot be called"),
        ({"function": "opaque"}, "no JSON form"),
        ({}, "does not say which tool"),
        ({"function": None, "arguments": {}}, "does not say which tool"),
    ],
)
async def test_what_cannot_be_called_fails_alone(asked: JsonObject, said: str) -> None:
    not_callable: Json = None
    functions = {"same": same, "not_callable": not_callable, "hidden": max, "opaque": lambda: object()}
    results = await call(
        asked,
        {"function": "same", "arguments": {"value": 1}},
        functions=functions,
    )

    assert [result.success for result in results] == [False, True]
    assert said in (results[0].error or "")


async def test_nothing_to_call_is_nothing() -> None:
    assert await call(functions={}) == []


async def test_async_functions_overlap() -> None:
    here = 0
    all_here = anyio.Event()

    async def meet() -> str:
        nonlocal here
        here += 1
        if here == 8:
            all_here.set()
        await all_here.wait()
        return "met"

    results = await call(*[{"function": "meet"}] * 8, functions={"meet": meet})

    assert [result.result for result in results] == ["met"] * 8


async def test_plain_functions_overlap_and_leave_the_event_loop_free() -> None:
    barrier = threading.Barrier(8)
    freed = threading.Event()

    def meet() -> str:
        barrier.wait(timeout=20)
        return "met" if freed.wait(timeout=20) else "alone"

    async def free() -> str:
        freed.set()
        return "free"

    results = await call(
        *[{"function": "meet"}] * 8, {"function": "free"}, functions={"meet": meet, "free": free}
    )

    assert [result.result for result in results] == ["met"] * 8 + ["free"]


@pytest.mark.parametrize("count", [65, 200, 1500])
async def test_any_number_of_calls_goes_in_one_request(count: int) -> None:
    results = await call(
        *({"function": "same", "arguments": {"value": index}} for index in range(count)),
        functions={"same": same},
    )

    assert [result.result for result in results] == list(range(count))


async def test_one_user_holds_64_places_and_another_does_not_wait_for_them() -> None:
    caller = ParallelFunctionCaller()
    inside = 0
    full, leave = anyio.Event(), anyio.Event()

    async def stay() -> int:
        nonlocal inside
        inside += 1
        if inside == 64:
            full.set()
        await leave.wait()
        return inside

    async def ask(user_id: str, count: int) -> None:
        await caller.call_functions_parallel(
            function_calls=[{"function": "stay"}] * count,
            available_functions={"stay": stay},
            user_id=user_id,
        )

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "ann", 64)
            await full.wait()
            tasks.start_soon(ask, "ann", 1)
            await anyio.wait_all_tasks_blocked()
            assert inside == 64
            (bobs,) = await caller.call_functions_parallel(
                function_calls=[{"function": "count"}],
                available_functions={"count": lambda: inside},
                user_id="bob",
            )
            assert bobs.result == 64
            leave.set()
    assert inside == 65


# Structured output


def test_output_is_held_against_the_whole_schema() -> None:
    validator = StructuredOutputValidator()
    validator.register_output_schema(
        "answer",
        {
            "type": "object",
            "properties": {"answer": {"type": "string"}, "confidence": {"type": "number", "maximum": 1}},
            "required": ["answer", "confidence"],
        },
    )

    assert validator.validate_output({"answer": "Paris", "confidence": 0.95}, "answer") == (True, None)
    is_valid, error = validator.validate_output({"answer": 5, "confidence": True}, "answer")
    assert not is_valid
    assert error is not None
    assert "/answer" in error
    assert "/confidence" in error
    assert validator.validate_output({"answer": "Paris", "confidence": 2}, "answer")[0] is False


def test_a_schema_that_is_none_and_a_name_that_is_none_are_refused() -> None:
    validator = StructuredOutputValidator()

    with pytest.raises(UnusableSchemaError):
        validator.register_output_schema("answer", {"type": "text"})
    with pytest.raises(InvalidRequestError, match="answer"):
        validator.validate_output({}, "answer")
