"""Python functions as tools: schemas from hints, converted arguments, schemas without a function."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from toolhone.exceptions import (
    InvalidArgumentsError,
    InvalidRequestError,
    ToolFailedError,
    UnknownToolError,
)
from toolhone.models import Annotations, Category, Json, JsonObject, Limits, ToolDefinition, ToolOutput
from toolhone.registry.functions import FunctionToolset, definition_from_schema

OPEN: JsonObject = {"type": "object", "properties": {}}


class Receipt(BaseModel):
    order: int
    day: date


async def call(toolset: FunctionToolset, arguments: JsonObject) -> ToolOutput:
    with anyio.fail_after(60):
        return await toolset.call(toolset.tools()[0], arguments)


async def test_a_registered_function_gets_the_arguments_as_keywords() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    toolset = FunctionToolset()
    definition = toolset.register(
        "add",
        add,
        description="Adds.",
        input_schema={"type": "object", "properties": {"a": {}, "b": {}}},
        annotations=Annotations(read_only=True),
        category=Category.SPECIALIZED,
        limits=Limits(timeout_seconds=1),
    )

    assert definition.read_only
    assert definition.category is Category.SPECIALIZED
    assert (await call(toolset, {"a": 1, "b": 2})).text == "3"


async def test_the_decorator_makes_the_schema_from_hints_and_docstring() -> None:
    toolset = FunctionToolset()

    @toolset.tool(annotations=Annotations(destructive=False))
    def place_order(
        schema: str,
        day: date,
        size: Literal["s", "m"] = "s",
        *,
        count: Annotated[int, Field(ge=1, description="How many.")] = 1,
        _note: str | None = None,
    ) -> Receipt:
        """Place an order.

        It is sent by mail.

        Args:
            schema: What to order,
                by its number: 1 to 9.
            day (date): When.
            count: Not this one, since the hint has a description.

        Returns:
            receipt: not an argument
        """
        assert isinstance(day, date)
        return Receipt(order=count, day=day)

    (definition,) = toolset.tools()
    properties = definition.input_schema["properties"]
    assert definition.name == "place_order"
    assert definition.description == "Place an order.\n\nIt is sent by mail."
    assert definition.input_schema["required"] == ["schema", "day"]
    assert definition.input_schema["additionalProperties"] is False
    assert properties["schema"] == {
        "type": "string",
        "description": "What to order, by its number: 1 to 9.",
    }
    assert properties["day"] == {"type": "string", "format": "date", "description": "When."}
    assert properties["size"] == {"type": "string", "enum": ["s", "m"], "default": "s"}
    assert properties["count"]["description"] == "How many."
    assert list(properties) == ["schema", "day", "size", "count", "_note"]
    assert definition.output_schema is not None
    assert list(definition.output_schema["properties"]) == ["order", "day"]

    output = await call(toolset, {"schema": "7", "day": "2026-01-02", "count": 3})
    assert output.structured == {"order": 3, "day": "2026-01-02"}
    assert place_order("7", date(2026, 1, 2)).order == 1  # The function itself is as it was.


async def test_arguments_that_do_not_fit_the_hints_are_refused_by_name() -> None:
    toolset = FunctionToolset()

    @toolset.tool()
    def pick(number: int) -> int:
        """Pick."""
        return number

    with pytest.raises(InvalidArgumentsError, match=r"/number: .*integer"):
        await call(toolset, {"number": "many"})
    with pytest.raises(InvalidArgumentsError, match="/numbre: Extra"):
        await call(toolset, {"number": 1, "numbre": 2})


async def test_methods_and_async_functions_are_tools_too() -> None:
    class Shop:
        def __init__(self) -> None:
            self.open = True

        async def is_open(self, day: date) -> bool:
            """Is it open?"""
            return self.open

    toolset = FunctionToolset()
    toolset.tool()(Shop().is_open)

    assert (await call(toolset, {"day": "2026-01-02"})).text == "true"


async def test_the_reporter_is_not_an_argument_of_the_tool() -> None:
    toolset = FunctionToolset()

    @toolset.tool()
    def work(n: int, report_progress: Callable[..., None]) -> str:
        """Work."""
        report_progress(n)
        return threading.current_thread().name

    assert list(toolset.tools()[0].input_schema["properties"]) == ["n"]
    assert (await call(toolset, {"n": 1})).text != threading.main_thread().name


class Opaque:
    pass


def takes_any(*values: int) -> None:
    """Any."""


def takes_keywords(**values: int) -> None:
    """Any."""


def takes_by_position(value: int, /) -> None:
    """One."""


def takes_unhinted(value: int) -> None:
    """One."""


takes_unhinted.__annotations__.clear()


def takes_opaque(value: Opaque) -> None:
    """One."""


def takes_unknown(value: int) -> None:
    """One."""


takes_unknown.__annotations__["value"] = "Nowhere"


def says_nothing(value: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (takes_any, r"'\*values: int' cannot be given by name"),
        (takes_keywords, r"'\*\*values: int' cannot be given by name"),
        (takes_by_position, "cannot be given by name"),
        (takes_unhinted, "'value' has no type hint"),
        (takes_opaque, "no JSON Schema"),
        (takes_unknown, "'Nowhere'"),
        (says_nothing, "docstring or a description"),
        (lambda: None, "'<lambda>'"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_when_it_is_registered(
    function: Callable[..., object], message: str
) -> None:
    toolset = FunctionToolset()

    with pytest.raises(InvalidRequestError, match=message):
        toolset.tool()(function)
    assert toolset.tools() == ()


@pytest.mark.parametrize("name", ["", "Add", "add-two", "ädd", "x" * 51])
def test_a_name_that_clients_could_not_say_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be a tool's name"):
        FunctionToolset().register(name, print, description="d", input_schema=OPEN)


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="/inputSchema/type"):
        FunctionToolset().register("a", print, description="d", input_schema={"type": "array"})


async def test_a_tool_without_a_function_is_listed_and_says_so_when_called() -> None:
    toolset = FunctionToolset()
    toolset.register_definition(ToolDefinition(name="a", description="d", input_schema=OPEN))

    assert len(toolset.tools()) == 1
    with pytest.raises(ToolFailedError, match="schema alone"):
        await call(toolset, {})


async def test_listeners_hear_of_every_change() -> None:
    toolset = FunctionToolset()
    told: list[int] = []
    unsubscribe = toolset.subscribe(lambda: told.append(len(toolset.tools())))

    definition = toolset.register("a", print, description="d", input_schema=OPEN)
    toolset.register("a", print, description="other", input_schema=OPEN)
    toolset.remove("a")
    unsubscribe()
    toolset.register("b", print, description="d", input_schema=OPEN)

    assert told == [1, 1, 0]
    with pytest.raises(UnknownToolError):
        toolset.remove("a")
    with pytest.raises(UnknownToolError):
        await toolset.call(definition, {})


WEATHER = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}


@pytest.mark.parametrize(
    "full_schema",
    [
        {"name": "get_weather", "description": "Weather.", "parameters": WEATHER},
        {"name": "get_weather", "description": "Weather.", "inputSchema": WEATHER},
        {"name": "get_weather", "description": "Weather.", "input_schema": WEATHER},
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "Weather.", "parameters": WEATHER},
        },
        {"type": "function", "name": "get_weather", "description": "Weather.", "parameters": WEATHER},
        {"description": "Weather.", **WEATHER},
    ],
)
def test_every_spelling_of_a_schema_gives_the_same_tool(full_schema: JsonObject) -> None:
    definition = definition_from_schema("get_weather", None, full_schema)

    assert definition.name == "get_weather"
    assert definition.description == "Weather."
    assert definition.input_schema == WEATHER


def test_a_schema_without_parameters_takes_none() -> None:
    assert definition_from_schema("now", None, {"name": "now"}).input_schema == OPEN


def test_the_configuration_is_honoured_where_it_means_something() -> None:
    definition = definition_from_schema(
        "drop",
        {
            "tool_name": "drop",
            "description": "Drops it.",
            "category": "ecommerce",
            "risk_level": "critical",
            "permission_level": "authenticated",
            "timeout_seconds": 5,
            "max_calls_per_minute": 10,
            "require_approval": False,
        },
        {"description": "not this one"},
    )

    assert definition.description == "Drops it."
    assert definition.category is Category.ECOMMERCE
    assert definition.annotations == Annotations(destructive=True)
    assert definition.limits == Limits(timeout_seconds=5, max_calls_per_minute=10)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"risk_level": "huge"}, "risk_level 'huge'"),
        ({"category": "weather"}, "category 'weather'"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"max_calls_per_minute": 1.5}, "max_calls_per_minute"),
        ({"tool_name": "other"}, "tool_name"),
        (["description"], "must be a mapping or an object"),
        (Limits, "must be a mapping or an object"),
    ],
)
def test_what_cannot_be_meant_is_refused(config: Json, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        definition_from_schema("a", config, {"parameters": OPEN})


class _Level(StrEnum):
    ADMIN = "admin"


@dataclass(slots=True)
class _AsDataclass:
    tool_name: str = "drop"
    description: str | None = "Drops it."
    permission_level: _Level = _Level.ADMIN
    risk_level: str = "high"
    timeout_seconds: int = 5
    max_calls_per_hour: int = 100
    is_consequential: bool = True
    require_approval: bool = False


class _AsModel(BaseModel):
    tool_name: str = "drop"
    description: str | None = "Drops it."
    permission_level: _Level = _Level.ADMIN
    risk_level: str = "high"
    timeout_seconds: int = 5
    max_calls_per_hour: int = 100
    is_consequential: bool = True
    require_approval: bool = False


@pytest.mark.parametrize("config", [asdict(_AsDataclass()), _AsDataclass(), _AsModel()])
def test_a_configuration_may_be_any_object_and_what_has_no_effect_is_said(
    config: Json, caplog: pytest.LogCaptureFixture
) -> None:
    definition = definition_from_schema("drop", config, {"parameters": OPEN})

    assert definition.description == "Drops it."
    assert definition.limits == Limits(timeout_seconds=5)
    assert definition.annotations == Annotations(destructive=True)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "'drop'" in record.getMessage()
    assert record.getMessage().endswith(": is_consequential, max_calls_per_hour.")


@pytest.mark.parametrize("level", ["public", "authenticated", "privileged", "admin"])
def test_every_permission_level_is_the_local_users(level: str, caplog: pytest.LogCaptureFixture) -> None:
    definition_from_schema("a", {"permission_level": level}, {"parameters": OPEN})

    assert caplog.records == []


@pytest.mark.parametrize(
    "full_schema", [{"parameters": OPEN, "inputSchema": OPEN}, {"parameters": 3}, {"name": "b"}]
)
def test_a_schema_that_contradicts_itself_is_refused(full_schema: Json) -> None:
    with pytest.raises(InvalidRequestError):
        definition_from_schema("a", None, full_schema)
