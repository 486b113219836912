"""Allow lists by role and credential: to a caller, tools that it may not use are not there."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from toolhone.access import ToolRules
from toolhone.models import Caller, EventKind, Json, JsonObject, ToolDefinition
from toolhone.reach import Reach
from toolhone.registry.catalog import Catalog
from toolhone.roles import Role
from toolhone.settings import Settings, load_settings

Listed: TypeAlias = Callable[..., JsonObject]
Site: TypeAlias = Json

SECRET = "Zeppelin"
"""Stands in everything that the agent must not learn of."""

RULES: Json = {"allow_tools": {"agent": ["shop__greet"]}, "allow_servers": {"agent": ["harmless"]}}


@pytest.fixture
def shops(site: Site, tool: Listed) -> Site:
    site.server("shop", tool("greet", "Greet somebody."), tool("zeppelin", f"Delete every {SECRET}."))
    site.server("zeppelins", tool("greet_all", f"Greet the whole {SECRET}."))
    site.server("harmless", tool("wave", "Wave a hand."))
    return site


async def test_a_caller_learns_of_no_tool_that_it_may_not_use(shops: Site, agent: Caller) -> None:
    pins = {"*": ["shop__zeppelin", "zeppelins__gone", "harmless__wave"]}
    async with shops.opened(**RULES, pins=pins, mode="native") as toolhone:
        await toolhone.app.refresh()
        async with toolhone.as_(agent) as session:
            told = await session.everything("shop__zeppelin", "zeppelins__greet_all")
            names = [tool.name for tool in (await session.client.list_tools(cache_mode="bypass")).tools]
            found = await session.ask("find_tools", task="greet somebody", max_tools=3)

    assert SECRET.lower() not in told.lower()
    assert "harmless__wave" in names
    # The ranking fills its places with what is allowed.
    assert found["considered"] == 3
    assert "shop__greet" in [one["name"] for one in found["tools"]]


async def test_who_may_use_everything_still_sees_everything(shops: Site, admin: Caller) -> None:
    async with shops.opened(**RULES) as toolhone, toolhone.as_(admin) as session:
        await toolhone.app.refresh()
        told = await session.everything()
        assert SECRET in told
        assert (await session.run("shop__zeppelin"))["success"]


async def test_a_call_of_a_forbidden_tool_is_refused_before_it_is_looked_at_and_recorded(
    shops: Site, agent: Caller
) -> None:
    async with shops.opened(**RULES) as toolhone, toolhone.as_(agent) as session:
        await toolhone.app.refresh()
        slot = await session.run("shop__zeppelin", text=17)
        (row,) = await toolhone.rows(EventKind.REFUSAL)
        (call,) = [one for one in await toolhone.rows() if one["call_id"] is not None]

    assert slot["error"]["code"] == "permission_denied"
    assert "not among the tools that this caller may use" in slot["error"]["message"]
    assert row == call
    assert (row["tool_name"], row["user_id"], row["error_code"]) == (
        "shop__zeppelin",
        "token:agent",
        "permission_denied",
    )
    assert shops.calls("shop") == []


async def test_what_is_forbidden_and_what_is_not_there_are_told_in_the_same_words(
    shops: Site, agent: Caller
) -> None:
    there, nowhere = "shop__zeppelin", "shop__aardvark"
    async with shops.opened(**RULES) as toolhone, toolhone.as_(agent) as session:
        await toolhone.app.refresh()

        async def answers(name: str) -> list[str]:
            slot = await session.run(name)
            read = await session.answer("call_read_tools", calls=[{"tool": name, "arguments": {}}])
            described = await session.answer("describe_tools", names=[name])
            found = await session.ask("find_tools", task="greet somebody", available_tools=[name])
            validated = await session.answer("validate_output", schema=name, output={})
            refused: list[str] = [answer.content[0].text for answer in (described, validated)]
            return [
                slot["error"]["message"].partition(";")[0],
                read.model_dump_json(include={"is_error"}),
                refused[0].partition(" Did")[0].partition(" Use")[0],
                str(found["notices"]),
                refused[1],
            ]

        assert [text.replace(there, "X") for text in await answers(there)] == [
            text.replace(nowhere, "X") for text in await answers(nowhere)
        ]


async def test_a_reference_to_a_forbidden_call_gets_nothing(shops: Site, agent: Caller) -> None:
    async with shops.opened(**RULES) as toolhone, toolhone.as_(agent) as session:
        await toolhone.app.refresh()
        calls: Json = [
            {"id": "a", "tool": "shop__zeppelin", "arguments": {}},
            {"id": "b", "tool": "shop__greet", "arguments": {"text": {"$from": "a", "path": "/text"}}},
        ]
        slots = (await session.ask("call_tools", calls=calls))["results"]

    assert [slot["error"]["code"] for slot in slots] == ["permission_denied", "reference_failed"]
    assert shops.calls("shop") == []


async def test_a_credential_narrows_further_and_never_widens(shops: Site, agent: Caller) -> None:
    async with shops.opened(**RULES) as toolhone:
        await toolhone.app.refresh()
        gateway = await toolhone.app.gateway()

        def seen(*patterns: str) -> list[str]:
            return [tool.name for tool in gateway.tools(replace(agent, tools=patterns))]

        assert seen("shop__*") == ["shop__greet"]
        assert seen("*") == ["harmless__reload", "harmless__wave", "shop__greet"]
        assert seen() == []


async def test_who_may_use_no_tool_is_told_that_there_are_none(shops: Site, agent: Caller) -> None:
    async with (
        shops.opened(allow_tools={"agent": []}) as toolhone,
        toolhone.as_(agent) as session,
    ):
        await toolhone.app.refresh()
        found = await session.ask("find_tools", task="greet somebody")
        assert (found["tools"], found["considered"]) == ([], 0)
        assert SECRET.lower() not in (await session.everything()).lower()


async def test_a_held_back_tool_is_explained_only_to_who_may_know_of_it(
    shops: Site, tool: Listed, agent: Caller, admin: Caller
) -> None:
    async with shops.opened(**RULES) as toolhone:
        await toolhone.relist(
            "shop", tool("greet", "Greet somebody."), tool("zeppelin", f"Greet the {SECRET} now.")
        )
        async with toolhone.as_(agent) as session:
            assert SECRET.lower() not in (await session.everything()).lower()
            slot = await session.run("shop__zeppelin")
            assert "not among" in slot["error"]["message"]
        async with toolhone.as_(admin) as session:
            slot = await session.run("shop__zeppelin")
            assert "held back" in slot["error"]["message"]


async def test_a_list_of_tools_is_the_same_bytes_for_all_of_a_role(shops: Site, agent: Caller) -> None:
    async with shops.opened(**RULES) as toolhone:
        await toolhone.app.refresh()
        listings: list[str] = []
        for caller in (agent, replace(agent, principal="token:other")):
            async with toolhone.as_(caller) as session:
                listings.append((await session.client.list_tools(cache_mode="bypass")).model_dump_json())
        gateway = await toolhone.app.gateway()
        assert gateway.tools(agent) is gateway.tools(replace(agent, principal="token:other"))
    assert listings[0] == listings[1]


class Many:
    """A toolset that has many tools and changes nothing."""

    def __init__(self, count: int) -> None:
        self._tools = [
            ToolDefinition(name=f"tool_{number:05}", description="", input_schema={})
            for number in range(count)
        ]

    def tools(self) -> list[ToolDefinition]:
        return self._tools

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


def test_many_kinds_of_callers_do_not_fill_the_memory() -> None:
    reach = Reach(Catalog([Many(100)]), ToolRules({}, {}))  # type: ignore[list-item]
    for number in range(1_000):
        caller = Caller(principal="token:x", role=Role.AGENT, tools=(f"tool_{number:05}",))
        assert len(reach.tools(caller)) == (1 if number < 100 else 0)
    assert len(reach._seen) <= 64


def test_the_lists_come_from_settings_and_from_the_environment() -> None:
    environ = {
        "TOOLHONE_ALLOW_TOOLS": '{"agent": ["git__*"]}',
        "TOOLHONE_ALLOW_SERVERS": '{"viewer": ["time", "local"]}',
        "TOOLHONE_APPROVE": "all",
        "XDG_CONFIG_HOME": "/nowhere",
    }
    settings = load_settings(environ)
    assert settings.allow_tools == {Role.AGENT: ("git__*",)}
    assert settings.allow_servers == {Role.VIEWER: ("time", "local")}
    assert (settings.approve, Settings().approve) == ("all", "first_use")
