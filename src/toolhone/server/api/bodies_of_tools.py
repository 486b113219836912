"""What endpoints about tools take and give."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, Json, JsonObject
from toolhone.selection.question import MAX_TOOLS

ToolName: TypeAlias = Annotated[str, Field(max_length=200)]

Handle: TypeAlias = Annotated[str, Field(max_length=200)]

MOST_NAMES = 10_000
"""Names in one list of tools."""

CALL: JsonObject = {"id": "sum", "tool": "add", "arguments": {"a": 2, "b": 3}}
SLOT: JsonObject = {
    "id": "sum",
    "tool": "add",
    "success": True,
    "result": {"sum": 5},
    "execution_time_ms": 0.42,
    "tokens_used": 17,
}


UserId = Annotated[
    str | None, Field(max_length=200, description="Whose work it is: for the record, it gives no right.")
]


class Taken(BaseModel):
    """A body: what it names that is not known is refused, because it was meant for something."""

    model_config = ConfigDict(extra="forbid")


class Find(Taken):
    """A task for which tools are wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"task": "What is the weather in Paris?", "max_tools": 3}]},
    )

    task: Annotated[str, Field(description="What is to be done, in words.")]
    max_tools: Annotated[int, Field(ge=1, le=MAX_TOOLS)] = 5
    token_budget: Annotated[
        int | None, Field(ge=50, le=10_000_000, description="Cap on the tokens of `text`; small: names only.")
    ] = None
    available_tools: Annotated[
        list[ToolName] | None, Field(description="Only these.", max_length=MOST_NAMES)
    ] = None
    category: Category | None = None
    prefer_fast: bool = False
    prefer_cheap: bool = False


class Tokens(BaseModel):
    """What the answer costs, in o200k tokens."""

    sent: int
    legend: int
    listing: int
    follow_ups: int
    all_schemas: int
    saved: int
    break_even_selections: int


class FoundTools(BaseModel):
    """The tools that fit a task, best first, and the text that says so to a model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "fits": 0.97,
                    "nothing_fits": False,
                    "tools": [
                        {
                            "name": "weather__forecast",
                            "score": 0.81,
                            "fits": 0.96,
                            "level": "full",
                            "signature": "## weather__forecast\nForecast for a place.\n place\n days? int",
                            "readOnly": True,
                            "server": "weather",
                            "category": "general",
                        }
                    ],
                    "considered": 214,
                    "method": "hybrid",
                    "request_id": "01JD2V7K8Q3M5R9T1W3Y5Z7B9D",
                    "elapsed_ms": 4.1,
                    "tokens": {
                        "sent": 61,
                        "legend": 12,
                        "listing": 0,
                        "follow_ups": 0,
                        "all_schemas": 32110,
                        "saved": 32049,
                        "break_even_selections": 526,
                    },
                    "text": "Fits: likely. 1 of 214 tools, best first:\n…",
                }
            ]
        }
    )

    fits: float
    """How likely any tool serves the task, 0 to 1."""
    nothing_fits: bool
    tools: list[JsonObject]
    considered: int
    method: Literal["hybrid", "lexical"]
    request_id: str
    elapsed_ms: float
    tokens: Tokens
    preamble: str | None = None
    roster: list[str] | None = None
    left_out: list[JsonObject] | None = None
    notices: list[str] | None = None
    text: str
    """All of it as a model reads it."""


class Describe(Taken):
    """Names of tools to be told all about."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"names": ["weather__forecast"]}]}
    )

    names: Annotated[list[ToolName], Field(min_length=1, max_length=200)]


class DescribedTools(BaseModel):
    """Signatures that lose nothing, and the text that says them to a model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tools": [{"name": "add", "signature": "## add\nAdd two numbers.\n a num\n b num"}],
                    "tokens": {"sent": 15, "legend": 0, "as_json": 44},
                    "text": "## add (call_read_tools)\nAdd two numbers.\n a num\n b num",
                }
            ]
        }
    )

    tools: list[JsonObject]
    tokens: dict[str, int]
    preamble: str | None = None
    missing: list[str] | None = None
    """What to say of each name that no tool has."""
    text: str


class Calls(Taken):
    """Calls that run at once, but for those that wait for another's answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "calls": [
                        CALL,
                        {
                            "id": "double",
                            "tool": "add",
                            "arguments": {
                                "a": {"$from": "sum", "path": "/sum"},
                                "b": {"$from": "sum", "path": "/sum"},
                            },
                        },
                    ]
                }
            ]
        },
    )

    calls: Annotated[
        list[JsonObject],
        Field(
            min_length=1,
            max_length=1024,
            description='Each `{"id"?, "tool", "arguments", "fields"?, "limit"?, "grep"?}`. An argument '
            '`{"$from": ID, "path": POINTER}` is taken from the answer of another call.',
        ),
    ]
    user_id: UserId = None


class CallError(BaseModel):
    """Why a call failed."""

    code: str
    message: str
    data: JsonObject | None = None


class Slot(BaseModel):
    """The answer to one call: `result` if it succeeded, else `error`."""

    id: str
    tool: str
    success: bool
    result: Json = None
    error: CallError | None = None
    execution_time_ms: float
    tokens_used: int
    handle: str | None = None
    """Where the whole result can be read if `result` is a preview: `GET /api/v1/results/{handle}`."""
    notices: list[str] | None = None
    content: list[JsonObject] | None = None
    """MCP content blocks that are not text: images, say."""


class Slots(BaseModel):
    """One answer a call, in the order asked; each says whether it succeeded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"results": [SLOT]}]})

    results: list[Slot]


class ToolSummary(BaseModel):
    """A tool in a list."""

    name: str
    server: str
    """`local` for a tool of a file."""
    category: Category
    readOnly: bool
    description: str
    """Its first line."""


class ToolPage(BaseModel):
    """Tools by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "name": "add",
                            "server": "local",
                            "category": "general",
                            "readOnly": True,
                            "description": "Add two numbers.",
                        }
                    ],
                    "total": 214,
                    "next_cursor": "WyJhZGQiXQ",
                }
            ]
        }
    )

    items: list[ToolSummary]
    total: int
    """How many match, on all pages."""
    next_cursor: str | None


class ToolTokens(BaseModel):
    """What one tool takes, in o200k tokens."""

    signature: int
    as_json: int


class ToolDetail(BaseModel):
    """A tool's full definition in MCP's form, and how an agent is told about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "add",
                    "description": "Add two numbers.",
                    "inputSchema": {
                        "type": "object",
                        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                        "required": ["a", "b"],
                    },
                    "readOnly": True,
                    "server": "local",
                    "category": "general",
                    "signature": "## add\nAdd two numbers.\n a num\n b num",
                    "tokens": {"signature": 13, "as_json": 44},
                }
            ]
        }
    )

    name: str
    description: str
    inputSchema: JsonObject
    outputSchema: JsonObject | None = None
    annotations: JsonObject | None = None
    readOnly: bool
    server: str
    category: Category
    preamble: str | None = None
    """What explains the signature, if it needs that."""
    signature: str
    tokens: ToolTokens


class Check(Taken):
    """A value, and the schema that it should match."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "schema": {"type": "object", "properties": {"answer": {"type": "string"}}},
                    "output": {"answer": 5},
                }
            ]
        },
    )

    schema_: Annotated[
        str | JsonObject,
        Field(alias="schema", description="A JSON Schema, or the name of a tool or registered schema."),
    ]
    output: Json


class Checked(BaseModel):
    """Whether the value matches, and where it does not."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"valid": False, "errors": ["/answer: 5 is not of type 'string'"]}]}
    )

    valid: bool
    errors: list[str]


class ResultPage(BaseModel):
    """A page of a stored result: rows of an array, characters of anything else."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "handle": "q1rT0xYzAbCd",
                    "media": "json",
                    "unit": "rows",
                    "total": 2000,
                    "offset": 0,
                    "count": 2,
                    "next_offset": 2,
                    "value": [{"number": 0}, {"number": 1}],
                }
            ]
        }
    )

    handle: str
    media: Literal["json", "text"]
    unit: Literal["rows", "characters"]
    total: int
    offset: int
    count: int
    next_offset: int | None = None
    excerpt: str | None = None
    value: Json
