"""How a `find_tools` answer reads, and what of it gives way to a budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.answers import ROSTER_TOKENS, Finding, FoundTool, LeftOut, fit, found_text
from toolhone.models import Annotations, Json, ToolDefinition


def words(text: str) -> int:
    return len(text.split())


def tool(name: str, fits: float = 0.8, *, read_only: bool = False, **more: Json) -> FoundTool:
    definition = ToolDefinition(
        name=name,
        description=f"What {name} does.\nMore of it.",
        input_schema={"type": "object"},
        annotations=Annotations(read_only=read_only),
    )
    return FoundTool(definition=definition, score=0.9, fits=fits, **more)


def finding(*tools: FoundTool, fits: float = 0.8, nothing_fits: bool = False, **more: Json) -> Finding:
    return Finding(tools=tools, fits=fits, nothing_fits=nothing_fits, considered=9, **more)


def test_the_first_line_is_the_verdict() -> None:
    assert found_text(finding(tool("a"))).startswith("Fits: likely. 1 of 9 tools, best first:\n")
    assert found_text(finding(tool("a"), fits=0.3)).startswith("Fits: perhaps. 1 of 9 tools")
    assert found_text(finding(tool("a"), fits=0.01, nothing_fits=True)).startswith("Nothing fits. ")
    assert found_text(finding()) == "0 of 9 tools."


def test_a_tool_stands_with_its_schema_and_the_way_to_call_it() -> None:
    text = found_text(
        finding(tool("a", 0.999), tool("b", 1.0, read_only=True, pinned=True, caution="it fails"))
    )

    assert '\n## a (99%, call_tools)\nWhat a does.\nMore of it.\n{"type":"object"}\n' in text
    assert "\n## b (100%, call_read_tools, pinned; it fails)\n" in text


def test_a_percentage_is_rounded_down_and_says_what_the_data_says() -> None:
    for fits, percent, data in ((0.57, "57%", 0.57), (0.9999, "99%", 0.999), (1.0, "100%", 1.0)):
        assert tool("a", fits).percent == percent
        assert tool("a", fits).as_json()["fits"] == data


def test_when_nothing_fits_only_pinned_tools_have_their_schemas() -> None:
    text = found_text(finding(tool("a", 0.1), tool("b", 0.1, pinned=True), nothing_fits=True, fits=0.05))

    assert "\n- a (10%): What a does.\n" in text
    assert "\n## b (10%, call_tools, pinned)\n" in text
    assert text.count('{"type":"object"}') == 1


def test_what_was_left_out_is_grouped_by_its_reason() -> None:
    out = [LeftOut("x", "denied"), LeftOut("y", "server s is down: gone"), LeftOut("z", "denied")]

    text = found_text(finding(tool("a"), left_out=out))

    assert "\nLeft out: x, z (denied); y (server s is down: gone)" in text


def test_the_roster_goes_first_then_the_last_tool() -> None:
    whole = finding(tool("a"), tool("b"), roster=["c", "d"])
    _, longest = fit(whole, None, words)
    without_roster = words(found_text(finding(tool("a"), tool("b"))))

    said, text = fit(whole, words(longest), words)
    assert (said.roster, text) == (("c", "d"), longest)
    said, _ = fit(whole, words(longest) - 1, words)
    assert (len(said.tools), said.roster) == (2, ("c",))
    said, _ = fit(whole, without_roster, words)
    assert (len(said.tools), said.roster) == (2, ())
    said, text = fit(whole, without_roster - 1, words)
    assert [found.definition.name for found in said.tools] == ["a"]
    assert said.left_out == (LeftOut("b", "token budget"),)
    assert "b (token budget, ask describe_tools)" in text


def test_a_long_roster_costs_only_a_few_tokens_also_without_a_budget() -> None:
    names = [f"t{number}" for number in range(200)]

    said, _ = fit(finding(tool("a"), roster=names), None, words)

    assert said.roster == tuple(names[:ROSTER_TOKENS])


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 80), st.booleans())
def test_nothing_is_lost_and_the_budget_holds_while_a_tool_is_shown(
    tools: int, roster: int, budget: int, nothing_fits: bool
) -> None:
    whole = finding(
        *(tool(f"t{number}") for number in range(tools)),
        roster=[f"r{number}" for number in range(roster)],
        left_out=[LeftOut("x", "denied")],
        nothing_fits=nothing_fits,
    )

    said, text = fit(whole, budget, words)

    assert text == found_text(said)
    assert words(text) <= budget or not said.tools
    named = [found.definition.name for found in said.tools] + [out.name for out in said.left_out]
    assert sorted(named) == sorted([*(f"t{number}" for number in range(tools)), "x"])
    assert tuple(whole.roster[: len(said.roster)]) == tuple(said.roster)
