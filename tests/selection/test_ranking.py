"""From scores to one answer: what comes first, what is left out, and what is said about it."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import ToolDefinition
from toolhone.selection.calibration import Calibration, Logistic, by_words
from toolhone.selection.index import ToolIndex
from toolhone.selection.placing import ROSTER
from toolhone.selection.question import MAX_TOOLS, BlockedTool, Selection, checked_question
from toolhone.selection.ranking import candidates, explored, ordered
from toolhone.selection.scoring import Weights
from toolhone.stores import ToolUsage

if TYPE_CHECKING:
    from selection.conftest import MakeTool

BY_SCORE = Calibration(
    tool=Logistic(intercept=-5, coefficients={"score": 10}),
    task=Logistic(intercept=-2, coefficients={"coverage": 10}),
    nothing_below=0.3,
    least=0.3,
)
"""A tool is likely from a score of 0.42 on."""

OFFICE = (
    "analyze_data",
    "clock__time",
    "get_weather",
    "github__create_issue",
    "gitlab__create_issue",
    "post__sendmail",
    "query_database",
    "scan_secrets",
    "web__search",
)


def ranked(
    tools: Sequence[ToolDefinition],
    task: str,
    *,
    max_tools: int = 5,
    available: Sequence[str] | None = None,
    pinned: Sequence[str] = (),
    blocked: Mapping[str, str] | None = None,
    unhealthy: frozenset[str] = frozenset(),
    exhaustive: bool = False,
    usage: Mapping[str, ToolUsage] | None = None,
    prefer_fast: bool = False,
    calibration: Calibration = BY_SCORE,
) -> Selection:
    """By words alone."""
    index = ToolIndex(tools)
    question = checked_question(
        task,
        max_tools=max_tools,
        available=available,
        category=None,
        prefer_fast=prefer_fast,
        prefer_cheap=False,
        pinned=pinned,
        blocked=blocked,
        exhaustive=exhaustive,
    )
    among, _ = candidates(index, question)
    order = ordered(index, question, among, encoded=None, weights=Weights(), calibration=calibration)
    return order.placed(question, lambda: usage or {}, unhealthy)


def names(ranking: Selection) -> list[str]:
    return [tool.definition.name for tool in ranking.tools]


# Named tools


@pytest.mark.parametrize(
    "spelling",
    [
        "get_weather",
        "getWeather",
        "GetWeather",
        "get-weather",
        "GET_WEATHER",
        "`get_weather`",
        "get_weather()",
        "mcp__meteo__get_weather",
        "meteo.get_weather",
        "meteo/get_weather",
        "meteo__get_weather",
        "meteo:get_weather",
    ],
)
def test_a_tool_is_found_by_its_name_in_every_spelling(
    spelling: str, make_tool: "MakeTool", office: list[ToolDefinition]
) -> None:
    tools = [*office[1:], make_tool("get_weather", server="meteo")]

    answer = ranked(tools, f"Run a SQL query on the database, then {spelling}", max_tools=1)

    assert names(answer) == ["meteo__get_weather"]
    assert (answer.tools[0].exact, answer.tools[0].score, answer.tools[0].fits) == (True, 1, 1)
    assert (answer.fits, answer.nothing_fits) == (1, False)


def test_all_named_tools_come_before_all_others(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "Current weather of a place: use scan_secrets and analyze_data")

    assert set(names(answer)[:2]) == {"scan_secrets", "analyze_data"}
    assert [tool.exact for tool in answer.tools[:2]] == [True, True]
    assert not any(tool.exact for tool in answer.tools[2:])


# Pins


def test_pinned_tools_come_after_named_ones_and_before_the_best(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "Weather of a city, and scan_secrets", pinned=["clock__time"], max_tools=3)

    assert names(answer) == ["scan_secrets", "clock__time", "get_weather"]
    assert [tool.pinned for tool in answer.tools] == [False, True, False]


def test_pinned_tools_are_shown_whatever_the_task_is(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "zzz", pinned=["web__search", "clock__time"])

    assert set(names(answer)) == {"web__search", "clock__time"}
    assert answer.nothing_fits


def test_pinned_tools_count_in_max_tools(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "Weather of a city", pinned=["web__search", "clock__time"], max_tools=2)

    assert set(names(answer)) == {"web__search", "clock__time"}
    assert answer.roster[0] == "get_weather"


def test_a_pinned_tool_that_is_named_is_shown_once(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "scan_secrets", pinned=["scan_secrets", "scan_secrets"], exhaustive=True)

    assert names(answer).count("scan_secrets") == 1
    assert answer.tools[0].exact


@pytest.mark.parametrize("available", [None, ["get_weather", "clock__time"]])
def test_a_pin_that_is_unknown_blocked_or_filtered_out_is_not_shown(
    available: list[str] | None, office: list[ToolDefinition]
) -> None:
    pinned, blocked = ["nonesuch", "get_weather"], {"get_weather": "denied"}

    answer = ranked(office, "time", pinned=pinned, blocked=blocked, available=available)

    assert names(answer)[0] == "clock__time"
    assert "get_weather" not in names(answer)


# Blocked tools


def test_a_blocked_tool_is_never_shown_but_said_with_its_reason(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "What is the weather of a city?", blocked={"get_weather": "its server is down"})

    assert "get_weather" not in (*names(answer), *answer.roster)
    assert answer.blocked == (BlockedTool(name="get_weather", reason="its server is down"),)
    assert answer.considered == len(office) - 1


def test_a_blocked_tool_is_said_if_the_task_names_it(office: list[ToolDefinition]) -> None:
    task = "Weather of a city with scan_secrets"

    answer = ranked(office, task, blocked={"scan_secrets": "not for your role"}, max_tools=1)

    assert [tool.name for tool in answer.blocked] == ["scan_secrets"]
    assert names(answer) == ["get_weather"]


def test_a_blocked_tool_that_nobody_would_have_seen_is_not_said(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "What is the weather?", blocked={"web__search": "denied"}, max_tools=2)

    assert answer.blocked == ()


def test_if_every_candidate_is_blocked_the_answer_says_so_and_names_only_candidates(
    office: list[ToolDefinition],
) -> None:
    blocked = dict.fromkeys([*OFFICE, "nonesuch"], "denied")

    answer = ranked(office, "weather", blocked=blocked, available=["get_weather", "web__search"])

    assert (answer.tools, answer.roster, answer.nothing_fits) == ((), (), True)
    assert {tool.name for tool in answer.blocked} == {"get_weather", "web__search"}
    assert answer.notices == ("Every tool that passes the filters is blocked.",)


# How many


def test_fewer_tools_are_shown_when_fewer_are_needed(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "What is the weather of a city?")

    assert names(answer) == ["get_weather"]
    assert not answer.nothing_fits


def test_all_that_were_asked_for_come_if_they_are_wanted(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "What is the weather of a city?", exhaustive=True, max_tools=7)

    assert len(answer.tools) == 7
    assert len(ranked(office, "zzz", exhaustive=True, max_tools=MAX_TOOLS).tools) == len(office)


def test_the_roster_names_what_came_next(make_tool: "MakeTool") -> None:
    tools = [make_tool(f"tool{number:02}", "Fetch a page. " + "Words. " * number) for number in range(30)]

    answer = ranked(tools, "fetch a page", max_tools=3)

    everything = names(ranked(tools, "fetch a page", max_tools=30, exhaustive=True))
    assert [*names(answer), *answer.roster] == everything[: 3 + ROSTER]


def test_when_nothing_fits_the_nearest_is_still_named(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "zzz", calibration=by_words())

    assert answer.nothing_fits
    assert len(answer.tools) >= 1
    assert answer.fits < by_words().nothing_below
    assert any("not matches" in notice for notice in answer.notices)


def test_no_tools_give_no_answer() -> None:
    answer = ranked([], "weather")

    assert (answer.tools, answer.considered, answer.nothing_fits) == ((), 0, True)


# Preferences


def test_an_unhealthy_tool_comes_after_its_equal_without_any_preference(make_tool: "MakeTool") -> None:
    twins = [make_tool("fetch_b", "Fetch a page."), make_tool("fetch_c", "Fetch a page.")]

    assert names(ranked(twins, "fetch a page")) == ["fetch_b", "fetch_c"]
    assert names(ranked(twins, "fetch a page", unhealthy=frozenset({"fetch_b"}))) == ["fetch_c", "fetch_b"]


def test_an_unhealthy_tool_that_alone_fits_stays_first(office: list[ToolDefinition]) -> None:
    answer = ranked(office, "What is the weather of a city?", unhealthy=frozenset({"get_weather"}))

    assert names(answer)[0] == "get_weather"


def test_a_preference_moves_neither_named_nor_pinned_tools(make_tool: "MakeTool") -> None:
    tools = [make_tool(f"fetch_{letter}", "Fetch a page.") for letter in "abcd"]
    slow = ToolUsage(calls=50, failures=0, mean_ms=90_000, mean_tokens=10)
    fast = ToolUsage(calls=50, failures=0, mean_ms=1, mean_tokens=10)
    usage = {"fetch_a": slow, "fetch_b": slow, "fetch_c": slow, "fetch_d": fast}

    answer = ranked(
        tools, "fetch_b a page", pinned=["fetch_c"], usage=usage, prefer_fast=True, exhaustive=True
    )

    assert names(answer) == ["fetch_b", "fetch_c", "fetch_d", "fetch_a"]


# Exploration


def test_exploration_shows_a_tool_of_the_roster_in_the_last_place(office: list[ToolDefinition]) -> None:
    index = ToolIndex(office)
    before = ranked(office, "weather", exhaustive=True, max_tools=3)

    after = explored(before, index, Random(1))

    assert names(after)[:2] == names(before)[:2]
    assert names(after)[2] in before.roster
    assert [tool.explored for tool in after.tools] == [False, False, True]
    assert sorted([*names(after), *after.roster]) == sorted([*names(before), *before.roster])
    assert after == explored(before, index, Random(1))


@pytest.mark.parametrize("task", ["get_weather scan_secrets", "get_weather"])
def test_exploration_takes_no_place_from_a_named_or_pinned_tool(
    task: str, office: list[ToolDefinition]
) -> None:
    before = ranked(office, task, pinned=["scan_secrets"], max_tools=2)

    assert explored(before, ToolIndex(office), Random(1)) == before


def test_exploration_never_hides_the_only_tool(office: list[ToolDefinition]) -> None:
    before = ranked(office, "weather", max_tools=1)

    assert explored(before, ToolIndex(office), Random(1)) == before


# What always holds


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.sampled_from(
            ["weather", "get_weather", "createIssue", "time", "SQL", "page", "天气", "e-mail", "zzz"]
        ),
        min_size=1,
    ).map(" ".join),
    st.integers(1, 12),
    st.lists(st.sampled_from(OFFICE)),
    st.dictionaries(st.sampled_from(OFFICE), st.sampled_from(["denied", "down"])),
    st.frozensets(st.sampled_from(OFFICE)),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_an_answer_keeps_its_promises(
    office: list[ToolDefinition],
    task: str,
    max_tools: int,
    pinned: list[str],
    blocked: dict[str, str],
    unhealthy: frozenset[str],
    exhaustive: bool,
    random: Random,
) -> None:
    shuffled = list(office)
    random.shuffle(shuffled)

    answer, again = (
        ranked(
            tools,
            task,
            max_tools=max_tools,
            pinned=pinned,
            blocked=blocked,
            unhealthy=unhealthy,
            exhaustive=exhaustive,
        )
        for tools in (office, shuffled)
    )

    assert answer == again
    shown, allowed = names(answer), set(OFFICE) - set(blocked)
    assert len({*shown, *answer.roster}) == len(shown) + len(answer.roster)
    assert {*shown, *answer.roster} <= allowed
    assert bool(shown) == bool(allowed)
    assert len(shown) <= max_tools
    assert len(answer.roster) <= ROSTER
    assert not exhaustive or len(shown) == min(max_tools, len(allowed))
    kinds = [(tool.exact, tool.pinned) for tool in answer.tools]
    assert kinds == sorted(kinds, reverse=True)
    wanted = {name for name in pinned if name in allowed}
    exact = sum(tool.exact for tool in answer.tools)
    assert wanted <= set(shown) or len(shown) == max_tools
    assert len([tool for tool in answer.tools if tool.pinned]) <= max(0, max_tools - exact)
    assert {tool.name for tool in answer.blocked} <= set(blocked)
    assert all(0 <= tool.fits <= 1 and 0 <= tool.score <= 1 for tool in answer.tools)
    assert 0 <= answer.fits <= 1
