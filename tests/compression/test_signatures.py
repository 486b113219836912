"""Signatures give back the tools they were written from, and anything else is refused."""

import json
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.compression.levels import LEFT_OUT, Level
from toolhone.compression.rendering import render
from toolhone.compression.signatures import decompress
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject
from toolhone.tokens import count_tokens

Generated = Callable[[int, int], list[JsonObject]]
SEEDS = st.integers(0, 2**32)
PROPERTY = settings(
    deadline=None,
    max_examples=35,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def strict(value: Json) -> Json:
    """A form in which 1, 1.0 and true differ and the order of keys does not count."""
    if isinstance(value, dict):
        return {key: strict(part) for key, part in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [strict(part) for part in cast("list[Json]", value)]
    return (type(value).__name__, repr(value))


def tool(schema: Json, **more: Json) -> JsonObject:
    return {"name": "a", "inputSchema": schema, **more}


def with_parameter(schema: Json) -> JsonObject:
    return tool({"type": "object", "properties": {"x": schema}})


def test_a_listing_reads_back_as_it_was(library: list[JsonObject]) -> None:
    rendered = render(library, Level.FULL)

    assert strict(decompress(rendered.text)) == strict(library)
    assert rendered.fallbacks == ()


def test_the_order_of_parameters_and_tools_stays(library: list[JsonObject]) -> None:
    read = decompress(render(library, Level.FULL).text)

    assert [found["name"] for found in read] == [given_["name"] for given_ in library]
    for before, after in zip(library, read, strict=True):
        names = list(before["inputSchema"]["properties"])
        assert sorted(after["inputSchema"]["properties"]) == sorted(names)
        assert list(after["inputSchema"]["properties"]) == names


def test_a_listing_costs_fewer_tokens_than_json(library: list[JsonObject]) -> None:
    whole = count_tokens(render(library, Level.JSON).text)

    assert count_tokens(render(library, Level.FULL).text) < whole * 0.7
    assert count_tokens(render(library, Level.TYPES).text) < whole * 0.45


def test_what_tools_share_is_stated_once(library: list[JsonObject]) -> None:
    text = render(library, Level.FULL).text

    assert text.count("Every branch has its own shelves") == 1
    assert text.count("two letters and six digits") == 1


def test_nothing_is_shared_where_it_would_not_save(library: list[JsonObject]) -> None:
    assert "&" not in render(library[:1], Level.FULL).text


@PROPERTY
@given(seed=SEEDS, count=st.integers(1, 6), share=st.booleans(), legend=st.booleans())
def test_any_tools_read_back_as_they_were(
    generated: Generated, seed: int, count: int, share: bool, legend: bool
) -> None:
    tools = generated(seed, count)

    rendered = render(tools, Level.FULL, legend=legend, share=share)

    assert strict(decompress(rendered.text)) == strict(tools)
    # Whatever the tools say, the text is one that can be sent and cut into lines.
    assert rendered.text.encode().decode().split("\n") == rendered.text.splitlines() or "\t" in rendered.text
    assert rendered.fallbacks == ()


@PROPERTY
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    key=st.text()
    | st.sampled_from(["description", "type", "properties", "required", "enum", "items", "anyOf", "$defs"]),
)
def test_any_json_in_any_place_reads_back(value: Json, key: str) -> None:
    tools: list[JsonObject] = [
        tool({"type": "object", key: value}),
        with_parameter({key: value}),
        with_parameter({"type": "string", key: value, "description": "x"}),
        tool(value),
        {"name": "b", "inputSchema": {}, key: value} if key not in ("name", "inputSchema") else tool({}),
        {
            "name": str(key),
            "description": str(value),
            "inputSchema": {"type": "object", "properties": {key: {}}},
        },
    ]

    assert strict(decompress(render(tools, Level.FULL).text)) == strict(tools)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "x\n",
        "\nx",
        " x",
        "& x",
        "%1 x",
        "\\1",
        "\\",
        "## x",
        "a\n\n\nb",
        "a\r\nb",
        "\ud800",
        "\u2028",
        '\\"x"',
    ],
)
def test_a_description_of_any_form_reads_back(text: str) -> None:
    tools = [
        tool(
            {"type": "object", "properties": {"x": {"type": "string", "description": text}}}, description=text
        ),
        tool(
            {
                "type": "object",
                "properties": {"o": {"type": "object", "properties": {"x": {"description": text}}}},
            }
        ),
    ]

    assert strict(decompress(render(tools, Level.FULL).text)) == strict(tools)


def test_absent_null_and_empty_descriptions_differ() -> None:
    tools = [tool({}), tool({}, description=None), tool({}, description="")]

    assert decompress(render(tools, Level.FULL).text) == tools


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, " x?"),
        ({"type": "string", "default": "a"}, " x?=a"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, " x? int(1..9)"),
        ({"type": "number", "exclusiveMinimum": 0}, " x? num(>0..)"),
        ({"type": "integer", "maximum": 9007199254740991}, " x? int(..safe)"),
        ({"type": "string", "enum": ["a", "b c"]}, ' x? <a "b c">'),
        ({"type": "string", "format": "date"}, " x? str@date"),
        ({"type": "string", "pattern": "^\\d+$"}, " x? str~/^\\d+$/"),
        ({"type": ["string", "null"]}, " x? str/null"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, " x? str|null"),
        ({"oneOf": [{"const": 1}, {"$ref": "#/$defs/A"}]}, " x? oneOf(const 1, $A)"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, " x? str[](1..)"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, " x? {* str}"),
        ({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}, " x? {a bool}"),
        ({"type": "string", "examples": ["a"]}, ' x? str +examples=["a"]'),
        ({"not": {"type": "string"}}, " x? any +not(str)"),
        (True, " x? raw true"),
    ],
)
def test_short_forms(schema: Json, written: str) -> None:
    rendered = render([with_parameter(schema)], Level.FULL, legend=False)

    assert rendered.text == f"## a\n{written}"


def test_the_annotations_are_words() -> None:
    tools = [
        tool({"type": "object", "properties": {}}, annotations={"readOnlyHint": True, "openWorldHint": False})
    ]

    assert render(tools, Level.FULL, legend=False).text == "## a [read-only, not open-world]"


def test_a_deep_schema_goes_out_as_json_and_a_deeper_one_is_refused() -> None:
    def nested(levels: int) -> JsonObject:
        schema: Json = {"type": "string"}
        for _ in range(levels):
            schema = {"type": "object", "properties": {"x": schema}}
        return tool(schema)

    deep = [nested(60)]
    rendered = render(deep, Level.FULL)

    assert rendered.fallbacks == ("a",)
    assert decompress(rendered.text) == deep
    with pytest.raises(SignatureError, match="nests deeper"):
        render([nested(1_000)], Level.FULL)


@pytest.mark.parametrize(
    "tools",
    [
        [tool({}, description="word " * 200_000)],
        [tool({}, description="\n" * 300_000)],
        [tool({"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(3_000)}})],
        [with_parameter({"type": "string", "pattern": "(a+)+$" * 20_000})],
        [with_parameter({"$ref": "#/properties/x"})],
        [with_parameter({"type": "string", "enum": [f"v{n}" for n in range(10_000)]})],
    ],
    ids=[
        "long text",
        "empty lines",
        "many parameters",
        "hostile pattern",
        "recursive reference",
        "many values",
    ],
)
def test_large_and_hostile_definitions_read_back(tools: list[JsonObject]) -> None:
    assert strict(decompress(render(tools, Level.FULL).text)) == strict(tools)
    assert render(tools, Level.TYPES).fallbacks == ()


@pytest.mark.parametrize("level", [Level.NAMES, Level.INDEX, Level.TYPES, Level.BRIEF, Level.SEED])
def test_a_lossy_text_is_not_decompressed(library: list[JsonObject], level: Level) -> None:
    assert LEFT_OUT[level]
    with pytest.raises(SignatureError, match="lossy"):
        decompress(render(library, level, legend=False).text)


def test_json_is_decompressed_too(library: list[JsonObject]) -> None:
    assert decompress(render(library, Level.JSON).text) == library
    assert decompress(json.dumps(library, indent=1)) == library


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "## ",
        "## a\n x (",
        "## a\n x {a",
        "## a\n x %1",
        "## a\n& owner",
        "## a\n x int(x..)",
        "## a\n x bool(1..2)",
        "## a\n x\ntext",
        "## a +x=[",
        '## a {"x":',
        "[1]",
        "{",
        "## a\n x " + "(" * 100_000,
        "## a\n x " + "{a " * 100_000,
        "## a\n x str" + "[]" * 100_000,
        "[" * 100_000,
        "%1 {a}\n" + "\n".join(f"%{n + 1} {{a %{n}, b %{n}}}" for n in range(1, 60)) + "\n## t\n x %60",
        "\\1 long\n" + "\n".join(f"\\{n + 1} \\{n}\n\\{n}" for n in range(1, 60)) + "\n## t\n\\60",
    ],
)
def test_garbage_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(SignatureError) as raised:
        decompress(text)

    assert raised.value.data["line"] >= 1
    assert f"Line {raised.value.data['line']} " in raised.value.message


@PROPERTY
@given(seed=SEEDS, data=st.data())
def test_a_damaged_text_never_raises_anything_else(
    generated: Generated, seed: int, data: st.DataObject
) -> None:
    text = render(generated(seed, 3), Level.FULL).text
    marks = [
        "",
        "\n",
        " ",
        "{",
        "}",
        "%1",
        "\\1",
        "\n& a",
        "## ",
        "(",
        "<",
        "|",
        "[]",
        "=",
        "+x=",
        '"',
        "raw ",
        "~/",
        "\n%2 ",
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.sampled_from(marks)) + text[end:]
    try:
        decompress(text)
    except SignatureError as error:
        assert error.data["line"] >= 1


@PROPERTY
@given(text=st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for tried in (text, f"## a\n{text}", f"## a\n x {text}", f"%1 {text}\n## a\n x %1"):
        try:
            decompress(tried)
        except SignatureError as error:
            assert error.code == "invalid_signature"
