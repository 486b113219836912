"""One roof over all toolsets: order, conflicts, close names, changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import UnknownToolError
from toolhone.models import Annotations, Json, JsonObject, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.registry.catalog import Catalog
from toolhone.registry.listeners import Listeners


class Fixed:
    """A toolset whose tools the test sets, and whose calls answer with its own name."""

    def __init__(self, name: str, *tools: ToolDefinition) -> None:
        self.name = name
        self.definitions = list(tools)
        self.asked = 0
        self.prepared: list[str] = []
        self._listeners = Listeners()

    def tools(self) -> Sequence[ToolDefinition]:
        self.asked += 1
        return self.definitions

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        self.prepared.append(definition.name)

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        return ToolOutput(structured={"from": self.name, **arguments}, has_structured=True)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def change(self, *tools: ToolDefinition) -> None:
        self.definitions = list(tools)
        self._listeners.notify()


def tool(name: str, **changes: Json) -> ToolDefinition:
    definition = ToolDefinition(
        name=name, description=f"Does {name}.", input_schema={"type": "object"}, original_name=name
    )
    return replace(definition, **changes)


def names(catalog: Catalog) -> list[str]:
    return [definition.name for definition in catalog.tools()]


async def test_a_tool_is_prepared_where_it_comes_from() -> None:
    one, two = Fixed("one", tool("a")), Fixed("two", tool("a"), tool("b"))
    catalog = Catalog([one, two])

    await catalog.prepare(tool("a"))
    await catalog.prepare(tool("b"))
    await catalog.prepare(tool("gone"))

    assert (one.prepared, two.prepared) == (["a"], ["b"])


def test_tools_come_ordered_by_name_whatever_their_toolset() -> None:
    catalog = Catalog([Fixed("one", tool("zeta"), tool("beta")), Fixed("two", tool("alpha"))])

    assert names(catalog) == ["alpha", "beta", "zeta"]
    assert catalog.get("beta") is not None
    assert catalog.get("gamma") is None


async def test_of_two_tools_with_one_name_the_earlier_toolset_has_it() -> None:
    kept, left_out = tool("same"), tool("same", description="Another.")
    catalog = Catalog([Fixed("one", kept), Fixed("two", left_out, tool("other"))])

    (conflict,) = catalog.conflicts
    with anyio.fail_after(60):
        output = await catalog.call(kept, {"a": 1})

    assert names(catalog) == ["other", "same"]
    assert (conflict.name, conflict.kept, conflict.left_out) == ("same", kept, left_out)
    assert output.structured == {"from": "one", "a": 1}


async def test_a_tool_that_is_gone_cannot_be_called() -> None:
    toolset = Fixed("one", tool("a"))
    catalog = Catalog([toolset])
    definition = catalog.tools()[0]
    toolset.change()

    with pytest.raises(UnknownToolError, match="'a'"):
        await catalog.call(definition, {})


def test_a_change_is_announced_and_seen() -> None:
    toolset = Fixed("one", tool("a"))
    catalog = Catalog([toolset])
    told: list[list[str]] = []
    unsubscribe = catalog.subscribe(lambda: told.append(names(catalog)))

    toolset.change(tool("b"))
    unsubscribe()
    toolset.change(tool("c"))

    assert told == [["b"]]
    assert names(catalog) == ["c"]


def test_a_closed_catalog_no_longer_listens() -> None:
    toolset = Fixed("one", tool("a"))
    catalog = Catalog([toolset])
    told: list[int] = []
    catalog.subscribe(lambda: told.append(1))

    catalog.close()
    toolset.change(tool("b"))

    assert told == []


def test_toolsets_are_asked_once_a_change_and_not_once_a_question() -> None:
    toolset = Fixed("one", *(tool(f"tool_{number}") for number in range(100)))
    catalog = Catalog([toolset])

    for _ in range(20):
        catalog.tools()
        catalog.get("tool_7")
        catalog.near("tool_x")
        assert catalog.content_hash
    assert toolset.asked == 1

    toolset.change(tool("a"))
    catalog.tools()
    assert toolset.asked == 2


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Does it otherwise."},
        {"input_schema": {"type": "object", "properties": {"x": {}}}},
        {"output_schema": {"type": "object"}},
        {"annotations": Annotations(read_only=True)},
        {"trusted": False, "annotations": Annotations(read_only=True)},
    ],
)
def test_the_hash_changes_with_whatever_an_agent_can_see(change: JsonObject) -> None:
    toolset = Fixed("one", tool("a"), tool("b"))
    catalog = Catalog([toolset])
    before = catalog.content_hash

    toolset.change(tool("a"), tool("b", **change))
    assert catalog.content_hash != before

    toolset.change(tool("b"), tool("a"))
    assert catalog.content_hash == before


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("git__createBranch", "git__create_branch"),
        ("createBranch", "git__create_branch"),
        ("create_branch", "git__create_branch"),
        ("create-branch", "git__create_branch"),
        ("git.create_branch", "git__create_branch"),
        ("git/create_branch", "git__create_branch"),
        ("git:create_branch", "git__create_branch"),
        ("mcp__git__create_branch", "git__create_branch"),
        ("GIT__CREATE_BRANCH", "git__create_branch"),
        ("gti__create_branch", "git__create_branch"),
        ("local.query_database", "query_database"),
        ("query_databse", "query_database"),
        ("queryDatabase", "query_database"),
    ],
)
def test_a_name_spelled_otherwise_is_found_first(asked: str, meant: str) -> None:
    tools = ["git__create_branch", "git__create_tag", "hub__delete_branch", "query_database", "get_weather"]
    catalog = Catalog([Fixed("one", *map(tool, tools))])

    assert catalog.near(asked)[0] == meant


def test_nothing_is_near_to_a_name_of_its_own() -> None:
    catalog = Catalog([Fixed("one", tool("get_weather"), tool("query_database"))])

    assert catalog.near("zzzz") == ()
    assert catalog.near("") == ()
    assert Catalog([]).near("a") == ()


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(min_value=1, max_value=5))
def test_close_names_are_few_and_real(asked: str, count: int) -> None:
    catalog = Catalog([Fixed("one", tool("get_weather"), tool("git__status"), tool("hub__status"))])

    found = catalog.near(asked, count)

    assert len(found) <= count
    assert len(set(found)) == len(found)
    assert set(found) <= set(names(catalog))


def test_ten_thousand_tools_are_fine() -> None:
    toolsets = [
        Fixed(f"s{server}", *(tool(f"s{server}__tool_number_{number}") for number in range(100)))
        for server in range(100)
    ]
    catalog = Catalog(toolsets)

    assert len(catalog.tools()) == 10_000
    assert catalog.near("s42__toolNumber_7")[0] == "s42__tool_number_7"
    before = catalog.content_hash
    toolsets[3].change()
    assert catalog.content_hash != before
    assert len(catalog.tools()) == 9_900
