"""What an index keeps when the catalog changes."""

from dataclasses import replace

import numpy as np
import pytest

from toolhone.models import ToolDefinition
from toolhone.selection.index import ToolIndex


def filled(tools: list[ToolDefinition]) -> ToolIndex:
    index = ToolIndex(tools)
    index.add_vectors(
        {text_hash: np.full(4, number, np.float32) for number, text_hash in enumerate(index.missing())}
    )
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
            assert after.vectors is not None and before.vectors is not None
            assert (after.vectors[position] == before.vectors[before.positions[name]]).all()


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
    index.add_vectors({text_hash: np.ones(4, np.float32) for text_hash in index.missing()})
    assert index.missing_count == 0


def test_the_shortest_texts_are_embedded_first(office: list[ToolDefinition]) -> None:
    lengths = [len(text) for text in ToolIndex(office).missing().values()]

    assert lengths == sorted(lengths)


@pytest.mark.parametrize("query", [np.ones(4, np.float32)])
def test_a_tool_without_a_vector_is_marked_so(query: np.ndarray, office: list[ToolDefinition]) -> None:
    cosine, embedded = ToolIndex(office).cosine(query)

    assert not embedded.any()
    assert not cosine.any()
