"""Folders of tool files: what is good is loaded, what is not is named by file and field."""

import json
from pathlib import Path

import anyio
import pytest
from jsonschema import Draft202012Validator

from toolhone.exceptions import UnknownToolError
from toolhone.models import Category, Json, JsonObject, OutputValidation
from toolhone.registry import schema as schema_module
from toolhone.registry.files import FileToolset, check_folder
from toolhone.registry.schema import ToolFile, parse_tool_file, tool_file_schema


def tool(name: str = "echo", **changes: Json) -> JsonObject:
    return {
        "name": name,
        "description": "Says it again.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "handler": {"type": "python", "function": "echo:echo"},
        **changes,
    }


def write(folder: Path, document: Json, name: str = "echo.json") -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "echo.py").write_text("def echo(text):\n    return text\n")


def fields(folder: Path, environ: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(problem.file.name, problem.field) for problem in check_folder(folder, environ or {})]


async def test_a_tool_file_becomes_a_tool_that_runs(tmp_path: Path) -> None:
    document = tool(
        outputSchema={"type": "string"},
        annotations={"title": "Echo", "readOnlyHint": True, "openWorldHint": False},
        category="customer_service",
        limits={"maxConcurrency": 2, "timeoutSeconds": 1.5},
        outputValidation="strict",
    )
    write(tmp_path, {"$schema": "../tool.schema.json", **document})
    toolset = FileToolset(tmp_path, {})

    (definition,) = toolset.tools()
    with anyio.fail_after(60):
        output = await toolset.call(definition, {"text": "hello"})

    assert toolset.problems == ()
    assert output.text == "hello"
    assert definition.read_only
    assert definition.annotations.title == "Echo"
    assert definition.annotations.idempotent is None
    assert definition.category is Category.CUSTOMER_SERVICE
    assert definition.limits.max_concurrency == 2
    assert definition.limits.timeout_seconds == 1.5
    assert definition.output_validation is OutputValidation.STRICT


def test_one_bad_file_harms_no_other(tmp_path: Path) -> None:
    write(tmp_path, tool("good"), "good.json")
    write(tmp_path, "{", "broken.json")
    write(tmp_path, tool("bad", handler={"type": "python", "function": "nowhere_at_all:f"}), "bad.json")
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xe9"}')

    toolset = FileToolset(tmp_path, {})

    assert [definition.name for definition in toolset.tools()] == ["good"]
    assert {problem.file.name for problem in toolset.problems} == {"broken.json", "bad.json", "latin.json"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Echo"}, "/name"),
        ({"name": "x" * 51}, "/name"),
        ({"description": ""}, "/description"),
        ({"description": None}, "/description"),
        ({"inputSchema": []}, "/inputSchema"),
        ({"inputSchema": {"properties": {}}}, "/inputSchema/type"),
        ({"inputSchema": {"type": "object", "properties": []}}, "/inputSchema"),
        ({"annotations": {"readOnlyHint": "yes"}}, "/annotations/readOnlyHint"),
        ({"annotations": {"readonly": True}}, "/annotations/readonly"),
        ({"category": "weather"}, "/category"),
        ({"limits": {"timeoutSeconds": 0}}, "/limits/timeoutSeconds"),
        ({"limits": {"maxConcurrency": "3"}}, "/limits/maxConcurrency"),
        ({"outputValidation": "loud"}, "/outputValidation"),
        ({"surprise": 1}, "/surprise"),
        ({"handler": {}}, "/handler/type"),
        ({"handler": {"type": "shell", "command": "ls"}}, "/handler/type"),
        ({"handler": {"type": "python", "function": "echo"}}, "/handler/function"),
        ({"handler": {"type": "http", "url": "ftp://example.org"}}, "/handler/url"),
        ({"handler": {"type": "http", "url": "https://a.b/", "method": "get"}}, "/handler/method"),
        (
            {"handler": {"type": "http", "url": "https://a.b/", "response": {"as": "xml"}}},
            "/handler/response/as",
        ),
        (
            {"inputSchema": {"type": "object", "properties": {"a": {"$ref": "https://a.b/c.json"}}}},
            "/inputSchema/properties/a/$ref",
        ),
        (
            {"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}},
            "/inputSchema/properties/a/$ref",
        ),
    ],
)
def test_a_mistake_is_named_by_its_field(tmp_path: Path, changes: JsonObject, field: str) -> None:
    write(tmp_path, tool(**changes))

    assert fields(tmp_path) == [("echo.json", field)]
    assert FileToolset(tmp_path, {}).tools() == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (
            {
                "inputSchema": {
                    "type": "object",
                    "properties": {"text": {"pattern": "("}},
                    "required": ["text"],
                }
            },
            "/inputSchema/properties/text/pattern",
        ),
        ({"outputSchema": {"uniqueItems": 3}}, "/outputSchema/uniqueItems"),
        ({"inputSchema": {"type": "object", "properties": {"text": {}}}}, "/inputSchema/required"),
        ({"handler": {"type": "python", "function": "echo:missing"}}, "/handler/function"),
    ],
)
def test_checking_is_more_thorough_than_loading(tmp_path: Path, changes: JsonObject, field: str) -> None:
    write(tmp_path, tool(**changes))

    assert fields(tmp_path) == [("echo.json", field)]


def test_a_property_may_be_called_like_a_keyword(tmp_path: Path) -> None:
    properties = {"text": {"type": "string"}, "$ref": {"type": "string"}, "default": {"type": "string"}}
    write(tmp_path, tool(inputSchema={"type": "object", "properties": properties, "required": ["text"]}))
    (tmp_path / "echo.py").write_text("def echo(text, **rest):\n    return text\n")

    assert fields(tmp_path) == []


def test_the_second_tool_of_a_name_is_left_out_and_says_whose_it_is(tmp_path: Path) -> None:
    write(tmp_path, tool(), "a.json")
    write(tmp_path, tool(), "b.json")

    (problem,) = check_folder(tmp_path, {})

    assert (problem.file.name, problem.field) == ("b.json", "/name")
    assert "a.json" in problem.message
    assert len(FileToolset(tmp_path, {}).tools()) == 1


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    handler = {
        "type": "http",
        "url": "https://example.org/",
        "headers": {"Authorization": "Bearer ${env:EXAMPLE_TOKEN}"},
    }
    write(tmp_path, tool(handler=handler))

    (problem,) = check_folder(tmp_path, {})

    assert problem.field == "/handler/headers/Authorization"
    assert "'EXAMPLE_TOKEN'" in problem.message
    assert fields(tmp_path, {"EXAMPLE_TOKEN": "x"}) == []


def test_a_folder_that_is_not_there_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    toolset = FileToolset(tmp_path / "none", {})

    assert toolset.tools() == ()
    assert "no such folder" in str(toolset.problems[0])


def test_reading_a_folder_runs_nobodys_code(tmp_path: Path) -> None:
    write(tmp_path, tool())
    (tmp_path / "echo.py").write_text("def echo(text): ...\nraise SystemExit\n")

    assert len(FileToolset(tmp_path, {}).tools()) == 1


async def test_a_reload_tells_listeners_if_and_only_if_tools_changed(tmp_path: Path) -> None:
    write(tmp_path, tool())
    toolset = FileToolset(tmp_path, {})
    told: list[int] = []
    unsubscribe = toolset.subscribe(lambda: told.append(len(toolset.tools())))

    with anyio.fail_after(60):
        assert not await toolset.reload()
        write(tmp_path, tool("second"), "second.json")
        assert await toolset.reload()
        (tmp_path / "echo.json").unlink()
        assert await toolset.reload()
        unsubscribe()
        (tmp_path / "second.json").unlink()
        assert await toolset.reload()

    assert told == [2, 1]


async def test_a_changed_module_is_used_after_a_reload(tmp_path: Path) -> None:
    write(tmp_path, tool())
    toolset = FileToolset(tmp_path, {})
    (definition,) = toolset.tools()
    with anyio.fail_after(60):
        assert (await toolset.call(definition, {"text": "a"})).text == "a"
        (tmp_path / "echo.py").write_text("def echo(text):\n    return text * 2\n")

        assert not await toolset.reload()

        assert (await toolset.call(definition, {"text": "a"})).text == "aa"


async def test_a_tool_that_is_gone_is_unknown(tmp_path: Path) -> None:
    write(tmp_path, tool())
    toolset = FileToolset(tmp_path, {})
    (definition,) = toolset.tools()
    (tmp_path / "echo.json").unlink()
    await toolset.reload()

    with pytest.raises(UnknownToolError, match="'echo'"):
        await toolset.call(definition, {"text": "a"})


def published() -> JsonObject:
    return json.loads(Path(schema_module.__file__).with_name("tool.schema.json").read_text())


def test_the_published_schema_is_the_one_that_is_used() -> None:
    assert published() == tool_file_schema()
    Draft202012Validator.check_schema(published())


@pytest.mark.parametrize(
    "document",
    [
        tool(),
        tool(category="general", limits={}, annotations={}),
        tool(handler={"type": "http", "url": "https://a.b/{text}", "arguments": {"text": {"in": "path"}}}),
        tool(name="No"),
        tool(description=None),
        tool(handler={"type": "python"}),
        tool(handler={"type": "http", "url": "https://a.b/", "headers": {"a b": "c"}}),
        tool(limits={"timeoutSeconds": "1"}),
        tool(extra=1),
        [],
    ],
)
def test_the_published_schema_and_the_loader_agree(document: Json) -> None:
    accepted = isinstance(parse_tool_file(json.dumps(document)), ToolFile)

    validator: Json = Draft202012Validator(published())
    assert validator.is_valid(document) == accepted
