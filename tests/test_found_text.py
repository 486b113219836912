"""How a `find_tools` answer reads, and what of it gives way to a budget."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.compression.levels import Level
from toolhone.found_text import (
    ROSTER_TOKENS,
    Finding,
    FoundTool,
    LeftOut,
    Told,
    by_server,
    catalog_text,
    tell,
)
from toolhone.models import Annotations, Json, ToolDefinition


def words(text: str) -> int:
    return len(text.split())


def tool(name: str, fits: float = 0.8, *, read_only: bool = False, **more: Json) -> FoundTool:
    definition = ToolDefinition(
        name=name,
        description=f"What {name} does.\nMore of it.",
        input_schema={
            "type": "object",
            "properties": {"day": {"type": "string", "description": f"The day on which {name} happens."}},
            "required": ["day"],
        },
        annotations=Annotations(read_only=read_only),
    )
    return FoundTool(definition=definition, score=0.9, fits=fits, **more)


def finding(*tools: FoundTool, fits: float = 0.8, nothing_fits: bool = False, **more: Json) -> Finding:
    return Finding(tools=tools, fits=fits, nothing_fits=nothing_fits, considered=9, **more)


def told(*tools: FoundTool, budget: int | None = None, **more: Json) -> Told:
    return tell(finding(*tools, **more), budget, words)


def test_the_first_line_is_the_verdict() -> None:
    assert told(tool("a")).text.startswith("Fits: likely. 1 of 9 tools, best first:\n")
    assert told(tool("a"), fits=0.3).text.startswith("Fits: perhaps. 1 of 9 tools")
    assert told(tool("a"), fits=0.01, nothing_fits=True).text.startswith("Nothing fits. ")
    assert told().text == "0 of 9 tools."


def test_a_tool_stands_with_its_whole_signature_and_says_whether_it_only_reads() -> None:
    text = told(tool("a", 0.999), tool("b", 1.0, read_only=True, pinned=True, caution="it fails")).text

    assert "\n## a (99%)\nWhat a does.\nMore of it.\n day: The day on which a happens.\n" in text
    assert "\n## b (100%, read-only, pinned; it fails)\n" in text


def test_a_percentage_is_rounded_down_and_says_what_the_data_says() -> None:
    for fits, percent, data in ((0.57, "57%", 0.57), (0.9999, "99%", 0.999), (1.0, "100%", 1.0)):
        assert tool("a", fits).percent == percent
        assert tool("a", fits).as_json()["fits"] == data


def test_when_nothing_fits_only_pinned_tools_have_their_signatures() -> None:
    said = told(tool("a", 0.1), tool("b", 0.1, pinned=True), nothing_fits=True, fits=0.05)

    assert said.levels == (Level.INDEX, Level.FULL)
    assert "The day on which a happens" not in said.text
    assert "The day on which b happens" in said.text


def test_what_was_left_out_is_grouped_by_its_reason() -> None:
    out = [LeftOut("x", "denied"), LeftOut("y", "server s is down: gone"), LeftOut("z", "denied")]

    assert "\nLeft out: x, z (denied); y (server s is down: gone)" in told(tool("a"), left_out=out).text


def test_detail_gives_way_before_a_tool_does_and_the_better_tool_keeps_more() -> None:
    tools = tool("a", 0.9), tool("b", 0.1)
    whole = words(told(*tools).text)

    said = told(*tools, budget=whole - 1)

    assert words(said.text) <= whole - 1
    assert [found.definition.name for found in said.tools] == ["a", "b"]
    assert said.levels[0] is Level.FULL
    assert said.levels[1] is not Level.FULL


def test_the_roster_goes_first_and_a_long_one_costs_only_a_few_tokens() -> None:
    names = [f"t{number}" for number in range(200)]
    longest = told(tool("a"), roster=["c", "d"])

    assert longest.roster == ("c", "d")
    assert told(tool("a"), roster=["c", "d"], budget=words(longest.text) - 1).roster == ("c",)
    assert told(tool("a"), roster=names).roster == tuple(names[:ROSTER_TOKENS])


def test_when_not_even_names_fit_the_servers_are_counted() -> None:
    tools = [tool(f"t{number}") for number in range(20)]

    said = told(*tools, budget=12)

    assert said.text == "20 tools do not fit: local 20."
    assert [out.name for out in said.left_out] == [found.definition.name for found in tools]


def test_of_many_servers_the_largest_are_counted() -> None:
    tools = [replace(tool(f"t{n}").definition, server=f"s{n % 3 if n < 9 else n}") for n in range(20)]

    assert by_server(tools, 100, words).startswith("20 tools do not fit: s0 3, s1 3, s2 3, s10 1, ")
    assert by_server(tools, 12, words) == "20 tools do not fit: s0 3, s1 3, 12 servers more."
    assert by_server(tools, 1, words) == ""


def test_a_catalog_is_told_whole_by_names_or_by_servers() -> None:
    tools = [tool(f"t{number}").definition for number in range(20)]

    assert "The day on which t19 happens" in catalog_text(tools, 10_000, words)
    names = catalog_text(tools, 60, words)
    assert words(names) <= 60
    assert all(f"t{number}" in names for number in range(20))
    assert catalog_text(tools, 10, words) == "20 tools do not fit: local 20."


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 120), st.booleans(), st.booleans())
def test_the_budget_is_never_exceeded_and_no_tool_is_lost(
    tools: int, roster: int, budget: int, nothing_fits: bool, noticed: bool
) -> None:
    said = told(
        *(tool(f"t{number}") for number in range(tools)),
        roster=[f"r{number}" for number in range(roster)],
        left_out=[LeftOut("x", "denied")],
        nothing_fits=nothing_fits,
        notices=["A server is down."] if noticed else (),
        budget=budget,
    )

    assert said.tokens == words(said.text) <= budget
    named = [found.definition.name for found in said.tools] + [out.name for out in said.left_out]
    assert {f"t{number}" for number in range(tools)} <= set(named)
    assert all(found.definition.name in said.text for found in said.tools)
    assert tuple(f"r{number}" for number in range(len(said.roster))) == said.roster
