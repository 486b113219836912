"""A learned ranking at work: what it knows, what it leaves alone, and the places it keeps for new tools."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from toolhone.exceptions import StorageError
from toolhone.models import ToolDefinition
from toolhone.selection.learned import (
    FEATURES,
    RESERVED_PLACES,
    Learned,
    LearnedRanker,
    tool_hash,
)

NAMES = ("hammer", "saw", "drill", "brush")


@dataclass(frozen=True)
class Shelf:
    """What is asked of an index."""

    definitions: Sequence[ToolDefinition]
    positions: dict[str, int]


NEAR = np.ones(10, np.float32)
"""Cosines of tools that all have to do with the task."""


def shelf(*names: str, description: str = "") -> Shelf:
    tools = [ToolDefinition(name=name, description=description, input_schema={}) for name in names]
    return Shelf(tools, {name: place for place, name in enumerate(names)})


def learned(*names: str, evidence: float = 3.0) -> Learned:
    """Each tool served tasks in a direction of its own."""
    count = len(names)
    return Learned(
        encoder="small",
        until="2026-01-31T12:00:00.000000+00:00",
        names=names,
        hashes=tuple(tool_hash(tool) for tool in shelf(*names).definitions),
        changed={"gone": ("0123", "2026-01-01")},
        middle=np.zeros(len(NAMES), np.float32),
        served=np.eye(len(NAMES), dtype=np.float32)[:count],
        certainty=np.full(count, 0.5, np.float32),
        reliability=np.full(count, 0.5, np.float32),
        refused=np.zeros((count, len(NAMES)), np.float32),
        refusals=np.zeros(count, np.float32),
        evidence=np.full(count, evidence, np.float32),
        weights=np.array([8.0, 0.0, 0.0, 6.0, -4.0, -1.5, -0.5]),
    )


def scores(ranker: LearnedRanker, index: Shelf, task: NDArray[np.float32] | None = None) -> list[float]:
    """Of all tools, whose texts fit the task better from first to last."""
    count = len(index.definitions)
    base = np.linspace(0.6, 0.8, count)
    return ranker.apply(
        index,
        np.eye(len(NAMES), dtype=np.float32)[0] if task is None else task,
        base,
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
        np.arange(count),
    ).tolist()


def test_a_tool_that_served_such_tasks_comes_first() -> None:
    index = shelf(*NAMES)

    assert np.argmax(scores(LearnedRanker("v", learned(*NAMES)), index)) == 0
    assert np.argmax(scores(LearnedRanker("v", learned("saw")), index)) == 1


def test_of_unknown_tools_the_scores_stay_as_they_are() -> None:
    index = shelf(*NAMES)
    ranker = LearnedRanker("v", learned("chisel"))

    assert scores(ranker, index) == pytest.approx(np.linspace(0.6, 0.8, 4), abs=1e-5)
    assert ranker.known_tools(index) == 0


def test_what_was_learned_of_another_text_is_not_believed() -> None:
    ranker = LearnedRanker("v", learned(*NAMES))
    changed = shelf(*NAMES, description="Now something else.")
    before, after = scores(ranker, shelf(*NAMES)), scores(ranker, changed)

    assert after == pytest.approx(np.linspace(0.6, 0.8, 4), abs=1e-5) != before
    assert ranker.known_tools(changed) == 0
    assert scores(ranker, shelf(*NAMES)) == before


def test_a_catalog_in_which_one_tool_changed_keeps_what_is_known_of_the_others() -> None:
    ranker = LearnedRanker("v", learned(*NAMES))
    old = shelf(*NAMES)
    scores(ranker, old)
    changed = ToolDefinition(name="saw", description="Now something else.", input_schema={})
    new = replace(old, definitions=[old.definitions[0], changed, *old.definitions[2:]])

    assert ranker.known_tools(new) == 3


def test_a_tool_can_be_taken_for_new() -> None:
    index = shelf(*NAMES)
    ranker = LearnedRanker("v", learned(*NAMES))

    assert ranker.without(["hammer"]).known_tools(index) == 3
    assert scores(ranker.without(NAMES), index) == pytest.approx(np.linspace(0.6, 0.8, 4), abs=1e-5)
    assert ranker.known_tools(index) == 4


def test_no_candidates_are_no_trouble() -> None:
    ranker = LearnedRanker("v", learned(*NAMES))
    none = np.zeros(0, np.float32)
    task = np.eye(len(NAMES), dtype=np.float32)[0]

    assert ranker.apply(shelf(*NAMES), task, np.zeros(0), none, none, np.zeros(0, np.int64)).tolist() == []


def test_bytes_come_back_as_what_was_learned() -> None:
    before = learned(*NAMES)
    data = before.to_bytes()
    after = Learned.from_bytes(data)

    assert after.to_bytes() == data == learned(*NAMES).to_bytes()
    assert (after.names, after.hashes, after.changed) == (before.names, before.hashes, before.changed)
    assert after.served.dtype == np.float32
    assert scores(LearnedRanker("v", after), shelf(*NAMES)) == scores(
        LearnedRanker("v", before), shelf(*NAMES)
    )


@pytest.mark.parametrize("data", [b"", b"not a zip file", learned(*NAMES).to_bytes()[:-100]])
def test_what_cannot_be_read_is_said(data: bytes) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        Learned.from_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": np.zeros(len(FEATURES))},
        {"weights": np.ones(3)},
        {"served": np.full((4, 4), np.nan, np.float32)},
        {"names": ("hammer",)},
    ],
)
def test_numbers_that_cannot_be_are_refused(damage: dict[str, object]) -> None:
    with pytest.raises(StorageError, match="do not belong together"):
        Learned.from_bytes(replace(learned(*NAMES), **damage).to_bytes())  # type: ignore[arg-type]


def test_a_new_tool_keeps_its_place() -> None:
    ranker = LearnedRanker("v", learned("saw", "drill", "brush", "file"))
    names = dict(enumerate(["hammer", "saw", "drill", "brush", "file"]))

    order = ranker.guard([1, 2, 3, 4, 0], [0, 1, 2, 3, 4], names, NEAR, 4)

    assert order == [0, 1, 2, 3, 4]


def test_a_new_tool_is_shown_though_the_learned_order_forgot_it() -> None:
    ranker = LearnedRanker("v", learned("saw", "drill", "brush"))
    names = dict(enumerate(["hammer", "saw", "drill", "brush"]))

    assert ranker.guard([1, 2, 3], [1, 2, 0], names, NEAR, 3) == [1, 2, 0]


def test_a_new_tool_that_has_nothing_to_do_with_the_task_keeps_no_place() -> None:
    names = dict(enumerate(["hammer", "saw", "drill"]))
    ranker = LearnedRanker("v", learned("saw", "drill"))

    far = np.array([0.1, 0.9, 0.9], np.float32)

    assert ranker.guard([1, 2, 0], [0, 1, 2], names, far, 3) == [1, 2, 0]
    assert ranker.guard([1, 2, 0], [0, 1, 2], names, NEAR, 3) == [0, 1, 2]


def test_a_tool_with_little_evidence_is_still_new() -> None:
    names = dict(enumerate(NAMES))
    order, base = [1, 2, 3, 0], [0, 1, 2, 3]

    assert LearnedRanker("v", learned(*NAMES, evidence=0.9)).guard(order, base, names, NEAR, 3)[0] == 0
    assert LearnedRanker("v", learned(*NAMES, evidence=1.0)).guard(order, base, names, NEAR, 3) == order


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_reserved_tools_keep_their_place_and_nothing_is_lost(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    count = data.draw(st.integers(1, size))
    base = data.draw(st.permutations(range(size)))
    order = data.draw(st.permutations(range(size)))
    warm = data.draw(st.sets(st.integers(0, size - 1)))
    known = learned(*(f"tool{place}" for place in sorted(warm)))
    known = replace(known, evidence=np.full(len(warm), 3.0, np.float32))
    names = {place: f"tool{place}" for place in range(size)}

    result = LearnedRanker("v", known).guard(order, base, names, np.ones(size, np.float32), count)

    assert sorted(result) == sorted(order)
    new = [tool for tool in base[:count] if tool not in warm][:RESERVED_PLACES]
    for tool in new:
        assert result.index(tool) <= base.index(tool)
    kept = [tool for tool in result if tool not in new]
    assert kept == [tool for tool in order if tool not in new]
