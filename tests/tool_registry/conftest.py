"""The shipped tools, called as toolhone calls them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from jsonschema import Draft202012Validator

from toolhone.models import Json, ToolOutput
from toolhone.registry.files import FileToolset

FOLDER = Path(__file__).parents[2] / "tool_registry"

CallTool: TypeAlias = Callable[..., Awaitable[Json]]


@pytest.fixture(scope="session")
def registry_folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def toolset() -> FileToolset:
    return FileToolset(FOLDER, {})


@pytest.fixture
def call_tool(toolset: FileToolset) -> CallTool:
    """Calls a tool with valid arguments; gives its structured result, held against its outputSchema."""
    definitions = {definition.name: definition for definition in toolset.tools()}

    async def call(name: str, **arguments: Json) -> Json:
        definition = definitions[name]
        arguments_validator: Json = Draft202012Validator(definition.input_schema)
        arguments_validator.validate(arguments)
        with anyio.fail_after(30):
            output: ToolOutput = await toolset.call(definition, arguments)
        assert not output.is_error, output.text
        output_validator: Json = Draft202012Validator(definition.output_schema or {})
        output_validator.validate(output.structured)
        return output.structured

    return call
