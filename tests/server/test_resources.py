"""Resources, completion and the prompt."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import quote

import pytest
from mcp import MCPError, types

from toolhone.models import Caller, Json, JsonObject
from toolhone.roles import Role
from toolhone.tokens import count_tokens

Session: TypeAlias = Json
Toolhone: TypeAlias = Json
OpenToolhone: TypeAlias = Json


async def content_of(session: Session, uri: str) -> JsonObject:
    (content,) = (await session.client.read_resource(uri)).contents
    assert content.uri == uri
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def refusal_of(session: Session, uri: str) -> str:
    with pytest.raises(MCPError) as raised:
        await session.client.read_resource(uri)
    assert raised.value.error.code == types.INVALID_PARAMS
    assert raised.value.error.data["uri"] == uri
    await session.client.list_resources()
    return raised.value.error.message


async def test_resources_and_templates_are_listed(session: Session) -> None:
    resources = (await session.client.list_resources()).resources
    assert [str(resource.uri) for resource in resources] == [
        *("toolhone://catalog", "toolhone://statistics"),
        *("toolhone://finetuning", "toolhone://providers"),
    ]
    templates = (await session.client.list_resource_templates()).resource_templates
    assert {template.name for template in templates} == {
        *("catalog_page", "catalog_within"),
        *("tool", "result"),
        *("dataset", "finetuning_job", "model"),
    }


async def test_the_catalog_within_a_budget_is_text_that_keeps_to_it(session: Session) -> None:
    for budget in (50, 120, 10_000):
        read = await session.client.read_resource(f"toolhone://catalog?token_budget={budget}")
        text = read.contents[0].text
        assert count_tokens(text) <= budget
        assert all(name in text for name in ("add", "fail", "list_rows", "write_note"))
    for wrong in ("", "7", "-50", "many"):
        with pytest.raises(MCPError, match="token budget"):
            await session.client.read_resource(f"toolhone://catalog?token_budget={wrong}")


async def test_a_budget_of_the_settings_and_a_margin_hold_for_the_catalog_too(
    open_toolhone: OpenToolhone,
) -> None:
    async with (
        open_toolhone(token_budget=60, token_margin=0.5) as toolhone,
        toolhone.connected() as session,
    ):
        for uri in ("toolhone://catalog", "toolhone://catalog?token_budget=60"):
            (content,) = (await session.client.read_resource(uri)).contents
            assert count_tokens(content.text) <= 40
            assert "write_note" in content.text


async def test_a_large_catalog_is_read_page_by_page(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject]
) -> None:
    async with (
        open_toolhone({"far": plain_server("--tools", "450")}) as toolhone,
        toolhone.connected() as session,
    ):
        await session.client.list_tools()
        names: list[str] = []
        sizes: list[int] = []
        uri: str | None = "toolhone://catalog"
        while uri is not None:
            page = await content_of(session, uri)
            assert (page["pages"], page["total"]) == (3, 454)
            names += [tool["name"] for tool in page["tools"]]
            sizes.append(len(page["tools"]))
            uri = page.get("next")
        assert sizes == [200, 200, 54]
        assert names == sorted(set(names))
        assert await content_of(session, "toolhone://catalog/2")
        for wrong in ("0", "4", "two", "-1"):
            assert "1 to 3" in await refusal_of(session, f"toolhone://catalog/{wrong}")


async def test_a_catalog_shows_the_beginning_of_a_manual_in_one_line(
    open_toolhone: OpenToolhone, plain_server: Callable[..., JsonObject]
) -> None:
    async with open_toolhone({"far": plain_server()}) as toolhone, toolhone.connected() as session:
        await session.client.list_tools()
        page = await content_of(session, "toolhone://catalog")
    described = {tool["name"]: tool for tool in page["tools"]}
    assert described["add"] == {
        "name": "add",
        "server": "local",
        "description": "Add two numbers and give their sum.",
    }
    manual = described["far__for_ever"]["description"]
    assert len(manual) == 200 and manual.endswith("x…")


async def test_a_tool_is_read_with_its_whole_definition(session: Session) -> None:
    tool = await content_of(session, "toolhone://tools/add")
    assert tool["inputSchema"]["required"] == ["a", "b"]
    assert tool["readOnly"] is True
    assert "add" in await refusal_of(session, "toolhone://tools/ad")


async def test_a_stored_result_is_read_by_its_owner_alone(toolhone: Toolhone, session: Session) -> None:
    slot = await session.one("list_rows", count=2_000)
    page = await content_of(session, f"toolhone://results/{quote(slot['handle'])}")
    assert page["handle"] == slot["handle"]
    assert page["value"].startswith('{"rows":[{"number":0')
    assert page["next_offset"] == page["count"]

    gateway = await toolhone.app.gateway()
    (foreign,) = await gateway.call(
        [{"tool": "list_rows", "arguments": {"count": 2_000}}], caller=Caller(principal="somebody else")
    )
    await refusal_of(session, f"toolhone://results/{foreign.handle}")


async def test_statistics_are_those_of_the_tool(session: Session) -> None:
    await session.one("add", a=1, b=1)
    assert await content_of(session, "toolhone://statistics") == await session.tell("get_statistics")


@pytest.mark.parametrize(
    "uri",
    ["toolhone://nothing", "https://example.org/", "file:///etc/passwd", "toolhone://tools/", "toolhone:x"],
)
async def test_an_unknown_resource_is_a_protocol_error(session: Session, uri: str) -> None:
    assert await refusal_of(session, uri)


async def test_tool_names_are_completed(session: Session) -> None:
    template = types.ResourceTemplateReference(type="ref/resource", uri="toolhone://tools/{name}")
    told = await session.client.complete(template, {"name": "name", "value": "l"})
    assert told.completion.values == ["list_rows"]
    everything = await session.client.complete(template, {"name": "name", "value": ""})
    assert everything.completion.values == ["add", "fail", "list_rows", "write_note"]
    assert everything.completion.total == 4

    prompt = types.PromptReference(type="ref/prompt", name="choose_tools")
    assert (await session.client.complete(prompt, {"name": "task", "value": "a"})).completion.values == []


async def test_the_prompt_leads_through_a_task(session: Session) -> None:
    prompt, *_ = (await session.client.list_prompts()).prompts
    told = await session.client.get_prompt(prompt.name, {"task": "tidy the garden"})
    text = told.messages[0].content.text
    assert text.startswith("Task: tidy the garden")
    assert "find_tools" in text and "call_tools" in text


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [("nonsense", {}, "nonsense"), ("choose_tools", {}, "task"), ("choose_tools", {"task": "  "}, "task")],
)
async def test_a_wrong_prompt_is_a_protocol_error(
    session: Session, name: str, arguments: dict[str, str], says: str
) -> None:
    with pytest.raises(MCPError, match=says) as raised:
        await session.client.get_prompt(name, arguments)
    assert raised.value.error.code == types.INVALID_PARAMS


@pytest.mark.filterwarnings("ignore:resources/subscribe is removed")
async def test_what_is_refused_over_mcp_is_told_as_an_error_and_stands_in_the_audit(
    open_toolhone: OpenToolhone, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "toolhone://results/0123456789abcdef"
    template = types.ResourceTemplateReference(type="ref/resource", uri="toolhone://results/{handle}")
    async with open_toolhone(role=Role.VIEWER) as toolhone:
        async with toolhone.connected() as session:
            requests = [
                ("resources/read", session.client.read_resource(secret)),
                ("completion/complete", session.client.complete(template, {"name": "handle", "value": ""})),
                (
                    "prompts/get",
                    session.client.get_prompt("prepare_finetuning", {"category": "core_security"}),
                ),
            ]
            for method, request in requests:
                assert await refused(request) == "permission_denied", method
            with pytest.raises(MCPError, match="call_tools"):
                async with session.client.listen(resource_subscriptions=[secret]):
                    pass
        async with toolhone.connected("legacy") as session:
            assert await refused(session.client.subscribe_resource(secret)) == "permission_denied"
            rows = await session.rows("refusal")

    told = [row["details"] for row in rows]
    assert [(one["method"], one.get("uri"), one.get("name"), one["permission"]) for one in told] == [
        ("resources/read", "toolhone://results/012345…", None, "call_tools"),
        ("completion/complete", "toolhone://results/{handl…", None, "call_tools"),
        ("prompts/get", None, "prepare_finetuning", "train"),
        ("subscriptions/listen", "toolhone://results/012345…", None, "call_tools"),
        ("resources/subscribe", "toolhone://results/012345…", None, "call_tools"),
    ]
    assert {row["error_code"] for row in rows} == {"permission_denied"}
    assert [record for record in caplog.records if record.exc_info] == []


async def refused(request: Awaitable[object]) -> str:
    """The code of the error that a request is answered with."""
    with pytest.raises(MCPError) as raised:
        await request
    return raised.value.error.data["code"]
