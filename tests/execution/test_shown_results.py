"""What a model reads of a result: few tokens, what was asked for, and nothing twice."""

import json
from typing import TYPE_CHECKING

import pytest

from toolhone.answers import results_text
from toolhone.compression.tables import decode_result
from toolhone.exceptions import InvalidRequestError
from toolhone.execution.few_tokens import in_few_tokens
from toolhone.execution.json_paths import found_at
from toolhone.models import Caller, CallResult, Json, JsonObject, ToolOutput
from toolhone.tokens import count_tokens

if TYPE_CHECKING:
    from execution.conftest import Workbench

IN_SESSION = Caller(principal="local", session="s")

ROWS: list[Json] = [
    {"id": number, "name": f"thing {number}", "url": f"https://x.example/{number}", "parent": None}
    for number in range(40)
]


def replying(bench: "Workbench", answer: Json, schema: JsonObject | None = None) -> None:
    async def reply(arguments: JsonObject) -> Json:
        return answer

    bench.tool("reply", reply, schema=schema or {"type": "object"})


@pytest.mark.parametrize("form", ["structured", "text", "pretty"])
async def test_json_is_read_as_a_table_and_structured_content_stays_json(
    bench: "Workbench", form: str
) -> None:
    answer: Json = {"structured": ROWS, "text": json.dumps(ROWS), "pretty": json.dumps(ROWS, indent=2)}[form]
    replying(bench, answer)
    result = await bench.one("reply")
    assert result.result == answer
    assert result.shown is not None and decode_result(result.shown) == ROWS
    assert 2 * count_tokens(result.shown) < count_tokens(json.dumps(ROWS))
    assert result.shown in results_text([result])


async def test_tokens_used_counts_what_is_read(bench: "Workbench") -> None:
    replying(bench, ROWS)
    result = await bench.one("reply")
    assert result.shown is not None
    # The workbench counts words.
    assert result.tokens_used == len(["{}"]) + len(result.shown.split(" "))


@pytest.mark.parametrize(
    "text",
    [
        "plain words " * 30,
        '{"a": 1, "a": 2, "pad": "' + "x " * 200 + '"}',
        '{"a": 0.12345678901234567890123, "pad": "' + "x " * 200 + '"}',
        '{"a": 1e999, "pad": "' + "x " * 200 + '"}',
        '{"a": NaN, "pad": "' + "x " * 200 + '"}',
        "[1] is a reference, not JSON " * 10,
    ],
)
def test_a_text_that_json_cannot_give_back_is_left_as_it_is(text: str) -> None:
    assert in_few_tokens(text, count_tokens) is None


async def test_an_excerpt_says_what_it_left_out_and_the_whole_can_be_read(bench: "Workbench") -> None:
    replying(bench, {"total": 40, "items": ROWS})
    (result,) = await bench.run([{"tool": "reply", "arguments": {}, "fields": ["id", "name"], "limit": 3}])
    assert result.result == {"total": 40, "items": [{"id": i, "name": f"thing {i}"} for i in range(3)]}
    assert result.notices == ("Shown: 3 of 40 rows; fields id, name.",)
    page = await bench.keeper.read(result.handle or "", "local", path="items[*].url", limit=2)
    assert (page["value"], page["total"]) == (["https://x.example/0", "https://x.example/1"], 40)


async def test_an_excerpt_of_json_in_a_text_stays_json_in_a_text(bench: "Workbench") -> None:
    replying(bench, json.dumps(ROWS, indent=2))
    (result,) = await bench.run([{"tool": "reply", "arguments": {}, "grep": "THING 7"}])
    assert json.loads(result.result) == [ROWS[7]]
    raw = await bench.keeper.read(result.handle or "", "local", path="raw")
    assert raw["value"] == json.dumps(ROWS, indent=2)


async def test_an_excerpt_that_leaves_nothing_out_keeps_nothing(bench: "Workbench") -> None:
    replying(bench, [1, 2])
    (result,) = await bench.run([{"tool": "reply", "arguments": {}, "limit": 5}])
    assert (result.result, result.handle, result.notices) == ([1, 2], None, ())


async def test_what_a_tool_has_as_a_parameter_is_the_tools(bench: "Workbench") -> None:
    async def echo(arguments: JsonObject) -> Json:
        return [arguments, 2, 3]

    bench.tool("echo", echo, schema={"type": "object", "properties": {"limit": {"type": "integer"}}})
    (given,) = await bench.run([{"tool": "echo", "arguments": {}, "limit": 1}])
    (both,) = await bench.run([{"tool": "echo", "arguments": {"limit": 9}, "limit": 1}])
    assert given.result == [{"limit": 1}, 2, 3]
    assert both.result == [{"limit": 9}]


@pytest.mark.parametrize("wrong", [{"fields": 5}, {"limit": 0}, {"limit": True}, {"grep": ""}])
async def test_an_excerpt_that_makes_no_sense_is_refused_before_the_call(
    bench: "Workbench", wrong: JsonObject
) -> None:
    replying(bench, ROWS)
    (result,) = await bench.run([{"tool": "reply", "arguments": {}, **wrong}])
    assert result.error is not None and result.error.code == "invalid_request"
    assert "was not called" in result.error.message


async def test_references_see_the_whole_of_an_excerpt(bench: "Workbench") -> None:
    async def echo(arguments: JsonObject) -> Json:
        return arguments

    replying(bench, ROWS)
    bench.tool("echo", echo)
    results = await bench.run(
        [
            {"id": "a", "tool": "reply", "arguments": {}, "limit": 1},
            {"tool": "echo", "arguments": {"x": {"$from": "a", "path": "/39/id"}}},
        ]
    )
    assert results[1].result == {"x": 39}


async def test_the_same_answer_is_not_told_twice(bench: "Workbench") -> None:
    replying(bench, ROWS)

    async def ask() -> CallResult:
        (result,) = await bench.run([{"tool": "reply", "arguments": {}}], caller=IN_SESSION)
        return result

    first = await ask()
    bench.store.now = 40
    again = await ask()
    assert first.handle is None
    assert again.shown == "Unchanged: the same answer as to the same call 40 s ago."
    assert again.result == ROWS, "structured content stays whole"
    page = await bench.keeper.read(again.handle or "", "local")
    assert page["value"] == ROWS
    bench.store.now = 80
    third = await ask()
    assert third.handle == again.handle, "one copy is enough"
    bench.store.now = 4_000
    assert decode_result((await ask()).shown or "") == ROWS, "too long ago"


async def test_a_caller_without_a_session_is_told_everything(bench: "Workbench") -> None:
    """Clients of the newest protocol are one caller over HTTP: another may have got the first answer."""
    replying(bench, ROWS)
    for _ in range(2):
        (result,) = await bench.run(
            [{"tool": "reply", "arguments": {}}], caller=Caller(principal="loopback", client="x")
        )
        assert decode_result(result.shown or "") == ROWS


async def test_an_answer_is_told_again_if_anything_differs(bench: "Workbench") -> None:
    answers = iter([ROWS, ROWS[:-1], ROWS[:-1], ROWS[:-1], ROWS[:-1]])

    async def reply(arguments: JsonObject) -> Json:
        return next(answers)

    bench.tool("reply", reply)
    plain: JsonObject = {"tool": "reply", "arguments": {}}
    await bench.run([plain], caller=IN_SESSION)
    (changed,) = await bench.run([plain], caller=IN_SESSION)
    (other_arguments,) = await bench.run([{**plain, "arguments": {"x": 1}}], caller=IN_SESSION)
    (other_caller,) = await bench.run([plain], caller=Caller(principal="local", session="other"))
    (other_excerpt,) = await bench.run([{**plain, "limit": 30}], caller=IN_SESSION)
    for result in (changed, other_arguments, other_caller, other_excerpt):
        assert "Unchanged" not in (result.shown or "")


async def test_short_answers_and_errors_are_simply_repeated(bench: "Workbench") -> None:
    replying(bench, {"ok": True})
    await bench.one("reply")
    assert (await bench.one("reply")).shown is None
    replying(bench, ToolOutput(content=({"type": "text", "text": "no " * 300},), is_error=True))
    for _ in range(2):
        result = await bench.one("reply")
        assert result.error is not None and result.error.message.startswith("no no") and result.shown is None


async def test_a_result_is_read_by_fields_and_text(bench: "Workbench") -> None:
    replying(bench, [{**row, "more": "x" * 500} for row in ROWS])
    result = await bench.one("reply")
    page = await bench.keeper.read(
        result.handle or "", "local", fields=["id"], grep="thing 3", offset=1, limit=2
    )
    assert page["value"] == [{"id": 30}, {"id": 31}]
    assert (page["total"], page["next_offset"]) == (11, 3)
    assert page["excerpt"] == "11 of 40 rows with 'thing 3'; fields id"
    nothing = await bench.keeper.read(result.handle or "", "local", grep="nowhere")
    assert (nothing["value"], nothing["total"], nothing["excerpt"]) == ([], 0, "0 of 40 rows with 'nowhere'")


VALUE: Json = {"items": [{"name": "a", "tags": ["x"]}, {"name": "b", "a key": {"k": 1}}], "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", VALUE),
        ("$", VALUE),
        ("/items/0/name", "a"),
        ("$.items[0].name", "a"),
        ("items[1]['a key'].k", 1),
        ('items.1["a key"]', {"k": 1}),
        ("items[*].name", ["a", "b"]),
        ("$.items[*].tags[*]", ["x"]),
        ("0", "zero"),
    ],
)
def test_paths_as_agents_write_them(path: str, found: Json) -> None:
    assert found_at(VALUE, path) == found


@pytest.mark.parametrize(
    "path", ["$..name", "items[?(@.x)]", "items[0:1]", "a b", "items[9]", "nope[*]", "items[-1]"]
)
def test_paths_that_lead_nowhere_are_told_from_those_that_cannot_be_read(path: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"cannot be read|There is no"):
        found_at(VALUE, path)
