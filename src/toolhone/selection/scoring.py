"""How well each tool's text answers a task, without any record of use: pure functions over an index.

The score is a convex mix of meaning (cosine) and words (BM25), each for the whole task and for its best
sentence, so that a task of several steps finds the tools of all its steps. A tool's server speaks for it with
a small share. The best candidates are then compared with the task token by token (late interaction: Khattab
and Zaharia, "ColBERT", 2020), each token of the task with the tool's nearest one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.encoder import EncodedTask
from toolhone.selection.index import ToolIndex
from toolhone.selection.sentences import sentence_spans
from toolhone.selection.text import term_counts

LEAST_SPREAD = 0.25
"""Cosines that differ by less are not stretched to the whole scale. A question to hundreds of tools spreads
them over 0.4 and more; among two or three alike tools stretching would make a difference out of nothing."""

LEAST_LATE_SPREAD = 0.05
"""The same for late interaction, whose scores differ less."""

INT8 = 127.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The shares of the parts of a score, each 0..1.

    The defaults were chosen on requests over tools that the encoder never saw in training.
    """

    dense: float = 0.7
    """Meaning against words."""
    sentence: float = 0.5
    """The best sentence against the whole task."""
    server: float = 0.2
    """The tool's server against the tool."""
    late: float = 0.3
    """Late interaction against all that, among the first candidates."""
    candidates: int = 50
    """How many tools are compared token by token."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the texts say for each candidate; arrays have one value a candidate."""

    scores: NDArray[np.float64]
    """0..1, comparable within the question."""
    cosine: NDArray[np.float32]
    """Of the whole task; 0 where there is no vector."""
    best_cosine: NDArray[np.float32]
    """Of the part of the task, whole or sentence, that is nearest."""
    lexical: NDArray[np.float32]
    """BM25 of the whole task."""
    coverage: NDArray[np.float32]
    """The share of the BM25 that a tool with all the words of the task's best part could have, 0..1."""
    late: NDArray[np.float32]
    """Late interaction of the best part, -1..1; NaN where it was not computed."""
    embedded: NDArray[np.bool_]


def score(
    index: ToolIndex, task: str, among: NDArray[np.int64], encoded: EncodedTask | None, weights: Weights
) -> Evidence:
    """Judge the candidates by their texts; `encoded` is `None` to go by words alone."""
    words = _Words(index, task)
    # Most questions are about every tool: 100,000 of them are not copied to be left as they are.
    wanted = slice(None) if len(among) == len(index.definitions) else among
    lexical = words.of_tools[:, wanted]
    if encoded is None:
        none = np.zeros(len(among), np.float32)
        scores = _blend(None, np.zeros(len(among), np.bool_), lexical, weights)
        cosine, embedded = none[None], np.zeros(len(among), np.bool_)
    else:
        embedded = index.embedded[wanted]
        cosine = index.cosine(encoded.parts)[:, wanted]
        scores = _blend(cosine, embedded, lexical, weights)
    if len(index.servers) and weights.server:
        scores = _with_servers(index, among, encoded, words, scores, weights)
    late = np.full(len(among), np.nan, np.float32)
    if encoded is not None and encoded.tokens.size and weights.late:
        scores = _with_tokens(index, among, encoded, scores, late, weights)
    # The last bits of a product depend on where a row lies in the matrix; equal must stay equal.
    return Evidence(
        scores=np.round(scores, 5),
        cosine=cosine[0],
        best_cosine=cosine.max(axis=0),
        lexical=lexical[0],
        coverage=words.coverage(lexical),
        late=late,
        embedded=embedded,
    )


class _Words:
    """BM25 of the whole task and of its sentences, for tools and for servers."""

    def __init__(self, index: ToolIndex, task: str) -> None:
        spans = sentence_spans(task)
        parts = [task, *(task[start:end] for start, end in spans if len(spans) > 1)]
        self._counts = [term_counts(part) for part in parts]
        self._lexical = index.lexical
        self.of_tools = np.stack([index.lexical.scores(counts) for counts in self._counts])
        self.of_servers = (
            np.stack([index.server_lexical.scores(counts) for counts in self._counts])
            if len(index.servers)
            else np.zeros((len(parts), 0), np.float32)
        )

    def coverage(self, lexical: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each tool the best share that it reaches of what it could, over the parts of the task."""
        best = np.array([max(self._lexical.bound(counts), 1e-6) for counts in self._counts], np.float32)
        return (lexical / best[:, None]).max(axis=0)


def _with_servers(
    index: ToolIndex,
    among: NDArray[np.int64],
    encoded: EncodedTask | None,
    words: _Words,
    scores: NDArray[np.float64],
    weights: Weights,
) -> NDArray[np.float64]:
    embedded = index.server_embedded if encoded is not None else np.zeros(len(index.servers), np.bool_)
    cosine = None if encoded is None else index.server_cosine(encoded.parts)
    servers = _blend(cosine, embedded, words.of_servers, weights)
    owner = index.server_of[among]
    return np.where(owner >= 0, (1 - weights.server) * scores + weights.server * servers[owner], scores)


def _with_tokens(
    index: ToolIndex,
    among: NDArray[np.int64],
    encoded: EncodedTask,
    scores: NDArray[np.float64],
    late: NDArray[np.float32],
    weights: Weights,
) -> NDArray[np.float64]:
    """Judge the first candidates again; the others stay behind them. Fills in `late`."""
    count = min(weights.candidates, len(among))
    first = best_places(np.round(scores, 5), count)
    tokens = index.token_vectors(among[first].tolist())
    known = [place for place, vectors in zip(first, tokens, strict=True) if vectors is not None]
    if not known:
        return scores
    present = [vectors for vectors in tokens if vectors is not None]
    parts = late_scores(encoded, present)
    late[known] = parts.max(axis=0)
    # The tokens of a whole task of several steps speak for every tool a little; its sentences do for one.
    judged = np.stack(
        [_stretched(part, LEAST_LATE_SPREAD) for part in (parts[1:] if len(parts) > 1 else parts)]
    ).max(axis=0)
    # Whoever was not judged has no share of it; a candidate that could not be judged keeps what it has.
    result = (1 - weights.late) * scores
    result[first] = scores[first]
    result[known] = (1 - weights.late) * scores[known] + weights.late * judged
    return result


def best_places(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the highest scores, best first; equals in their order. Sorts only what it returns."""
    if count < len(scores):
        bound = np.partition(scores, len(scores) - count)[len(scores) - count]
        some = np.flatnonzero(scores >= bound)
    else:
        some = np.arange(len(scores))
    return some[np.argsort(-scores[some], kind="stable")][:count]


def late_scores(encoded: EncodedTask, tools: list[NDArray[np.int8]]) -> NDArray[np.float32]:
    """For each part of the task (rows) and each tool: the weighted mean of its tokens' best cosines."""
    stacked = np.concatenate(tools).astype(np.float32)
    starts = np.cumsum([0, *(len(tool) for tool in tools[:-1])])
    similar = encoded.tokens @ stacked.T / INT8
    return encoded.weights @ np.maximum.reduceat(similar, starts, axis=1)


def _blend(
    cosine: NDArray[np.float32] | None,
    embedded: NDArray[np.bool_],
    lexical: NDArray[np.float32],
    weights: Weights,
) -> NDArray[np.float64]:
    """The convex mix of meaning and words, each on a scale of 0..1 over the candidates.

    A tool whose vector is not computed yet gets, in place of its cosine, what its words say, but at least
    what the median of the others got: it is neither buried nor preferred for being new.
    """
    words = _whole_and_best([_share_of_best(part) for part in lexical], weights)
    if cosine is None or not embedded.any():
        return words.astype(np.float64)
    if embedded.all():
        meaning = _whole_and_best([_stretched(part, LEAST_SPREAD) for part in cosine], weights)
        return np.clip(weights.dense * meaning + (1.0 - weights.dense) * words, 0.0, 1.0, dtype=np.float64)
    meaning = np.empty_like(words)
    meaning[embedded] = _whole_and_best(
        [_stretched(part, LEAST_SPREAD) for part in cosine[:, embedded]], weights
    )
    meaning[~embedded] = np.maximum(words[~embedded], np.median(meaning[embedded]))
    return np.clip(weights.dense * meaning + (1.0 - weights.dense) * words, 0.0, 1.0, dtype=np.float64)


def _whole_and_best(parts: Sequence[NDArray[np.float32]], weights: Weights) -> NDArray[np.float32]:
    """The whole task and its sentences, each on its own scale, so that every step has a best tool."""
    whole, *sentences = parts
    if not sentences:
        return whole
    return (1.0 - weights.sentence) * whole + weights.sentence * np.maximum.reduce(sentences)


def _share_of_best(lexical: NDArray[np.float32]) -> NDArray[np.float32]:
    """BM25 as a share of the best; 0 stays 0."""
    best = float(lexical.max()) if lexical.size else 0.0
    return lexical / np.float32(best) if best > 0 else lexical


def _stretched(cosine: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """Cosines stretched so that the best is 1 and the worst 0, unless they differ by less than `least`."""
    best, worst = float(cosine.max()), float(cosine.min())
    spread = max(best - worst, least)
    return (cosine - np.float32(best - spread)) / np.float32(spread)
