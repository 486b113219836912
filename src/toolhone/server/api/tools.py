"""The seed's endpoints about tools, under /finetuning/tools: select, run in parallel, statistics."""

from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from toolhone.answers import results_text, slot_json
from toolhone.execution.function_calls import as_call
from toolhone.gateway import Gateway
from toolhone.models import Caller, CallResult, Json, JsonObject
from toolhone.roles import Permission
from toolhone.selection.question import MAX_TOOLS
from toolhone.server.api.bodies_of_tools import MOST_NAMES, ToolName, UserId
from toolhone.server.api.catalog import recorded
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, GivenGateway, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.json_answers import JsonAnswer
from toolhone.server.api.openapi import also
from toolhone.tool_choice import NO_TOOL, Choice, Wanted

router = endpoints("/finetuning/tools", tag="finetuning: tools")


class Select(BaseModel):
    """A task for which tools are wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_description": "Get weather forecast and temperature",
                    "task_type": "data_retrieval",
                    "required_capabilities": ["weather"],
                    "max_tools": 5,
                    "prefer_fast": True,
                }
            ]
        }
    )

    task_description: Annotated[str, Field(description="What is to be done, in words.")]
    task_type: Annotated[
        str | None, Field(max_length=2000, description="The kind of task; read as part of it.")
    ] = None
    required_capabilities: Annotated[
        list[str], Field(max_length=100, description="What the tools must be able to do; read as part of it.")
    ] = []
    max_tools: Annotated[int, Field(ge=1, le=MAX_TOOLS, description="At most; fewer if fewer will do.")] = 10
    prefer_fast: Annotated[bool, Field(description="Among tools that fit alike, the faster first.")] = False
    prefer_cheap: Annotated[
        bool, Field(description="Among tools that fit alike, those with shorter answers first.")
    ] = False
    available_tools: Annotated[
        list[ToolName] | None,
        Field(
            max_length=MOST_NAMES, description="Only these; all if it is left out. Unknown names do no harm."
        ),
    ] = None


class CompressedSchema(BaseModel):
    """One tool as briefly as it can be called from; nothing of its parameters is lost at level `full`."""

    name: str
    level: str
    signature: str
    score: float
    fits: float


class Selected(BaseModel):
    """The tools for a task, best first. Token figures are o200k tokens, counted and not assumed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "selected_tools": ["weather__forecast"],
                    "compressed_schemas": [
                        {
                            "name": "weather__forecast",
                            "level": "full",
                            "signature": "## weather__forecast\nForecast for a place.\n place\n days? int",
                            "score": 0.81,
                            "fits": 0.96,
                        }
                    ],
                    "tokens_saved": 32049,
                    "optimization_ratio": "99.8%",
                    "fits": 0.97,
                    "nothing_fits": False,
                    "tokens_sent": 61,
                    "tokens_of_available": 32110,
                    "text": "Fits: likely. 1 of 214 tools, best first:\n…",
                    "notices": [],
                    "request_id": "01JD2V7K8Q3M5R9T1W3Y5Z7B9D",
                }
            ]
        }
    )

    selected_tools: list[str]
    compressed_schemas: list[CompressedSchema]
    tokens_saved: int
    """Against the schemas of all available tools; negative where those are so few that telling takes more."""
    optimization_ratio: str
    fits: float
    """How likely any tool serves the task, 0 to 1."""
    nothing_fits: bool
    tokens_sent: int
    """Of `text`."""
    tokens_of_available: int
    text: str
    """The choice as a model reads it."""
    preamble: str | None = None
    """What the signatures share."""
    notices: list[str]
    request_id: str | None
    """In the audit; null if there was nothing to choose from."""


class ParallelCalls(BaseModel):
    """Calls that run at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "function_calls": [
                        {"function": "add", "arguments": {"a": 2, "b": 3}},
                        {"name": "add", "params": {"a": 4, "b": 5}},
                    ],
                    "user_id": "user-17",
                }
            ]
        }
    )

    function_calls: Annotated[
        list[JsonObject],
        Field(
            max_length=1024,
            description="Each `{function | name | tool, arguments | params, id?}`, or as OpenAI's API writes "
            'one. An argument `{"$from": ID, "path": POINTER}` is taken from the answer of another call.',
        ),
    ]
    user_id: UserId = None


class ParallelResult(BaseModel):
    """The answer to one call: `result` if it succeeded, else `error`."""

    function: str
    tool_name: str
    id: str
    success: bool
    result: Json = None
    error: str | None = None
    error_code: str | None = None
    execution_time_ms: float
    tokens_used: int
    handle: str | None = None
    """Where the whole result can be read if `result` is a preview: `GET /api/v1/results/{handle}`."""
    notices: list[str] | None = None
    content: list[JsonObject] | None = None


class ParallelResults(BaseModel):
    """One answer a call, in the order asked; each says whether it succeeded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "results": [
                        {
                            "function": "add",
                            "tool_name": "add",
                            "id": "1",
                            "success": True,
                            "result": {"sum": 5},
                            "error": None,
                            "error_code": None,
                            "execution_time_ms": 0.42,
                            "tokens_used": 17,
                        }
                    ],
                    "total_calls": 1,
                    "successful_calls": 1,
                    "failed_calls": 0,
                    "total_tokens_used": 17,
                }
            ]
        }
    )

    results: list[ParallelResult]
    total_calls: int
    successful_calls: int
    failed_calls: int
    total_tokens_used: int


class UsagePattern(BaseModel):
    """How one tool's calls went, over all that is recorded."""

    usage_count: int
    success_rate: float
    avg_execution_time_ms: float
    avg_tokens_used: float


class ToolStatistics(BaseModel):
    """Selections and what is known of calls, over all that is recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total_executions": 12,
                    "total_tokens_saved": 384588,
                    "avg_tokens_saved_per_execution": 32049.0,
                    "complete": True,
                    "registered_tools": 214,
                    "tool_usage_patterns": {
                        "add": {
                            "usage_count": 40,
                            "success_rate": 0.975,
                            "avg_execution_time_ms": 0.5,
                            "avg_tokens_used": 17.0,
                        }
                    },
                }
            ]
        }
    )

    total_executions: int
    """Selections that the audit has, of every caller and by every way in: REST, MCP, dashboard, CLI."""
    total_tokens_saved: int
    """Of these, against the schemas of the tools that each could choose from; negative if it cost more.

    One that found nothing saved nothing. What is counted stays counted when a payload is erased.
    """
    avg_tokens_saved_per_execution: float
    complete: bool
    """False while a large audit is being counted for the first time: the numbers still grow."""
    registered_tools: int
    tool_usage_patterns: dict[str, UsagePattern]


@router.post(
    "/select",
    dependencies=[allowed(Permission.FIND_TOOLS)],
    response_model=Selected,
    response_model_exclude_unset=True,
    summary="Select tools for a task",
    operation_id="select_tools",
)
async def select_tools(body: Select, app: GivenApp, gateway: GivenGateway, caller: GivenCaller) -> Response:
    """The tools for a task, their compressed schemas, and what that saves in tokens."""
    arguments = body.model_dump(mode="json", exclude_unset=True)
    wanted = Wanted(
        task_description=body.task_description,
        task_type=body.task_type,
        required_capabilities=body.required_capabilities,
        max_tools=body.max_tools,
        prefer_fast=body.prefer_fast,
        prefer_cheap=body.prefer_cheap,
        available_tools=body.available_tools,
    )
    async with recorded(gateway, "find_tools", arguments, caller):
        choice = await (await app.tool_choice()).choose(wanted, caller=caller)
    answer = _selected(choice)
    # As find_tools would have been asked and answered: what the choice costs its caller is on the receipt.
    figures: JsonObject = {"tokens": {"sent": answer["tokens_sent"]}}
    await gateway.exchanged(caller, "find_tools", arguments, answer["text"], figures)
    # Not put through its model once more on the way out: programs ask for tools hundreds of times a second.
    return JsonAnswer(answer)


def _selected(choice: Choice) -> JsonObject:
    found = choice.found
    answer: JsonObject = {
        "selected_tools": [],
        "compressed_schemas": [],
        "tokens_saved": choice.tokens_saved,
        "optimization_ratio": choice.optimization_ratio,
        "fits": 0.0,
        "nothing_fits": True,
        "tokens_sent": choice.tokens_sent,
        "tokens_of_available": choice.tokens_of_available,
        "text": NO_TOOL,
        "notices": [NO_TOOL],
        "request_id": None,
    }
    if found is None:
        return answer
    answer |= {
        "selected_tools": [tool.definition.name for tool in found.tools],
        "compressed_schemas": [
            {
                "name": tool.definition.name,
                "level": level.value,
                "signature": signature,
                "score": round(tool.score, 4),
                "fits": round(tool.fits, 3),
            }
            for tool, level, signature in zip(found.tools, found.levels, found.signatures, strict=True)
        ],
        "fits": round(found.fits, 3),
        "nothing_fits": found.nothing_fits,
        "text": found.text,
        "notices": list(found.notices),
        "request_id": found.request_id,
    }
    if found.preamble:
        answer["preamble"] = found.preamble
    return answer


@router.post(
    "/execute-parallel",
    dependencies=[allowed(Permission.CALL_TOOLS)],
    response_model=ParallelResults,
    response_model_exclude_unset=True,
    responses=also(409),
    summary="Run tools in parallel",
    operation_id="execute_parallel",
)
async def execute_parallel(
    body: ParallelCalls, gateway: GivenGateway, caller: GivenCaller, once: GivenOnce
) -> Response:
    """Run calls at once. 200 whenever they could be read: each answer says whether its call succeeded."""
    return await once.answer(lambda: _executed(body, gateway, caller), status=200)


async def _executed(body: ParallelCalls, gateway: Gateway, caller: Caller) -> JsonObject:
    arguments = body.model_dump(mode="json", exclude_unset=True)
    results: list[CallResult] = []
    if body.function_calls:
        calls = [as_call(call) for call in body.function_calls]
        async with recorded(gateway, "call_tools", arguments, caller):
            results = await gateway.call(calls, caller=caller, user_id=body.user_id)
    answer: JsonObject = {"results": [slot_json(result) for result in results]}
    await gateway.exchanged(caller, "call_tools", arguments, results_text(results), answer)
    succeeded = sum(result.success for result in results)
    return {
        "results": [_parallel(slot) for slot in answer["results"]],
        "total_calls": len(results),
        "successful_calls": succeeded,
        "failed_calls": len(results) - succeeded,
        "total_tokens_used": sum(result.tokens_used for result in results),
    }


def _parallel(slot: JsonObject) -> JsonObject:
    """The slot with the seed's words for it."""
    error: JsonObject = slot.get("error", {})
    name = slot["tool"]
    rest = {key: value for key, value in slot.items() if key not in {"tool", "error"}}
    return {
        "function": name,
        "tool_name": name,
        "result": None,
        **rest,
        "error": error.get("message"),
        "error_code": error.get("code"),
    }


@router.get(
    "/statistics",
    dependencies=[allowed(Permission.FIND_TOOLS)],
    response_model=ToolStatistics,
    summary="Statistics of tools",
    operation_id="tool_statistics",
)
async def tool_statistics(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """What was ever selected in this data folder and saved by it, and how each tool's calls went so far."""
    return await (await app.tool_choice()).statistics(caller=caller)
