"""When a task names a tool and when it only uses an ordinary word."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import ToolDefinition
from toolhone.selection.naming import ToolNames

if TYPE_CHECKING:
    from selection.conftest import Stored


def named(task: str, office: list[ToolDefinition]) -> set[str]:
    return {office[position].name for position in ToolNames(office).named_in(task)}


@pytest.mark.parametrize(
    "spelling",
    [
        "get_weather",
        "getWeather",
        "get-weather",
        "GetWeather",
        "GET_WEATHER",
        "`get_weather`",
        "'get weather'",
    ],
)
@pytest.mark.parametrize("task", ["{}", "Use {} for Paris.", "please call ({}), then stop", "用{}查北京"])
def test_a_name_of_several_words_counts_in_every_spelling_of_code(
    task: str, spelling: str, office: list[ToolDefinition]
) -> None:
    assert named(task.format(spelling), office) == {"get_weather"}


@pytest.mark.parametrize(
    "task",
    [
        "get weather in Paris",
        "get_weather_history of Paris",
        "forget_weather",
        "getWeatherMap",
        "what's the time, and get the 'weather'",
        "",
        "''``\"\"",
    ],
)
def test_parts_of_longer_names_and_plain_words_name_nothing(task: str, office: list[ToolDefinition]) -> None:
    assert named(task, office) == set()


@pytest.mark.parametrize(
    "task", ["what time is it?", "search the web", "it takes time(s)", "GitHub time", "time-saving research"]
)
def test_an_ordinary_word_is_not_a_name(task: str, office: list[ToolDefinition]) -> None:
    assert named(task, office) == set()


@pytest.mark.parametrize(
    "task",
    [
        "use `time`",
        'the "time" tool',
        "clock__time",
        "clock.time",
        "clock/time",
        "time(zone)",
        "mcp__clock__time",
    ],
)
def test_an_ordinary_word_is_a_name_if_quoted_called_or_given_with_its_server(
    task: str, office: list[ToolDefinition]
) -> None:
    assert named(task, office) == {"clock__time"}


def test_a_name_that_two_servers_share_names_both_and_with_its_server_only_that_one(
    office: list[ToolDefinition],
) -> None:
    assert named("create_issue now", office) == {"github__create_issue", "gitlab__create_issue"}
    assert named("gitlab__create_issue now", office) == {"gitlab__create_issue"}
    assert named("github.createIssue or sendMail", office) == {"github__create_issue", "post__sendmail"}


def test_a_long_run_of_identifiers_is_read_in_bounded_time(office: list[ToolDefinition]) -> None:
    assert named("a." * 10_000 + "get_weather", office) == {"get_weather"}
    assert named("`" * 20_000 + "(" * 1000, office) == set()


NAMES = st.dictionaries(
    st.sampled_from(["get_weather", "getWeather", "time", "send_mail", "sendMail", "clock__time", "été_été"]),
    st.sampled_from(["", "clock", "post"]),
    max_size=6,
)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_names_after_changes_are_those_of_a_catalog_read_anew(catalogs: list[dict[str, str]]) -> None:
    task = (
        "get_weather getWeather `time` send_mail clock.time sendMail(x) clock__time post__send_mail été_été"
    )
    names, known = ToolNames([]), list[ToolDefinition]()
    for catalog in catalogs:
        tools = [
            ToolDefinition(name=name, description="", input_schema={}, server=server or None)
            for name, server in sorted(catalog.items())
        ]
        sources = [known.index(tool) if tool in known else -1 for tool in tools]
        names, known = ToolNames.updated(tools, names, np.array(sources, np.int64)), tools

        assert names.named_in(task) == ToolNames(tools).named_in(task)


def test_stored_names_are_found_again(stored: "Stored", office: list[ToolDefinition]) -> None:
    blocks = stored(ToolNames(office).to_blocks())

    names = ToolNames.updated(office, ToolNames.from_blocks(blocks, len(office)), np.arange(len(office)))

    assert names.named_in("getWeather, then clock.time") == ToolNames(office).named_in(
        "getWeather, then clock.time"
    )


def test_stored_names_of_other_tools_are_refused(stored: "Stored", office: list[ToolDefinition]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ToolNames.from_blocks(stored(ToolNames(office).to_blocks()), 1)
