"""How well texts answer a task: what each kind of evidence does to the scores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.encoder import EncodedTask, EncodedText
from toolhone.selection.index import ToolIndex
from toolhone.selection.scoring import Evidence, Weights, best_places, late_scores, score

if TYPE_CHECKING:
    from selection.conftest import MakeTool

MEANING = Weights(dense=1, sentence=0.5, server=0, late=0)
WORDS = Weights(server=0)
LATE = Weights(dense=1, server=0, late=0.3)


def unit(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32) / np.float32(np.linalg.norm(values))


def int8(*rows: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.rint(127 * np.array(rows)).astype(np.int8)


def task_of(*parts: NDArray[np.float32], tokens: Sequence[NDArray[np.float32]] = ()) -> EncodedTask:
    """Every token counts the same in every part."""
    weights = np.full((len(parts), len(tokens)), 1 / max(len(tokens), 1), np.float32)
    rows = np.array(tokens, np.float32) if tokens else np.zeros((0, 0), np.float32)
    return EncodedTask(np.array(parts), rows, weights, complete=True)


def indexed(
    tools: Sequence[ToolDefinition],
    vectors: Mapping[str, NDArray[np.float32]],
    tokens: Mapping[str, NDArray[np.int8]] | None = None,
) -> ToolIndex:
    """Vectors by the first word of the text, which is the name of a tool or of a server."""
    index = ToolIndex(tools)
    none = np.zeros((0, 0), np.int8)
    found = {
        key: text.replace(".", " ").replace(":", " ").split()[0] for key, text in index.missing().items()
    }
    index.add(
        {
            key: EncodedText(vectors[name], (tokens or {}).get(name, none))
            for key, name in found.items()
            if name in vectors
        }
    )
    return index


def scored(index: ToolIndex, task: str, encoded: EncodedTask | None, weights: Weights) -> Evidence:
    return score(index, task, np.arange(len(index)), encoded, weights)


def by_name(index: ToolIndex, evidence: Evidence) -> dict[str, float]:
    scores: list[float] = evidence.scores.tolist()
    return dict(zip((tool.name for tool in index.definitions), scores, strict=True))


def first(index: ToolIndex, evidence: Evidence, count: int) -> set[str]:
    places: list[int] = best_places(evidence.scores, count).tolist()
    return {index.definitions[place].name for place in places}


# Steps


def test_by_meaning_both_halves_of_a_task_find_their_tool(make_tool: "MakeTool") -> None:
    # The task says more about the weather, so five tools that touch on it are nearer to it than the mail.
    vectors = {"weather": unit(1, 0, 0), "mail": unit(0, 1, 0), "far": unit(-1, -0.3, 0)}
    vectors |= {f"climate{letter}": unit(0.5, -0.1, 0.86) for letter in "abcde"}
    index = indexed([make_tool(name) for name in vectors], vectors)
    task = "Look up the weather in Oslo tomorrow. Then send it around."
    encoded = task_of(unit(0.95, 0.3, 0), unit(1, 0, 0), unit(0, 1, 0))

    without = scored(index, task, encoded, Weights(dense=1, sentence=0, server=0, late=0))
    within = scored(index, task, encoded, MEANING)

    assert "mail" not in first(index, without, 5)
    assert first(index, within, 2) == {"weather", "mail"}


def test_by_words_both_halves_of_a_task_find_their_tool(make_tool: "MakeTool") -> None:
    others = [make_tool(f"other{number}", f"Counts sheep number {number}.") for number in range(30)]
    weather = make_tool("weather", "Weather forecast of a city for tomorrow.")
    climates = [make_tool(f"climate{letter}", "Weather and forecast.") for letter in "abc"]
    index = ToolIndex([*others, weather, *climates, make_tool("mail", "Send a message.")])
    task = "Get the weather forecast of the city of Oslo for tomorrow. Then send it around."

    without = scored(index, task, None, Weights(sentence=0, server=0))
    within = scored(index, task, None, WORDS)

    assert "mail" not in first(index, without, 4)
    assert first(index, within, 2) == {"weather", "mail"}


# Servers


def test_a_server_speaks_for_its_tools(make_tool: "MakeTool") -> None:
    tools = [
        make_tool("search", "Search.", server="aa"),
        make_tool("invoice_pdf", server="aa"),
        make_tool("search", "Search.", server="bb"),
        make_tool("branch_merge", server="bb"),
    ]
    index = ToolIndex(tools)
    task = "search for an invoice"

    without = by_name(index, scored(index, task, None, Weights(server=0)))
    within = by_name(index, scored(index, task, None, Weights(server=0.2)))

    assert without["aa__search"] == without["bb__search"]
    assert within["aa__search"] > within["bb__search"]


def test_tools_without_a_server_are_judged_alone(make_tool: "MakeTool") -> None:
    tools = [make_tool("search", "Search."), make_tool("invoice_pdf", server="aa")]
    index = ToolIndex(tools)

    with_servers = by_name(index, scored(index, "search for an invoice", None, Weights(server=0.2)))
    without = by_name(index, scored(index, "search for an invoice", None, Weights(server=0)))

    assert with_servers["search"] == without["search"]


# Token by token


def test_late_interaction_is_the_weighted_mean_of_the_nearest_tokens() -> None:
    encoded = EncodedTask(
        parts=np.zeros((2, 2), np.float32),
        tokens=np.array([unit(1, 0), unit(0, 1)]),
        weights=np.array([[0.75, 0.25], [0, 1]], np.float32),
        complete=True,
    )
    tools = [int8(unit(1, 0)), int8(unit(1, 0), unit(0, 1), unit(1, 1))]

    assert late_scores(encoded, tools).ravel().tolist() == pytest.approx([0.75, 1, 0, 1], abs=0.01)


def test_late_interaction_only_reorders_the_first_candidates(make_tool: "MakeTool") -> None:
    vectors = {"a": unit(1, 0), "b": unit(1, 0.05), "c": unit(1, 0.1), "d": unit(0, 1)}
    # Token by token the second is better than the first, and the third would be best of all.
    tokens = {"a": int8(unit(0, 1)), "b": int8(unit(1, 1)), "c": int8(unit(1, 0)), "d": int8(unit(1, 0))}
    index = indexed([make_tool(name) for name in vectors], vectors, tokens)
    encoded = task_of(unit(1, 0), tokens=[unit(1, 0)])

    evidence = scored(index, "?", encoded, Weights(dense=1, server=0, late=0.3, candidates=2))

    assert best_places(evidence.scores, 4).tolist() == [1, 0, 2, 3]
    assert np.isnan(evidence.late).tolist() == [False, False, True, True]


def test_a_candidate_without_token_vectors_keeps_its_score(make_tool: "MakeTool") -> None:
    vectors = {"a": unit(1, 0), "b": unit(1, 0.5), "c": unit(0, 1)}
    index = indexed([make_tool(name) for name in vectors], vectors, {"a": int8(unit(1, 0))})
    encoded = task_of(unit(1, 0), tokens=[unit(1, 0)])

    before = by_name(index, scored(index, "?", encoded, MEANING))
    after = by_name(index, scored(index, "?", encoded, LATE))

    assert after["b"] == before["b"]
    assert after["c"] == before["c"]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 8), st.floats(0.05, 0.9))
def test_whoever_is_not_among_the_first_does_not_get_there_by_its_tokens(
    make_tool: "MakeTool", seed: int, tools: int, candidates: int, late: float
) -> None:
    random = np.random.default_rng(seed)
    names = [f"t{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(tools)]
    vectors = {name: unit(*random.normal(size=8)) for name in names}
    tokens = {name: int8(*(unit(*random.normal(size=4)) for _ in range(3))) for name in names}
    index = indexed([make_tool(name) for name in names], vectors, tokens)
    encoded = task_of(unit(*random.normal(size=8)), tokens=[unit(*random.normal(size=4)) for _ in range(5)])

    before = scored(index, "?", encoded, MEANING)
    after = scored(index, "?", encoded, Weights(dense=1, server=0, late=late, candidates=candidates))

    assert first(index, after, candidates) == first(index, before, candidates)
    assert ((after.scores >= 0) & (after.scores <= 1)).all()


# What is not there


def test_a_tool_without_a_vector_is_neither_buried_nor_preferred(make_tool: "MakeTool") -> None:
    vectors = {"a": unit(1, 0), "b": unit(1, 1), "c": unit(0, 1)}
    index = indexed([*(make_tool(name) for name in vectors), make_tool("new")], vectors)

    scores = by_name(index, scored(index, "?", task_of(unit(1, 0)), MEANING))

    assert scores["a"] > scores["new"] > scores["c"]
    assert scores["new"] == scores["b"]


def test_a_tool_without_a_vector_is_found_by_its_words(make_tool: "MakeTool") -> None:
    vectors = {"a": unit(1, 0), "b": unit(1, 1), "c": unit(0, 1)}
    index = indexed([*(make_tool(name) for name in vectors), make_tool("new", "Tide tables.")], vectors)

    evidence = scored(index, "tide tables", task_of(unit(0.5, 0.5)), Weights(server=0, late=0))

    assert first(index, evidence, 1) == {"new"}
    assert not evidence.embedded[index.positions["new"]]


def test_words_alone_are_a_share_of_the_best(make_tool: "MakeTool") -> None:
    index = ToolIndex([make_tool("a", "Tide tables."), make_tool("b", "Tide."), make_tool("c", "Moon.")])

    evidence = scored(index, "tide tables", None, WORDS)

    assert evidence.scores.tolist() == pytest.approx(evidence.lexical / evidence.lexical.max(), abs=1e-5)
    assert (evidence.scores[0], evidence.scores[2]) == (1, 0)
    assert evidence.cosine.tolist() == [0, 0, 0]
    assert np.isnan(evidence.late).all()
    assert 0 < evidence.coverage[1] < evidence.coverage[0] < 1


def test_a_task_that_shares_no_word_scores_nothing(make_tool: "MakeTool") -> None:
    index = ToolIndex([make_tool("a", "Tide tables."), make_tool("b", "Moon.", server="s")])

    evidence = scored(index, "zzz", None, Weights())

    assert evidence.scores.tolist() == [0, 0]
    assert evidence.coverage.tolist() == [0, 0]


# Equals


def test_tools_that_hardly_differ_in_meaning_are_not_torn_apart(make_tool: "MakeTool") -> None:
    index = indexed([make_tool("a"), make_tool("b")], {"a": unit(1, 0.50), "b": unit(1, 0.52)})

    scores = scored(index, "?", task_of(unit(1, 0)), MEANING).scores

    assert 0 < scores[0] - scores[1] < 0.05


@pytest.mark.parametrize("backwards", [False, True])
def test_equals_keep_the_order_of_their_names(backwards: bool, make_tool: "MakeTool") -> None:
    names = [f"tool{number:02}" for number in range(20)]
    tools = [make_tool(name, "Fetch a page.", original_name="fetch") for name in names]
    vectors = {"fetch": unit(1, 2, 3)}
    index = indexed(tools[::-1] if backwards else tools, vectors)

    evidence = scored(index, "fetch a page", task_of(unit(3, 2, 1)), Weights(late=0))

    assert len(set(evidence.scores.tolist())) == 1
    assert best_places(evidence.scores, 7).tolist() == list(range(7))


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1), st.integers(1, 40))
def test_the_best_places_are_those_of_a_stable_sort(scores: list[float], count: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: -scores[place])

    assert best_places(np.array(scores), count).tolist() == expected[:count]
