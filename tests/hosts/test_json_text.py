"""Members in and out of the text of a JSON file: everything else stays, to the character."""

import json
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import ConfigurationError
from toolhone.hosts.json_text import read, with_member, without_member
from toolhone.models import Json, JsonObject

ENTRY: JsonObject = {"command": "/bin/toolhone", "args": ["serve"]}
PATH = ("mcpServers", "toolhone")

COMMENTED = """{
\t// what the editor asks its user
\t"inputs": [ {"id": "key"}, ],
\t"mcpServers": {
\t\t"git": { "command": "uvx" }, // the first
\t\t/* off for now
\t\t"old": {} */
\t\t"docs": { "url": "https://example.org/mcp" } // the last
\t\t// end
\t},
}
"""


def test_a_member_is_written_behind_the_others_in_the_files_own_style() -> None:
    changed = with_member(COMMENTED, PATH, ENTRY)

    assert changed == COMMENTED.replace('/mcp" }', '/mcp" },').replace(
        "\t\t// end\n",
        '\t\t// end\n\t\t"toolhone": {\n\t\t\t"command": "/bin/toolhone",\n'
        '\t\t\t"args": [\n\t\t\t\t"serve"\n\t\t\t]\n\t\t}\n',
    )


def test_taking_it_out_again_leaves_all_but_a_comma() -> None:
    changed = without_member(with_member(COMMENTED, PATH, ENTRY), PATH)

    assert changed == COMMENTED


def test_a_member_goes_with_its_line_and_the_comments_around_it_stay() -> None:
    changed = without_member(COMMENTED, ("mcpServers", "git"))

    assert '"git"' not in changed
    assert "// the first" in changed
    assert read(changed).json == {
        "inputs": [{"id": "key"}],
        "mcpServers": {"docs": {"url": "https://example.org/mcp"}},
    }


@pytest.mark.parametrize(
    "text", ["", "  \n", "{}", "{}\n", '{"mcpServers": {}}', '{"a":[1,2]}', "{\r\n}\r\n"]
)
def test_small_files_get_the_member_and_stay_strict_json(text: str) -> None:
    changed = with_member(text, PATH, ENTRY)

    before: JsonObject = json.loads(text) if text.strip() else {}
    assert json.loads(changed) == {**before, "mcpServers": {"toolhone": ENTRY}}
    assert "\r\n" not in text or "\n" not in changed.replace("\r\n", "")


def test_a_value_is_replaced_where_it_stands() -> None:
    text = '{\n  "a": 1, // one\n  "b": {"c": [1]}\n}\n'

    assert with_member(text, ("b", "c"), [2]) == text.replace("[1]", "[\n    2\n  ]")
    assert with_member(text, ("a",), 1) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "b" 2}', "line 2: ':' is missing"),
        ('{"a": 1} x', "behind the end"),
        ('{"a": tru}', "a value is missing"),
        ("{'a': 1}", "double quotes"),
        ('{"a": 01}', "'01' is not a value"),
        ('{"a": 1 "b": 2}', "',' or '}' is missing"),
        ("[1 2]", "',' or ']' is missing"),
        ('{"mcpServers": []}', "not an object"),
        ("[" * 1000, "deeper than 200"),
        ('{"mcpServers": {"toolhone": 1, "toolhone": 2}}', "stands twice at mcpServers"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        with_member(text, PATH, ENTRY)

    assert said in failure.value.message


SPACE = st.sampled_from(["", " ", "\n", "\n    ", "\t", " // word {\n", "/* , } */", "\r\n  "])
KEYS = st.text(alphabet='ab"\\/é', max_size=3)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), KEYS
)
VALUES = st.recursive(SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(KEYS, of, max_size=3))
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@st.composite
def texts(draw: st.DrawFn, value: Json) -> str:
    """A spelling of the value with white space, comments and trailing commas."""
    if not isinstance(value, (dict, list)) or not value:
        inner = draw(SPACE) if isinstance(value, (dict, list)) else ""
        spelled = json.dumps(value)
        return f"{spelled[0]}{inner}{spelled[1]}" if isinstance(value, (dict, list)) else spelled
    if isinstance(value, dict):
        members = cast("JsonObject", value).items()
        parts = [f"{json.dumps(key)}{draw(SPACE)}:{draw(SPACE)}{draw(texts(item))}" for key, item in members]
        opening, closing = "{", "}"
    else:
        parts = [draw(texts(item)) for item in cast("list[Json]", value)]
        opening, closing = "[", "]"
    spelled = "".join(f"{draw(SPACE)}{part}{draw(SPACE)}," for part in parts)
    if draw(st.booleans()):
        spelled = spelled[:-1]
    return f"{opening}{spelled}{draw(SPACE)}{closing}"


@st.composite
def spelled_objects(draw: st.DrawFn) -> tuple[JsonObject, str]:
    value = draw(OBJECTS)
    return value, f"{draw(SPACE)}{draw(texts(value))}{draw(SPACE)}"


def is_subsequence(part: str, whole: str) -> bool:
    characters = iter(whole)
    return all(character in characters for character in part)


@settings(deadline=None)
@given(spelled_objects())
def test_any_spelling_is_read(case: tuple[JsonObject, str]) -> None:
    value, text = case

    assert read(text).json == value


@settings(deadline=None)
@given(spelled_objects(), st.sampled_from(["zz", "z\nz"]), VALUES)
def test_a_new_member_adds_and_takes_nothing_away(case: tuple[JsonObject, str], key: str, new: Json) -> None:
    value, text = case
    changed = with_member(text, (key,), new)

    assert read(changed).json == {**value, key: new}
    assert is_subsequence(text, changed)
    assert read(without_member(changed, (key,))).json == value


@settings(deadline=None)
@given(spelled_objects(), st.data())
def test_taking_out_a_member_takes_no_other_and_adds_nothing(
    case: tuple[JsonObject, str], data: st.DataObject
) -> None:
    value, text = case
    key = data.draw(st.sampled_from([*value, "not there"]))
    changed = without_member(text, (key,))

    assert read(changed).json == {name: item for name, item in value.items() if name != key}
    assert is_subsequence(changed, text)
