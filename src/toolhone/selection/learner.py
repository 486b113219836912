"""Learns a ranking from the lessons of a log, and judges it on a later part than it was learned from.

What could leak is kept out by construction: centroids come from one half of the lessons and the rows that
weigh them from the other; a tool is described by how its texts and its use fit the task, never by anything
that identifies it (its name, the length of its description, how popular it is).

The weights are the most likely ones around a prior that holds without any log. Without it a log would teach
nonsense: it compares only tools that were shown, so what brought them there looks worthless in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from toolhone.evaluation.gate import Decision, Verdict
from toolhone.models import JsonObject, ToolDefinition, content_hash
from toolhone.selection.centroids import Centroids, TaughtTask, add_up
from toolhone.selection.evidence import IGNORED, Lesson, bounded
from toolhone.selection.judging import LoggedRequest, cold_figures, compare, figures, logged_requests
from toolhone.selection.learned import FEATURES, Learned, LearnedRanker, tool_hash
from toolhone.selection.logistic import conditional_logit
from toolhone.selection.task_scores import TaskScorer

PRIOR = np.array([8.0, 0.0, 0.0, 3.0, -1.0, 0.0, -0.5])
"""The weights of `FEATURES` without a log; with one they stay near. Chosen on train splits."""

LOWEST = np.array([4.0, -2.0, -2.0, 0.0, -8.0, -8.0, -4.0])
HIGHEST = np.array([16.0, 4.0, 4.0, 12.0, 0.0, 0.0, 0.0])
"""Between these a log may move them. Having evidence, for or against, never speaks for a tool by itself."""

USE = FEATURES.index("use")
"""From here on `FEATURES` are 0 for a tool without use."""

EVIDENCE = FEATURES.index("evidence")

STEADINESS = 30.0
"""How hard the prior is to move."""

BELOW = 0.5
"""How surely a tool was looked at that was shown below the last one called."""

COLD_LOSS = 2.0
COLD_GAIN = 0.25
"""What a loss and a gain of tools without use weigh against a gain of those with use: a loss would starve
them, but if they were favoured, one new tool would be shown for everything."""

FEWEST_LESSONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerRules:
    """How a log is divided and how much of it is read; the newest requests count."""

    judged_share: float = 0.2
    lessons: int = 20_000
    rows: int = 800
    """Requests that the weights are learned from."""
    tuned: int = 200
    """Later ones, on which shrinkage and caution are chosen."""
    judged: int = 500
    """Still later ones, which decide."""
    candidates: int = 60
    """Tools looked at for each request."""
    shrinkages: tuple[float, ...] = (1.0, 2.0, 5.0)
    """The evidence at which a centroid counts half."""
    cautions: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
    """What is taken off tools with use, so that the best of many does not by chance push aside the others."""


DEFAULT_RULES = LearnerRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one look at the log."""

    learned: Learned | None
    """`None` if there was too little to learn from."""
    verdict: Verdict
    figures: JsonObject
    data_hash: str


def learn(
    lessons: Sequence[Lesson],
    scorer: TaskScorer,
    *,
    current: LearnedRanker | None = None,
    newest: Learned | None = None,
    rules: LearnerRules = DEFAULT_RULES,
) -> Attempt:
    """Learn from the earlier part of a log and judge on the later one.

    Args:
        lessons: Oldest first.
        scorer: The selector as it is now, without anything learned.
        current: What is served now, which must be beaten; `None` is the ranking without use.
        newest: What was learned last; it knows which tools have changed their text since.
    """
    tools = {definition.name: definition for definition in scorer.index.definitions}
    changed = _changed(newest, tools)
    tasks = _taught(lessons, tools, changed, scorer, rules)
    split = _split(tasks, current, rules)
    earlier, later = tasks[:split], _judged(tasks[split:], rules)
    called = [task for task in earlier if task.lesson.called]
    about: JsonObject = {
        "requests": len(tasks),
        "learned_from": len(earlier),
        "callers": len({task.lesson.principal for task in tasks}),
        "until": earlier[-1].lesson.asked_at if earlier else "",
    }
    data_hash = content_hash([_identity(task.lesson) for task in tasks])
    if len(called) < FEWEST_LESSONS:
        why = f"Too little to learn from: {len(called)} requests led to a call, {FEWEST_LESSONS} are needed."
        verdict = Verdict(decision=Decision.INCONCLUSIVE, why=why, requests=len(later))
        return Attempt(learned=None, verdict=verdict, figures=about, data_hash=data_hash)

    def content(centroids: Centroids, shrinkage: float, weights: NDArray[np.float64]) -> Learned:
        return centroids.learned(
            encoder=scorer.encoder, changed=changed, shrinkage=shrinkage, weights=weights
        )

    dimensions = len(earlier[0].vector)
    everything = add_up(earlier, tools, dimensions)
    wide = LearnedRanker("wide", content(everything, rules.shrinkages[0], PRIOR))
    tuned_from = called[-max(len(called) // 5, 1)].lesson.asked_at
    before = [task for task in earlier if task.lesson.asked_at < tuned_from]
    fitting = [task for task in before if task.lesson.called][-rules.rows :]
    tuning = [task for task in called if task.lesson.asked_at >= tuned_from][-rules.tuned :]
    fit_requests = logged_requests(fitting, scorer, [wide], candidates=rules.candidates)
    tune_requests = logged_requests(tuning, scorer, [wide], candidates=rules.candidates)
    halves = [add_up(before[start::2], tools, dimensions) for start in (0, 1)]
    half_of = {task.lesson.id: number % 2 for number, task in enumerate(before)}
    to_tune = add_up(before, tools, dimensions)

    best: tuple[float, float, float, NDArray[np.float64]] | None = None
    for shrinkage in rules.shrinkages:
        rankers = [LearnedRanker("half", content(half, shrinkage, PRIOR)) for half in halves]
        # A request of one half is seen with what the other half taught.
        rows = _rows([(request, rankers[1 - half_of[request.lesson.id]]) for request in fit_requests])
        fitted = np.clip(rows.weights(), LOWEST, HIGHEST)
        for caution in rules.cautions:
            weights = fitted.copy()
            weights[EVIDENCE] = -caution
            quality = _quality(LearnedRanker("tuned", content(to_tune, shrinkage, weights)), tune_requests)
            if best is None or quality > best[0]:
                best = (quality, shrinkage, caution, weights)
    assert best is not None
    _, shrinkage, caution, weights = best
    learned = content(everything, shrinkage, weights)
    about |= {
        "shrinkage": shrinkage,
        "caution": caution,
        "weights": dict(zip(FEATURES, weights.round(3).tolist(), strict=True)),
        "tools": len(learned.names),
    }
    candidate = LearnedRanker("candidate", learned)
    rankers = [candidate, *([current] if current else [])]
    judged = logged_requests(later, scorer, rankers, candidates=rules.candidates)
    return Attempt(
        learned=learned, verdict=compare(candidate, current, judged), figures=about, data_hash=data_hash
    )


def evaluate(
    ranker: LearnedRanker,
    lessons: Sequence[Lesson],
    scorer: TaskScorer,
    *,
    current: LearnedRanker | None = None,
    rules: LearnerRules = DEFAULT_RULES,
) -> Verdict:
    """Judge a version on the requests that came after all that it, and what it is compared with, learned."""
    tools = {definition.name: definition for definition in scorer.index.definitions}
    until = max(ranker.learned.until, current.learned.until if current else "")
    tasks = _taught(lessons, tools, _changed(ranker.learned, tools), scorer, rules)
    later = _judged([task for task in tasks if task.lesson.asked_at > until], rules)
    rankers = [ranker, *([current] if current else [])]
    return compare(ranker, current, logged_requests(later, scorer, rankers, candidates=rules.candidates))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What the weights are learned from: the tools of a request that were shown or called, as groups."""

    features: NDArray[np.float64]
    starts: NDArray[np.int64]
    credit: NDArray[np.float64]
    presence: NDArray[np.float64]

    def weights(self) -> NDArray[np.float64]:
        if not len(self.starts):
            return PRIOR
        return conditional_logit(
            self.features, self.starts, self.credit, self.presence, prior=PRIOR, steadiness=STEADINESS
        )


def _rows(requests: Sequence[tuple[LoggedRequest, LearnedRanker]]) -> _Rows:
    features: list[NDArray[np.float64]] = []
    credit: list[float] = []
    presence: list[float] = []
    starts: list[int] = []
    for request, ranker in requests:
        credits = {outcome.tool: max(outcome.credit, 0.0) for outcome in request.lesson.outcomes}
        credits = {**dict.fromkeys(request.lesson.shown, 0.0), **credits}
        seen = {outcome.tool for outcome in request.lesson.outcomes}
        index = request.scorer.index
        matrix = request.features(ranker).matrix()
        places = {int(position): place for place, position in enumerate(request.among)}
        there = [name for name in credits if places.get(index.positions.get(name, -1)) is not None]
        if len(there) < 2 or all(credits[name] > 0 for name in there):
            continue  # nothing was preferred to anything
        starts.append(len(credit))
        for name in there:
            row = matrix[places[index.positions[name]]].copy()
            if _plays_new(request.lesson.id, name):
                row[USE:] = 0.0
            features.append(row)
            credit.append(credits[name])
            presence.append(1.0 if name in seen else BELOW)
    return _Rows(
        features=np.array(features).reshape(-1, len(FEATURES)),
        starts=np.array(starts, np.int64),
        credit=np.array(credit),
        presence=np.array(presence),
    )


def _quality(ranker: LearnedRanker, requests: Sequence[LoggedRequest]) -> float:
    """How early the right tools come; what those without use lose weighs more, what they gain weighs less."""
    with_use = figures(requests, ranker)
    cold, without_use = cold_figures(requests, ranker)
    weights = with_use.weights
    gained = _mean(with_use.recall, weights) + _mean(with_use.ndcg, weights)
    changes = np.array(cold.recall) + cold.ndcg - without_use.recall - without_use.ndcg
    change = _mean(changes, weights)
    chance = np.sqrt(_mean((changes - change) ** 2, weights) / max(len(changes), 1))
    change -= 0.5 * float(chance)
    return round(gained + COLD_GAIN * max(change, 0.0) + COLD_LOSS * min(change, 0.0), 6)


def _mean(values: Sequence[float] | NDArray[np.float64], weights: Sequence[float]) -> float:
    return float(np.average(values, weights=weights)) if len(values) else 0.0


def _plays_new(request: str, tool: str) -> bool:
    """Half of the tools of a request are seen as if they had no use, so that the weights fit new ones too."""
    return hashlib.sha256(f"{request} {tool}".encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0


def _changed(newest: Learned | None, tools: Mapping[str, ToolDefinition]) -> dict[str, tuple[str, str]]:
    """The tools whose text changed at some time: what it is now, and since when at the earliest."""
    if newest is None:
        return {}
    known = {name: (hashed, "") for name, hashed in zip(newest.names, newest.hashes, strict=True)}
    known |= newest.changed
    changed: dict[str, tuple[str, str]] = {}
    for name, (hashed, since) in known.items():
        now = tool_hash(tools[name]) if name in tools else hashed
        if now != hashed:
            since = newest.until
        if since:
            changed[name] = (now, since)
    return changed


def _taught(
    lessons: Sequence[Lesson],
    tools: Mapping[str, ToolDefinition],
    changed: Mapping[str, tuple[str, str]],
    scorer: TaskScorer,
    rules: LearnerRules,
) -> list[TaughtTask]:
    """The lessons about tools that are still there and as they are now, with their vectors."""
    tasks: list[TaughtTask] = []
    for lesson in bounded(lessons)[-rules.lessons :]:
        outcomes = tuple(
            outcome
            for outcome in lesson.outcomes
            if outcome.tool in tools and lesson.asked_at > changed.get(outcome.tool, ("", ""))[1]
        )
        if not any(outcome.credit not in (0.0, IGNORED) for outcome in outcomes):
            continue
        vector = scorer.vector(lesson.task)
        if vector is not None and np.isfinite(vector).all():
            tasks.append(TaughtTask(replace(lesson, outcomes=outcomes), vector))
    return tasks


def _split(tasks: Sequence[TaughtTask], current: LearnedRanker | None, rules: LearnerRules) -> int:
    """Where the later part begins: after all that is served now was learned from, or it would be favoured."""
    split = round(len(tasks) * (1.0 - rules.judged_share))
    if current is not None:
        until = current.learned.until
        split = max(split, sum(task.lesson.asked_at <= until for task in tasks))
    return split


def _judged(later: Sequence[TaughtTask], rules: LearnerRules) -> list[TaughtTask]:
    return [task for task in later if task.lesson.called][-rules.judged :]


def _identity(lesson: Lesson) -> JsonObject:
    """What the hash of the data is taken over."""
    outcomes = [[outcome.tool, outcome.place, round(outcome.credit, 6)] for outcome in lesson.outcomes]
    return {"id": lesson.id, "outcomes": outcomes}
