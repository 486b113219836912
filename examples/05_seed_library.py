"""The library code of the seed document, as it stands there, with real functions behind it."""

import anyio

from toolhone.optimization import (
    ParallelFunctionCaller,
    StructuredOutputValidator,
    ToolSelectionContext,
    get_optimization_manager,
)


def schema(description: str, **parameters: str) -> dict[str, object]:
    properties = {name: {"type": "string", "description": text} for name, text in parameters.items()}
    return {
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(parameters)},
    }


async def get_weather(location: str) -> dict[str, object]:
    return {"location": location, "temperature": 21}


def query_database(query: str) -> list[int]:
    return [len(query)]


def analyze_data(dataset: str) -> str:
    raise ValueError(f"no data set {dataset!r}")


async def main() -> None:
    manager = get_optimization_manager()
    manager.register_tool(
        tool_name="get_weather",
        tool_config={},
        full_schema=schema("Get the weather forecast for a place.", location="City name"),
    )
    manager.register_tool(
        tool_name="query_database",
        tool_config={},
        full_schema=schema("Run a SQL query on the database.", query="SQL text"),
    )
    manager.register_tool(
        tool_name="analyze_data",
        tool_config={},
        full_schema=schema("Summarise a data set in statistics.", dataset="Name of the data set"),
    )

    context = ToolSelectionContext(
        task_description="Get weather forecast and temperature",
        max_tools=1,
        prefer_fast=True,
        prefer_cheap=False,
    )
    result = await manager.optimize_and_execute(
        context=context, available_tools=["get_weather", "query_database", "analyze_data"]
    )
    print(f"Selected: {result['selected_tools']}")
    print(f"Tokens saved: {result['tokens_saved']} ({result['optimization_ratio']})")
    assert result["selected_tools"] == ["get_weather"]
    assert result["tokens_saved"] > 0

    results = await ParallelFunctionCaller().call_functions_parallel(
        function_calls=[
            {"function": "get_weather", "arguments": {"location": "New York"}},
            {"function": "query_database", "arguments": {"query": "SELECT 1"}},
            {"function": "analyze_data", "arguments": {"dataset": "sales"}},
            {"function": "send_rocket", "arguments": {}},
        ],
        available_functions={
            "get_weather": get_weather,
            "query_database": query_database,
            "analyze_data": analyze_data,
        },
        user_id="user_123",
    )
    for one in results:
        print(f"{one.tool_name}: {one.success}, {one.execution_time_ms:.2f} ms, {one.tokens_used} tokens")
    assert [one.success for one in results] == [True, True, False, False]

    validator = StructuredOutputValidator()
    validator.register_output_schema(
        "qa_response",
        {
            "type": "object",
            "properties": {"answer": {"type": "string"}, "confidence": {"type": "number"}},
            "required": ["answer", "confidence"],
        },
    )
    assert validator.validate_output({"answer": "Paris", "confidence": 0.95}, "qa_response") == (True, None)
    is_valid, error = validator.validate_output({"answer": 5, "confidence": "high"}, "qa_response")
    print(f"refused: {error}")
    assert not is_valid

    statistics = manager.get_optimization_statistics()
    print(statistics)
    assert (statistics["total_executions"], statistics["registered_tools"]) == (1, 3)


if __name__ == "__main__":
    anyio.run(main)
