"""A failing parameter's signature can be read alone."""

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.compression.parameters import parameter_line
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["words"], "words str(2..): What to look for."),
        (["limit"], "limit? int(1..50)=10"),
        (["branch"], 'branch? <harbour "old town" north>: The branch of the library.'),
        (["filters", "years", 0], "filters.years[0] int"),
        (["filters", "medium"], "filters.medium <print audio large-print>"),
        (["unknown"], None),
        (["words", "inner"], None),
        ([], None),
    ],
)
def test_the_signature_of_one_parameter(
    library: list[JsonObject], path: list[str | int], line: str | None
) -> None:
    assert parameter_line(library[0], path) == line


def test_references_are_followed(library: list[JsonObject]) -> None:
    assert parameter_line(library[2], ["reason"]) == "reason? <lost stolen>"


def test_a_recursive_reference_and_a_large_object_stay_short() -> None:
    node: JsonObject = {
        "type": "object",
        "properties": {f"part_{n}": {"$ref": "#/$defs/Node"} for n in range(20)},
        "required": ["part_1"],
    }
    tool: JsonObject = {
        "name": "a",
        "inputSchema": {
            "type": "object",
            "properties": {"node": {"$ref": "#/$defs/Node"}, "loop": {"$ref": "#/properties/loop"}},
            "$defs": {"Node": node},
        },
    }

    line = parameter_line(tool, ["node"])

    assert line is not None and count_tokens(line) < 120
    assert parameter_line(tool, ["node", "part_1", "part_2"]) is not None
    assert parameter_line(tool, ["loop"]) is not None
    assert parameter_line(tool, ["loop", "x"]) is None


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), data=st.data())
def test_any_path_gives_one_line_or_none(
    generated: Callable[[int, int], list[JsonObject]], seed: int, data: st.DataObject
) -> None:
    (tool,) = generated(seed, 1)
    schema = tool["inputSchema"]
    names = list(cast("JsonObject", schema).get("properties") or {}) if isinstance(schema, dict) else []
    step: st.SearchStrategy[str | int] = st.sampled_from([*names, "x"]) | st.integers(-1, 3)
    path = data.draw(st.lists(step, max_size=4))

    line = parameter_line(tool, path)

    assert line is None or "\n" not in line
