"""From the evidence for each tool to one order: pure functions over an index and a question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.index import ToolIndex
from toolhone.selection.question import Question, ScoredTool
from toolhone.selection.text import term_counts
from toolhone.stores import ToolUsage

NEAR_EQUAL = 0.05
"""Scores this close say the same about fitness; what a tool costs may then decide their order."""

LEAST_SPREAD = 0.25
"""Cosines that differ by less are not stretched to the whole scale. A question to hundreds of tools spreads
them over 0.4 and more; among two or three alike tools stretching would make a difference out of nothing."""

NAMES_IN_NOTICE = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """What was chosen, from how many and how."""

    tools: tuple[ScoredTool, ...]
    considered: int
    method: Literal["hybrid", "lexical"]
    notices: tuple[str, ...]


def candidates(index: ToolIndex, question: Question) -> tuple[NDArray[np.int64], list[str]]:
    """The positions of the tools that the question allows, and what to say about its filters."""
    notices: list[str] = []
    positions = range(len(index))
    if question.available is not None:
        unknown = sorted(question.available - index.positions.keys())
        if unknown:
            more = f" and {len(unknown) - NAMES_IN_NOTICE} more" if len(unknown) > NAMES_IN_NOTICE else ""
            listed = ", ".join(repr(name) for name in unknown[:NAMES_IN_NOTICE])
            notices.append(f"No tool is called {listed}{more}; ignored.")
        positions = sorted(index.positions[name] for name in question.available & index.positions.keys())
    if question.category is not None:
        positions = [i for i in positions if index.definitions[i].category is question.category]
    if not positions:
        notices.append("No tool passes the filters." if len(index) else "There are no tools yet.")
    return np.array(positions, np.int64), notices


def rank(
    index: ToolIndex,
    question: Question,
    among: NDArray[np.int64],
    *,
    query: NDArray[np.float32] | None,
    dense_weight: float,
    usage: Callable[[], Mapping[str, ToolUsage]],
) -> Ranking:
    """Order the candidates; `query` is the task's vector, `None` to go by words alone."""
    notices: list[str] = []
    lexical = index.lexical.scores(term_counts(question.task))[among]
    if query is None:
        cosine, embedded = np.zeros_like(lexical), np.zeros(len(among), np.bool_)
    else:
        cosine, embedded = index.cosine(query)
        cosine, embedded = cosine[among], embedded[among]
    scores = blend(cosine, embedded, lexical, dense_weight)

    named = index.names.named_in(question.task)
    exact = np.isin(among, np.array(sorted(named), np.int64))
    # Positions are in the order of names, and a stable sort keeps that among equals.
    order: list[int] = np.lexsort((-scores, ~exact)).tolist()
    if exact.sum() > question.max_tools:
        notices.append(f"The task names {exact.sum()} tools; the best {question.max_tools} are shown.")
    if query is None and not lexical.any() and not exact.any():
        notices.append("No word of the task occurs in any tool, so these are not matches. Use other words.")
    if question.prefer_fast or question.prefer_cheap:
        records = usage()
        first = int(exact.sum())
        order[first:] = prefer(
            order[first:],
            scores,
            [records.get(index.definitions[int(position)].name) for position in among],
            count=question.max_tools,
            fast=question.prefer_fast,
            cheap=question.prefer_cheap,
        )
    return Ranking(
        tools=tuple(
            ScoredTool(
                definition=index.definitions[int(among[i])],
                score=1.0 if exact[i] else float(scores[i]),
                cosine=float(cosine[i]) if embedded[i] else None,
                lexical=float(lexical[i]),
                exact=bool(exact[i]),
            )
            for i in order[: question.max_tools]
        ),
        considered=len(among),
        method="hybrid" if embedded.any() else "lexical",
        notices=tuple(notices),
    )


def blend(
    cosine: NDArray[np.float32],
    embedded: NDArray[np.bool_],
    lexical: NDArray[np.float32],
    dense_weight: float,
) -> NDArray[np.float64]:
    """The convex mix of both, each on a scale of 0..1 over the candidates.

    A tool whose vector is not computed yet gets, in place of its cosine, what its words say, but at least
    what the median of the others got: it is neither buried nor preferred for being new.
    """
    words = _words(lexical)
    if not embedded.any():
        return words
    meaning = np.empty_like(words)
    meaning[embedded] = _meaning(cosine[embedded])
    meaning[~embedded] = np.maximum(words[~embedded], np.median(meaning[embedded]))
    # The product's last bits depend on where a row lies in the matrix; equal must stay equal.
    return np.clip(np.round(dense_weight * meaning + (1.0 - dense_weight) * words, 5), 0.0, 1.0)


def prefer(
    order: Sequence[int],
    scores: NDArray[np.float64],
    usage: Sequence[ToolUsage | None],
    *,
    count: int,
    fast: bool,
    cheap: bool,
) -> list[int]:
    """Reorder near-equals by what their calls cost so far, as far down as `count` tools need it.

    Going down the ranking, the tools within `NEAR_EQUAL` of the first one form a group. In it the tools
    with records trade places among each other, the cheapest first; tools without records keep theirs. With
    both preferences the two orders count alike.
    """
    result: list[int] = []
    while len(result) < min(count, len(order)):
        leader = scores[order[len(result)]]
        group: list[int] = []
        for tool in order[len(result) :]:
            if leader - scores[tool] > NEAR_EQUAL:
                break
            group.append(tool)
        known = {tool: record for tool in group if (record := usage[tool]) is not None and record.calls > 0}
        time = {tool: _per_success(record.mean_ms, record) if fast else 0.0 for tool, record in known.items()}
        tokens = {
            tool: _per_success(record.mean_tokens, record) if cheap else 0.0 for tool, record in known.items()
        }
        by_time, by_tokens = sorted(time.values()), sorted(tokens.values())
        cheapest = iter(
            sorted(known, key=lambda tool: by_time.index(time[tool]) + by_tokens.index(tokens[tool]))
        )
        result += [next(cheapest) if tool in known else tool for tool in group]
    return [*result, *order[len(result) :]]


def _per_success(cost: float, record: ToolUsage) -> float:
    """What one useful answer costs, as failed calls cost too. Smoothed, so one failure is not final."""
    return cost * (record.calls + 2) / (record.calls - record.failures + 1)


def _words(lexical: NDArray[np.float32]) -> NDArray[np.float64]:
    """BM25 as a share of the best; 0 stays 0."""
    values = lexical.astype(np.float64)
    best = float(values.max())
    return values / best if best > 0 else values


def _meaning(cosine: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines stretched so that the best is 1 and the worst 0, unless they hardly differ."""
    values = cosine.astype(np.float64)
    best, worst = float(values.max()), float(values.min())
    return 1.0 - (best - values) / max(best - worst, LEAST_SPREAD)
