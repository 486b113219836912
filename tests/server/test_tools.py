"""The MCP tools as a client sees them: what they answer, and what they refuse."""

import json
import re
from collections.abc import Callable
from typing import TypeAlias

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import MCPError, types

from toolhone import tokens
from toolhone.compression.signatures import decompress
from toolhone.models import Caller, Json, JsonObject, ToolDefinition
from toolhone.server.definitions import listing
from toolhone.server.finetuning_definitions import INPUT_SCHEMAS as FINETUNING
from toolhone.server.finetuning_definitions import finetuning_listing

Session: TypeAlias = Json
Toolhone: TypeAlias = Json
OpenToolhone: TypeAlias = Json

CHANGING = {
    *("collect_snapshot", "prepare_dataset"),
    *("create_finetuning_job", "cancel_finetuning_job", "compare_models", "set_model_alias"),
}
NAMES = [
    "find_tools",
    "describe_tools",
    "call_read_tools",
    "call_tools",
    "read_result",
    "validate_output",
    "get_statistics",
]


def text_of(answer: types.CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, types.TextContent))


def as_passed_on(tools: list[types.Tool]) -> str:
    """The listing as a client gives it to a model."""
    return json.dumps(
        [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in tools
        ],
        separators=(",", ":"),
        ensure_ascii=False,
    )


# --- tools/list


async def test_the_listing_is_the_same_every_time_and_in_both_eras(toolhone: Toolhone) -> None:
    listings: list[list[types.Tool]] = []
    for mode in ("auto", "legacy", "auto"):
        async with toolhone.connected(mode) as session:
            listings.append((await session.client.list_tools()).tools)
    assert [tool.name for tool in listings[0]] == [*NAMES, *FINETUNING]
    assert listings[0] == listings[1] == listings[2]


async def test_every_listed_schema_is_a_json_schema_and_every_name_is_short(session: Session) -> None:
    for tool in (await session.client.list_tools()).tools:
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
        assert len(tool.name) <= 50
        changes = tool.name in {"call_tools", *CHANGING}
        assert tool.annotations.read_only_hint is not changes


@pytest.mark.parametrize("servers", [0, 1, 100])
def test_the_listing_stays_small_however_many_servers_there_are(servers: int) -> None:
    tools = [
        ToolDefinition(
            name=f"s{server}__tool_{number}",
            description="Does something.",
            input_schema={"type": "object"},
            server=f"company-internal-server-{server}",
        )
        for server in range(servers)
        for number in range(20)
    ]
    listed = listing(tools)
    assert tokens.count_tokens(as_passed_on(listed)) <= 900
    assert tokens.count_tokens(as_passed_on([*listed, *finetuning_listing()])) <= 1_900
    assert str(len(tools)) in (listed[0].description or "") or not tools


async def test_find_tools_says_what_is_behind_it(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject]
) -> None:
    async with open_toolhone({"office": plain_server()}) as toolhone, toolhone.connected() as session:
        description = (await session.client.list_tools()).tools[0].description
    assert "14 tools" in description
    assert "local (4), office (10)" in description


async def test_an_unknown_tool_is_a_protocol_error_that_says_how_to_run_it(session: Session) -> None:
    with pytest.raises(MCPError, match=r"'add'.*call_tools") as raised:
        await session.client.call_tool("add", {"a": 1, "b": 2})
    assert raised.value.error.code == types.INVALID_PARAMS
    assert (await session.one("add", a=1, b=2))["success"]


# --- find_tools


async def test_find_tools_answers_with_the_few_that_fit_and_their_signatures(session: Session) -> None:
    answer = await session.answer("find_tools", {"task": "add two numbers and write the sum into a note"})
    found = await session.tell("find_tools", {"task": "add two numbers", "max_tools": 2})

    assert found["tools"][0]["name"] == "add"
    assert len(found["tools"]) <= 2
    assert found["tools"][0]["level"] == "full"
    assert decompress(found["tools"][0]["signature"])[0]["inputSchema"]["required"] == ["a", "b"]
    assert found["tools"][0]["readOnly"] is True
    assert found["considered"] == 4
    paid = found["tokens"]["sent"] + found["tokens"]["listing"]
    assert found["tokens"]["saved"] == found["tokens"]["all_schemas"] - paid
    text = text_of(answer)
    assert re.search(r"^## add ! [(]\d+%, read-only[)]$", text, re.MULTILINE)
    assert re.search(r"^## write_note ! [(]\d+%[)]$", text, re.MULTILINE)
    assert found["tools"][0]["signature"].partition("\n")[2] in text


async def test_a_tool_that_the_task_names_is_always_found(session: Session) -> None:
    found = await session.tell("find_tools", {"task": "weather in Paris, then list_rows", "max_tools": 1})
    assert [tool["name"] for tool in found["tools"]] == ["list_rows"]


async def test_find_tools_keeps_to_the_names_and_the_category_that_are_given(session: Session) -> None:
    among = await session.tell(
        "find_tools", {"task": "add numbers", "available_tools": ["fail", "write_note", "no_such_tool"]}
    )
    assert {tool["name"] for tool in among["tools"]} == {"fail", "write_note"}
    assert "no_such_tool" in " ".join(among["notices"])

    of_kind = await session.tell("find_tools", {"task": "add numbers", "category": "customer_service"})
    assert [tool["name"] for tool in of_kind["tools"]] == ["write_note"]
    nothing = await session.tell("find_tools", {"task": "add numbers", "category": "ecommerce"})
    assert nothing["tools"] == []


async def test_the_text_never_exceeds_the_token_budget_while_one_tool_fits(session: Session) -> None:
    whole = await session.answer("find_tools", {"task": "add two numbers", "max_tools": 4})
    shown = len(whole.structured_content["tools"])
    size = tokens.count_tokens(text_of(whole))
    smallest: int | None = None
    for budget in range(50, size + 20, 15):
        answer = await session.answer(
            "find_tools", {"task": "add two numbers", "max_tools": 4, "token_budget": budget}
        )
        found = answer.structured_content
        assert len(found["tools"]) + len(found.get("left_out", [])) == shown
        assert found["tokens"]["sent"] == tokens.count_tokens(text_of(answer))
        if found["tools"]:
            smallest = smallest or budget
            assert found["tokens"]["sent"] <= budget
        else:
            assert smallest is None, "a larger budget must not show less"
    assert smallest is not None and smallest < size


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "task"),
        ({"task": ""}, "task"),
        ({"task": "x", "max_tools": 0}, "max_tools"),
        ({"task": "x", "max_tools": 51}, "max_tools"),
        ({"task": "x", "token_budget": 1}, "token_budget"),
        ({"task": "x", "category": "nonsense"}, "core_security"),
        ({"task": "x", "available_tools": []}, "available tools is empty"),
        ({"task": ["x"]}, "task"),
        ({"task": "x", "budget": 60}, "did you mean 'token_budget'"),
    ],
)
async def test_find_tools_refuses_bad_input_clearly(
    session: Session, arguments: JsonObject, says: str
) -> None:
    assert says in await session.refusal("find_tools", arguments)


async def test_arguments_of_our_own_tools_are_repaired_like_those_of_others(session: Session) -> None:
    found = await session.tell("find_tools", {"parameters": {"task": "add numbers", "max_tools": "1"}})
    assert len(found["tools"]) == 1


# --- describe_tools


async def test_describe_tools_gives_whole_definitions_and_names_what_is_missing(session: Session) -> None:
    told = await session.tell("describe_tools", {"names": ["add", "lst_rows"]})
    assert [tool["name"] for tool in told["tools"]] == ["add"]
    (add,) = decompress("\n".join([told.get("preamble", ""), told["tools"][0]["signature"]]).strip())
    assert add["inputSchema"]["additionalProperties"] is False
    assert add["outputSchema"]["required"] == ["sum"]
    assert add["annotations"] == {"readOnlyHint": True}
    assert "list_rows" in told["missing"][0]
    assert told["tokens"]["sent"] < told["tokens"]["as_json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({}, "names"), ({"names": []}, "names"), ({"names": ["nonsense"]}, "nonsense"), ({"names": 7}, "names")],
)
async def test_describe_tools_refuses_bad_input_clearly(
    session: Session, arguments: JsonObject, says: str
) -> None:
    assert says in await session.refusal("describe_tools", arguments)


# --- call_tools


async def test_a_batch_answers_every_call_in_the_order_asked_whatever_happens_to_each(
    session: Session,
) -> None:
    answer = await session.answer(
        "call_tools",
        {
            "calls": [
                {"tool": "fail", "arguments": {"reason": "no luck"}},
                {"id": "sum", "tool": "add", "arguments": {"a": 1, "b": 2}},
                {"tool": "ad", "arguments": {}},
                {"tool": "add", "arguments": {"a": 1}},
                "nonsense",
            ]
        },
    )
    assert not answer.is_error
    slots = answer.structured_content["results"]
    assert [slot["id"] for slot in slots] == ["1", "sum", "3", "4", "5"]
    assert [slot["success"] for slot in slots] == [False, True, False, False, False]
    assert slots[1]["result"] == {"sum": 3}
    assert slots[1]["tokens_used"] > 0
    assert [slot["error"]["code"] for slot in slots if not slot["success"]][:3] == [
        "tool_failed",
        "unknown_tool",
        "invalid_arguments",
    ]
    assert "no luck" in slots[0]["error"]["message"]
    assert "add" in slots[2]["error"]["message"]
    assert "/b: is required" in slots[3]["error"]["message"]
    text = text_of(answer)
    assert "[sum] add: ok" in text and '{"sum":3' in text
    assert "[1] fail: FAILED, tool_failed" in text


async def test_a_batch_in_which_nothing_worked_is_an_error_with_every_slot(session: Session) -> None:
    told = await session.tell("call_tools", {"calls": [{"tool": "nonsense", "arguments": {}}]}, failing=True)
    assert told["results"][0]["error"]["code"] == "unknown_tool"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "calls"),
        ({"calls": []}, "empty"),
        ({"calls": 7}, "list of calls"),
        ({"calls": "{broken"}, "not JSON"),
        ({"call": {"tool": "add"}}, "'calls' is missing"),
        ({"calls": ["too", *["many"] * 64]}, "65 calls are too many"),
    ],
)
@pytest.mark.parametrize("tool", ["call_tools", "call_read_tools"])
async def test_what_is_no_batch_is_refused_clearly(
    session: Session, tool: str, arguments: JsonObject, says: str
) -> None:
    assert says in await session.refusal(tool, arguments)


async def test_a_single_call_that_was_written_without_a_list_is_run(session: Session) -> None:
    told = await session.tell("call_tools", {"tool": "add", "arguments": {"a": 2, "b": 2}})
    assert told["results"][0]["result"] == {"sum": 4}


async def test_a_call_takes_a_value_out_of_an_earlier_ones_answer(session: Session) -> None:
    slots = await session.run(
        {"id": "z", "tool": "add", "arguments": {"a": {"$from": "rows", "path": "/rows/3/square"}, "b": 1}},
        {"id": "rows", "tool": "list_rows", "arguments": {"count": 4}},
        {"id": "lost", "tool": "add", "arguments": {"a": {"$from": "rows", "path": "/rows/9"}, "b": 1}},
        {"id": "late", "tool": "add", "arguments": {"a": {"$from": "lost", "path": "/sum"}, "b": 1}},
        {"id": "nobody", "tool": "add", "arguments": {"a": {"$from": "x"}, "b": 1}},
        {"id": "circle", "tool": "add", "arguments": {"a": {"$from": "circle"}, "b": 1}},
    )
    assert slots[0]["result"] == {"sum": 10}
    assert [slot["error"]["code"] for slot in slots[2:]] == [
        "reference_failed",
        "reference_failed",
        "invalid_plan",
        "invalid_plan",
    ]


async def test_a_reference_crosses_from_a_local_tool_to_a_downstream_server(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject]
) -> None:
    async with open_toolhone({"far": plain_server()}) as toolhone, toolhone.connected() as session:
        slots = await session.run(
            {"id": "near", "tool": "add", "arguments": {"a": 1, "b": 2}},
            {"id": "far", "tool": "far__echo", "arguments": {"it": {"$from": "near", "path": "/sum"}}},
            {"id": "back", "tool": "add", "arguments": {"a": {"$from": "far", "path": "/it"}, "b": 1}},
        )
    assert [slot["result"] for slot in slots] == [{"sum": 3}, {"it": 3}, {"sum": 4}]


# --- call_read_tools


async def test_the_read_only_entrance_runs_only_what_is_known_to_be_read_only(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject]
) -> None:
    servers = {"believed": plain_server(trusted=True), "doubted": plain_server()}
    async with open_toolhone(servers) as toolhone, toolhone.connected() as session:
        slots = await session.run(
            {"tool": "add", "arguments": {"a": 1, "b": 2}},
            {"tool": "believed__echo", "arguments": {"x": 1}},
            {"tool": "doubted__echo", "arguments": {"x": 1}},
            {"tool": "believed__pid", "arguments": {}},
            {"tool": "write_note", "arguments": {"text": "not through this door"}},
            tool="call_read_tools",
        )
        assert [slot["success"] for slot in slots] == [True, True, False, False, False]
        assert {slot["error"]["code"] for slot in slots[2:]} == {"not_read_only"}
        assert "call_tools" in slots[2]["error"]["message"]

        refused = await session.rows("refusal")
        assert {row["tool_name"] for row in refused} == {"doubted__echo", "believed__pid", "write_note"}
        assert {row["error_code"] for row in refused} == {"not_read_only"}
        assert (await session.one("write_note", text="through the right door"))["result"] == "1 notes"


# --- large results


async def test_a_large_result_is_a_preview_whose_whole_can_be_read_page_by_page(session: Session) -> None:
    slot = await session.one("list_rows", through="call_read_tools", count=2_000)
    assert slot["success"]
    whole = [{"number": number, "square": number * number} for number in range(2_000)]
    shown = slot["result"]["rows"]
    assert shown == whole[: len(shown)] and len(shown) < 2_000
    assert f"{len(shown)} of 2000 rows" in slot["notices"][0]

    rows: list[Json] = []
    offset: int | None = 0
    while offset is not None:
        page = await session.tell(
            "read_result", {"handle": slot["handle"], "path": "/rows", "offset": offset}
        )
        assert page["total"] == 2_000
        assert page["offset"] == len(rows)
        rows += page["value"]
        offset = page.get("next_offset")
    assert rows == whole

    pieces: list[str] = []
    offset = 0
    while offset is not None:
        page = await session.tell("read_result", {"handle": slot["handle"], "offset": offset})
        assert page["unit"] == "characters"
        pieces.append(page["value"])
        offset = page.get("next_offset")
    assert json.loads("".join(pieces)) == {"rows": whole}


async def test_the_text_of_a_large_result_names_its_handle_and_where_a_page_ends(session: Session) -> None:
    answer = await session.answer("call_tools", {"tool": "list_rows", "arguments": {"count": 2_000}})
    handle = answer.structured_content["results"][0]["handle"]
    assert f"read_result handle={handle}" in text_of(answer)
    page = await session.answer("read_result", {"handle": handle, "path": "/rows", "offset": 5, "limit": 2})
    assert text_of(page).splitlines()[0] == "rows 5 to 7 of 2000; next offset 7"


async def test_a_result_is_read_only_by_whom_it_was_given_to(toolhone: Toolhone, session: Session) -> None:
    gateway = await toolhone.app.gateway()
    somebody = Caller(principal="somebody else")
    (result,) = await gateway.call(
        [{"tool": "list_rows", "arguments": {"count": 2_000}}], caller=somebody, read_only=True
    )
    assert "unknown_handle" in await session.refusal("read_result", {"handle": result.handle})
    assert (await gateway.read_result(result.handle, caller=somebody))["total"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "handle"),
        ({"handle": "guessed"}, "unknown_handle"),
        ({"path": "/nowhere"}, "nowhere"),
        ({"offset": 10**9}, "beyond the end"),
        ({"offset": -1}, "offset"),
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
    ],
)
async def test_read_result_refuses_bad_input_clearly(
    session: Session, arguments: JsonObject, says: str
) -> None:
    slot = await session.one("list_rows", count=1_000)
    given = {"handle": slot["handle"], **arguments} if arguments else {}
    assert says in await session.refusal("read_result", given)
    assert (await session.tell("read_result", {"handle": slot["handle"], "path": "/rows"}))["count"] > 0


# --- validate_output, get_statistics


async def test_a_value_is_checked_against_a_schema_or_a_tools_own(session: Session) -> None:
    schema = {"type": "object", "required": ["x"]}
    assert await session.tell("validate_output", {"schema": schema, "output": {"x": 1}}) == {
        "valid": True,
        "errors": [],
    }
    told = await session.tell("validate_output", {"schema": "add", "output": {"sum": "three"}})
    assert not told["valid"]
    assert "sum" in told["errors"][0]
    assert (await session.tell("validate_output", {"schema": "add", "output": {"sum": 3}}))["valid"]
    assert (await session.tell("validate_output", {"schema": {"type": "null"}, "output": None}))["valid"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"schema": {}}, "output"),
        ({"schema": "nonsense", "output": 1}, "nonsense"),
        ({"schema": {"type": "nonsense"}, "output": 1}, "nonsense"),
        ({"schema": {"$ref": "https://example.org/schema"}, "output": 1}, "example.org"),
        ({"schema": 7, "output": 1}, "schema"),
    ],
)
async def test_validate_output_refuses_bad_input_clearly(
    session: Session, arguments: JsonObject, says: str
) -> None:
    assert says in await session.refusal("validate_output", arguments)


async def test_statistics_count_calls_failures_and_what_the_caller_was_sent(fresh_session: Session) -> None:
    listed = await fresh_session.client.list_tools()
    asked = await fresh_session.answer("describe_tools", {"names": ["add"]})
    await fresh_session.run(
        {"tool": "add", "arguments": {"a": 1, "b": 2}}, {"tool": "nonsense", "arguments": {}}
    )
    await fresh_session.one("add", a=3, b=4)
    await fresh_session.one("fail", reason="counted")
    found = await fresh_session.tell("find_tools", {"task": "add numbers"})

    told = await fresh_session.tell("get_statistics")
    assert told["tools"] == 4
    assert (told["calls"], told["failures"]) == (3, 1)  # what was refused never ran
    assert told["most_called"]["add"]["calls"] == 2
    assert told["most_called"]["fail"]["failures"] == 1
    assert told["tokenizer"] == "o200k_base"
    receipt = told["receipt"]
    assert found["tokens"]["listing"] == receipt["listing"]
    around = [receipt[name] for name in ("describe_tools", "call_tools")]
    assert found["tokens"]["follow_ups"] == sum(
        one["request_tokens"] + one["answer_tokens"] - one["of_which_results"] for one in around
    )
    assert receipt["call_tools"]["count"] == 3
    assert 0 < receipt["call_tools"]["of_which_results"] < receipt["call_tools"]["answer_tokens"]
    shown = {"name", "description", "input_schema"}
    assert receipt["listing"] == tokens.count_json(
        [tool.model_dump(by_alias=True, include=shown) for tool in listed.tools]
    )
    assert receipt["find_tools"]["count"] == 1
    assert receipt["find_tools"]["answer_tokens"] == found["tokens"]["sent"]
    assert receipt["find_tools"]["of_which_legend"] == found["tokens"]["legend"]
    assert receipt["find_tools"]["request_tokens"] == tokens.count_json({"task": "add numbers"})
    assert receipt["describe_tools"]["answer_tokens"] == tokens.count_tokens(text_of(asked))
    assert receipt["tokens_of_all_schemas"] == found["tokens"]["all_schemas"]
    assert receipt["tokens_saved"] == receipt["tokens_of_all_schemas"] - receipt["tokens_sent"]
    assert told["receipts_of_all"] == receipt


async def test_get_statistics_is_not_put_off_by_arguments_that_it_has_not(session: Session) -> None:
    assert (await session.tell("get_statistics", {"verbose": True}))["tools"] == 4


# --- the audit


async def test_every_step_is_in_the_audit_with_ids_that_join_it(fresh_session: Session) -> None:
    found = await fresh_session.tell("find_tools", {"task": "add two numbers"})
    slots = await fresh_session.run(
        {"id": "repaired", "tool": "add", "parameters": {"a": "1", "b": 2}},
        {"id": "wrong", "tool": "nonsense", "arguments": {}},
        {"id": "large", "tool": "list_rows", "arguments": {"count": 1_000}},
    )
    await fresh_session.tell("read_result", {"handle": slots[2]["handle"], "path": "/rows/0"})

    rows = await fresh_session.rows()
    (selection,) = [row for row in rows if row["kind"] == "selection"]
    assert selection["request_id"] == found["request_id"]
    assert selection["details"]["task"] == "add two numbers"
    assert selection["details"]["selected"][0][0] == "add"

    of_batch = [row for row in rows if row["kind"] in {"call", "refusal", "repair"}]
    assert len({row["request_id"] for row in of_batch}) == 1
    assert of_batch[0]["request_id"] != selection["request_id"]
    calls = {row["slot"]: row for row in of_batch if row["kind"] != "repair"}
    assert {slot: row["kind"] for slot, row in calls.items()} == {
        "repaired": "call",
        "wrong": "refusal",
        "large": "call",
    }
    repairs = [row for row in of_batch if row["kind"] == "repair"]
    assert repairs and {row["call_id"] for row in repairs} == {calls["repaired"]["call_id"]}
    assert calls["wrong"]["error_code"] == "unknown_tool"
    (read,) = [row for row in rows if row["kind"] == "result_read"]
    assert read["details"]["path"] == "/rows/0"
    assert {row["user_id"] for row in rows} == {"local"}
    assert (await fresh_session.app.audit.verify()).whole


async def test_secrets_in_arguments_and_results_do_not_reach_the_audit(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject], tmp_path: Json
) -> None:
    secret = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0xL3rUi"
    async with open_toolhone({"far": plain_server()}) as toolhone, toolhone.connected() as session:
        slot = await session.one("far__echo", note=f"my key is {secret}", password="hunter2-but-longer")
        assert secret in json.dumps(slot["result"]), "the agent gets what the tool said"
        await session.tell("find_tools", {"task": f"look something up with {secret}"})
        rows = await session.rows()
        written = json.dumps(rows)
        assert secret not in written and "hunter2" not in written
        assert "my key is" in written
    for file in (tmp_path / "data").glob("audit*"):
        assert secret.encode() not in file.read_bytes()


async def test_calls_that_arrive_at_once_are_all_answered_and_recorded(fresh_session: Session) -> None:
    sums: list[int] = []

    async def add(number: int) -> None:
        sums.append((await fresh_session.one("add", a=number, b=number))["result"]["sum"])

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(add, number)
    assert sorted(sums) == [2 * number for number in range(50)]
    assert len(await fresh_session.rows("call")) == 50


async def test_half_a_surrogate_pair_of_a_tool_does_not_end_the_server(fresh_session: Session) -> None:
    (slot,) = await fresh_session.run({"tool": "fail", "arguments": {"reason": "half \ud83d of a pair"}})

    assert "half \ufffd of a pair" in slot["error"]["message"]
    assert (await fresh_session.one("add", a=1, b=2))["success"]
