"""What an index keeps when the catalog changes."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from toolhone.models import ToolDefinition
from toolhone.selection.encoder import EncodedText
from toolhone.selection.index import ToolIndex

if TYPE_CHECKING:
    from selection.conftest import MakeTool


def encoded(number: int) -> EncodedText:
    """A vector and three token vectors that tell the number."""
    return EncodedText(
        np.array([np.cos(number), np.sin(number)], np.float32), np.full((3, 4), number, np.int8)
    )


AXES = np.eye(2, dtype=np.float32)


def filled(tools: list[ToolDefinition]) -> ToolIndex:
    index = ToolIndex(tools)
    index.add({text_hash: encoded(number) for number, text_hash in enumerate(index.missing())})
    return index


def test_tools_are_in_the_order_of_their_names(office: list[ToolDefinition]) -> None:
    names = [definition.name for definition in ToolIndex(office[::-1]).definitions]

    assert names == sorted(names)


def test_only_changed_texts_lose_their_vector(office: list[ToolDefinition]) -> None:
    before = filled(office)
    changed = [replace(office[0], description="Something else."), *office[2:]]

    after = ToolIndex(changed, before)

    assert len(after.missing()) == 1
    assert after.missing_count == 1
    for name, position in after.positions.items():
        if name != office[0].name:
            was = before.cosine(AXES)[:, before.positions[name]]
            assert (after.cosine(AXES)[:, position] == was).all()


def test_a_change_that_is_not_in_the_text_keeps_the_vector_and_shows_the_new_tool(
    office: list[ToolDefinition],
) -> None:
    renamed = replace(office[0], output_schema={"type": "object"})

    after = ToolIndex([renamed], filled(office))

    assert after.missing_count == 0
    assert after.definitions == (renamed,)


def test_tools_of_one_text_share_a_vector(office: list[ToolDefinition]) -> None:
    twin = replace(office[0], name="weather_again")
    index = ToolIndex([office[0], twin])

    assert len(index.missing()) == 1
    index.add({text_hash: encoded(1) for text_hash in index.missing()})
    assert index.missing_count == 0


def test_the_shortest_texts_are_embedded_first(office: list[ToolDefinition]) -> None:
    lengths = [len(text) for text in ToolIndex(office).missing().values()]

    assert lengths == sorted(lengths)


def test_a_tool_without_a_vector_is_marked_so(office: list[ToolDefinition]) -> None:
    index = ToolIndex(office)

    assert not index.embedded.any()
    assert index.cosine(AXES).tolist() == [[0.0] * len(office)] * 2


def test_a_servers_text_tells_its_tools(office: list[ToolDefinition]) -> None:
    index = filled(office)

    assert index.servers == ("clock", "github", "gitlab", "post", "web")
    assert [None if s < 0 else index.servers[s] for s in index.server_of] == [
        tool.server for tool in index.definitions
    ]
    assert index.server_lexical.scores({"issu": 1, "github": 1}).argmax() == 1
    assert index.server_embedded.all()
    assert index.server_cosine(AXES).shape == (2, 5)


def test_a_tool_more_changes_its_servers_text_alone(
    office: list[ToolDefinition], make_tool: "MakeTool"
) -> None:
    after = ToolIndex([*office, make_tool("alarm", "Wake somebody.", server="clock")], filled(office))

    assert sorted(after.missing().values()) == ["clock alarm. Wake somebody.", "clock: alarm, time"]


def test_token_vectors_of_a_few_tools_are_given_in_order(office: list[ToolDefinition]) -> None:
    index = filled(office)

    found = index.token_vectors([2, 0])

    assert all(rows is not None and rows.shape == (3, 4) for rows in found)
    assert ToolIndex(office).token_vectors([0]) == [None]


def test_a_vector_that_is_not_of_length_1_is_left_out(office: list[ToolDefinition]) -> None:
    index = ToolIndex(office)
    bad, good = list(index.missing())[:2]

    index.add(
        {bad: EncodedText(np.array([np.nan, 0], np.float32), np.ones((3, 4), np.int8)), good: encoded(1)}
    )

    assert int(index.embedded.sum()) + int(index.server_embedded.sum()) == 1
    assert bad in index.missing()
    assert np.isfinite(index.cosine(AXES)).all()


def test_a_catalog_of_empty_and_of_identical_tools_is_searched(make_tool: "MakeTool") -> None:
    twins = [make_tool(name, "Fetch a page.", original_name="fetch") for name in ("a", "b", "c")]
    index = filled([*twins, make_tool("_"), make_tool("__")])

    scores = index.lexical.scores({"page": 1})
    assert len({float(scores[index.positions[name]]) for name in "abc"}) == 1
    assert index.embedded.all()
