"""From the evidence for each tool to one answer: pure functions over an index and a question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.calibration import Calibration
from toolhone.selection.certainty import (
    task_features,
    task_probability,
    tool_features,
    tool_probabilities,
    without_place,
)
from toolhone.selection.encoder import EncodedTask
from toolhone.selection.index import ToolIndex
from toolhone.selection.placing import ROSTER, Ordered
from toolhone.selection.question import BlockedTool, Question, ScoredTool, Selection
from toolhone.selection.scoring import Evidence, Weights, best_places, score

NAMES_IN_NOTICE = 10

BLOCKED_SHOWN = 3


class Learned(Protocol):
    """What was learned from use, applied to scores that know nothing of it."""

    def apply(
        self,
        index: ToolIndex,
        task_vector: NDArray[np.float32],
        base: NDArray[np.float64],
        cosine: NDArray[np.float32],
        lexical: NDArray[np.float32],
        among: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """New scores, 0..1; every array has one value a candidate."""
        ...

    def guard(
        self,
        order: Sequence[int],
        base_order: Sequence[int],
        names: Mapping[int, str],
        cosine: NDArray[np.float32],
        count: int,
    ) -> list[int]:
        """The order with places kept for tools that were never used."""
        ...


def candidates(index: ToolIndex, question: Question) -> tuple[NDArray[np.int64], list[str]]:
    """The positions of the tools that the question asks about, and what to say about its filters.

    Blocked tools are among them, so that the answer can say what it had to leave out.
    """
    notices: list[str] = []
    known = index.positions.keys() if question.known is None else index.positions.keys() & question.known
    if question.available is None and question.category is None and question.known is None:
        if not known:
            notices.append("There are no tools yet.")
        return np.arange(len(index), dtype=np.int64), notices
    positions: Sequence[int] = range(len(index))
    if question.known is not None:
        positions = sorted(index.positions[name] for name in known)
    if question.available is not None:
        unknown = sorted(question.available - known)
        if unknown:
            more = f" and {len(unknown) - NAMES_IN_NOTICE} more" if len(unknown) > NAMES_IN_NOTICE else ""
            listed = ", ".join(repr(name) for name in unknown[:NAMES_IN_NOTICE])
            notices.append(f"No tool is called {listed}{more}; ignored.")
        positions = sorted(index.positions[name] for name in question.available & known)
    if question.category is not None:
        positions = [i for i in positions if index.definitions[i].category is question.category]
    if not positions:
        notices.append("No tool passes the filters." if known else "There are no tools yet.")
    return np.array(positions, np.int64), notices


def ordered(
    index: ToolIndex,
    question: Question,
    among: NDArray[np.int64],
    *,
    encoded: EncodedTask | None,
    weights: Weights,
    calibration: Calibration,
    learned: Learned | None = None,
) -> Ordered:
    """Order the candidates; `encoded` is the task's vectors, `None` to go by words alone."""
    notices: list[str] = []
    if not len(among):
        return Ordered()
    blocked = _positions(index, question.blocked)
    open_ = among[~np.isin(among, blocked)] if len(blocked) else among
    if not len(open_):
        notices.append("Every tool that passes the filters is blocked.")
        missed = _missed(index, question, among, blocked, encoded, weights)
        return Ordered(blocked=missed, notices=tuple(notices))

    evidence = score(index, question.task, open_, encoded, weights)
    scores = evidence.scores
    if learned is not None and encoded is not None:
        scores = learned.apply(
            index, encoded.parts[0], evidence.scores, evidence.cosine, evidence.lexical, open_
        )
        scores = np.round(scores, 5)
    named = np.isin(open_, np.array(sorted(index.names.named_in(question.task)), np.int64))
    pinned = np.isin(open_, _positions(index, question.pinned)) & ~named
    wanted = question.max_tools + ROSTER
    order = _first(scores, named, pinned, wanted)
    if learned is not None and encoded is not None:
        base = _first(evidence.scores, named, pinned, wanted)
        names = {place: index.definitions[int(open_[place])].name for place in base}
        # What the task names or a pin wants is in the same places in both, and nothing may move it.
        first = min(int((named | pinned).sum()), wanted)
        free = max(question.max_tools - first, 0)
        order[first:] = learned.guard(order[first:], base[first:], names, evidence.cosine, free)

    features = tool_features(evidence, scores, order)
    fits = tool_probabilities(calibration, features).tolist()
    if named.sum() > question.max_tools:
        notices.append(f"The task names {named.sum()} tools; the best {question.max_tools} are shown.")
    if encoded is None and not evidence.lexical.any() and not named.any():
        notices.append("No word of the task occurs in any tool, so these are not matches. Use other words.")
    certainty = 1.0 if named.any() else task_probability(calibration, task_features(evidence, len(open_)))
    return Ordered(
        tools=tuple(
            ScoredTool(
                definition=index.definitions[int(open_[place])],
                score=1.0 if named[place] else float(scores[place]),
                fits=1.0 if named[place] else likely,
                cosine=float(evidence.cosine[place]) if evidence.embedded[place] else None,
                lexical=float(evidence.lexical[place]),
                exact=bool(named[place]),
                pinned=bool(pinned[place]),
            )
            for place, likely in zip(order, fits, strict=True)
        ),
        likely=tuple(tool_probabilities(calibration, without_place(features)).tolist()),
        fixed=min(int((named | pinned).sum()), len(order)),
        least=calibration.least,
        fits=certainty,
        nothing_fits=certainty < calibration.nothing_below,
        blocked=_missed(index, question, among, blocked, encoded, weights),
        considered=len(open_),
        method="hybrid" if evidence.embedded.any() else "lexical",
        notices=tuple(notices),
    )


def explored(selection: Selection, index: ToolIndex, random: Random) -> Selection:
    """The answer with a tool of the roster in its last place, unless the task or a pin wants that one."""
    if len(selection.tools) < 2 or not selection.roster:
        return selection
    *kept, last = selection.tools
    if last.exact or last.pinned:
        return selection
    name = random.choice(selection.roster)
    tool = ScoredTool(
        definition=index.definitions[index.positions[name]],
        score=last.score,
        fits=last.fits,
        cosine=None,
        lexical=0.0,
        exact=False,
        explored=True,
    )
    roster = tuple(last.definition.name if other == name else other for other in selection.roster)
    return replace(selection, tools=(*kept, tool), roster=roster)


def _first(
    scores: NDArray[np.float64], named: NDArray[np.bool_], pinned: NDArray[np.bool_], count: int
) -> list[int]:
    """The first places: named tools, pinned ones, then by score; equals in the order of names."""
    return best_places(scores + 10.0 * named + 5.0 * pinned, count).tolist()


def _positions(index: ToolIndex, names: "Mapping[str, str] | Sequence[str]") -> NDArray[np.int64]:
    return np.array(sorted(index.positions[name] for name in names if name in index.positions), np.int64)


def _missed(
    index: ToolIndex,
    question: Question,
    among: NDArray[np.int64],
    blocked: NDArray[np.int64],
    encoded: EncodedTask | None,
    weights: Weights,
) -> tuple[BlockedTool, ...]:
    """The blocked tools that the task names, or that alone among all would have been among the first."""
    shut = among[np.isin(among, blocked)] if len(blocked) else blocked
    if not len(shut):
        return ()
    named = index.names.named_in(question.task)
    evidence: Evidence = score(index, question.task, among, encoded, weights)
    order = _first(
        evidence.scores,
        np.isin(among, np.array(sorted(named), np.int64)),
        np.zeros(len(among), np.bool_),
        question.max_tools,
    )
    missed = [int(among[place]) for place in order if int(among[place]) in set(shut.tolist())]
    return tuple(
        BlockedTool(name=(name := index.definitions[position].name), reason=question.blocked[name])
        for position in missed[:BLOCKED_SHOWN]
    )
