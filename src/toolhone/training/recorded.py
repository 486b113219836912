"""Divides what a log teaches into tasks to train an encoder on and requests to judge it by. Pure.

Three things keep the judgement honest: the requests are later than all that was trained on; a task that is
worded like one of the training is left out; and some tools with all their requests are kept from the
training, to see how the encoder does on tools that it has never seen used.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from toolhone.evaluation.gate import DEFAULT_RULES, GateRules
from toolhone.exceptions import InvalidRequestError
from toolhone.models import ToolDefinition, content_hash
from toolhone.selection.evidence import Lesson, bounded
from toolhone.selection.text import embedded_text, tool_text
from toolhone.training.contrastive import TrainingSet, TrainingTask

JUDGED_SHARE = 0.2
"""The latest part of the requests, which is judged on."""

KEPT_SHARE = 0.15
"""Tools are kept from the training until they have this share of the requests."""

LARGEST_KEPT = 0.5
"""A tool with more than this part of that share is not kept: it would stand for all."""

FEWEST = 100
"""Requests below which training teaches the requests, not the tools."""

MOST_JUDGED = 500

MOST_TOOLS = 5_000
"""Of a larger catalog the tools that were used and so many in all: the others would only take time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRequest:
    """A task and the tools that served it."""

    task: str
    served: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A log, divided."""

    training: TrainingSet
    catalog: tuple[ToolDefinition, ...]
    """What is searched when the encoders are judged."""
    later: tuple[JudgedRequest, ...]
    """Requests after those of the training, for tools of the training."""
    unseen: tuple[JudgedRequest, ...]
    """Requests of any time for tools that are kept from the training."""
    kept: tuple[str, ...]
    """Those tools."""
    until: str
    """When the last request of the training was asked."""
    data_hash: str
    """Of what is trained on."""


def divided(
    lessons: Sequence[Lesson],
    definitions: Sequence[ToolDefinition],
    *,
    since: str = "",
    kept_before: Collection[str] = (),
    rules: GateRules = DEFAULT_RULES,
) -> Recorded:
    """Divide the lessons, oldest first, whose task's text is remembered and whose tools are still there.

    Args:
        since: Until when the encoder in use has seen the log; only later requests can judge both.
        kept_before: The tools that were kept from its training; they stay so.

    Raises:
        InvalidRequestError: There is too little to train or to judge.
    """
    known = {definition.name: definition for definition in definitions}
    usable = [
        lesson
        for lesson in bounded(lessons)
        if lesson.task.text is not None and any(name in known for name in lesson.called)
    ]
    kept = _kept(usable, kept_before)
    split = int(len(usable) * (1 - JUDGED_SHARE))
    while split < len(usable) and usable[split].asked_at <= since:
        split += 1
    used = {name for lesson in usable for name in lesson.called} & known.keys()
    catalog = sorted(sorted(known, key=lambda name: (name not in used, _order(name)))[:MOST_TOOLS])
    places = {name: place for place, name in enumerate(name for name in catalog if name not in kept)}
    learned = [lesson for lesson in usable[:split] if any(name in places for name in lesson.called)]
    seen = {_wording(lesson) for lesson in learned}
    fresh = [lesson for lesson in usable if _wording(lesson) not in seen]
    later = _judged([lesson for lesson in fresh if lesson.asked_at > _until(learned)], places.keys())
    unseen = _judged(fresh, kept.intersection(catalog))
    if len(learned) < FEWEST or len(later) < rules.fewest or len(unseen) < rules.fewest_cold:
        raise InvalidRequestError(
            f"There is too little in the log to train an encoder and to judge it: {len(learned):,} requests "
            f"to train on ({FEWEST} are needed), {len(later):,} later ones ({rules.fewest}), "
            f"{len(unseen):,} for tools that are kept from the training ({rules.fewest_cold}). Of "
            f"{len(lessons):,} recorded requests that led to a call, {len(usable):,} have the words of the "
            "task and a tool that is still there. Use toolhone for longer, or learn a ranking, which needs "
            "less: toolhone selector learn.",
            data={"training": len(learned), "later": len(later), "unseen": len(unseen)},
        )
    return Recorded(
        training=_training_set(learned, known, places),
        catalog=tuple(known[name] for name in catalog),
        later=later,
        unseen=unseen,
        kept=tuple(sorted(kept)),
        until=_until(learned),
        data_hash=content_hash([[lesson.id, lesson.task.text, sorted(lesson.called)] for lesson in learned]),
    )


def _kept(lessons: Sequence[Lesson], before: Collection[str]) -> frozenset[str]:
    """The tools to keep from the training: those that were, then others in an order that says nothing."""
    served = Counter(name for lesson in lessons for name in lesson.called)
    wanted = KEPT_SHARE * len(lessons)
    kept: set[str] = set()
    covered = 0
    for name in sorted(served, key=lambda name: (name not in before, _order(name))):
        if name not in before and (covered >= wanted or served[name] > LARGEST_KEPT * wanted):
            continue
        kept.add(name)
        covered += served[name]
    return frozenset(kept)


def _order(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def _judged(lessons: Sequence[Lesson], tools: Collection[str]) -> tuple[JudgedRequest, ...]:
    """The newest requests whose tools are all among these; each wording once."""
    requests: dict[str, JudgedRequest] = {}
    for lesson in reversed(lessons):
        if lesson.called and all(name in tools for name in lesson.called) and len(requests) < MOST_JUDGED:
            requests.setdefault(
                _wording(lesson), JudgedRequest(task=lesson.task.text or "", served=lesson.called)
            )
    return tuple(reversed(requests.values()))


def _training_set(
    lessons: Sequence[Lesson], known: Mapping[str, ToolDefinition], places: Mapping[str, int]
) -> TrainingSet:
    tasks: dict[tuple[str, tuple[int, ...]], TrainingTask] = {}
    for lesson in lessons:
        right = tuple(places[name] for name in lesson.called if name in places)
        credit = sum(outcome.credit for outcome in lesson.outcomes if outcome.credit > 0)
        # A tool that served a task of the same wording is not wrong here for having been passed over.
        wrong = tuple(
            places[outcome.tool]
            for outcome in lesson.outcomes
            if outcome.credit < 0 and outcome.tool in places
        )
        task = TrainingTask(text=lesson.task.text or "", right=right, wrong=wrong, weight=min(1.0, credit))
        tasks[_wording(lesson), right] = task
    return TrainingSet(
        name="recorded",
        tools=[embedded_text(tool_text(known[name])) for name in places],
        groups=[known[name].server or "" for name in places],
        tasks=list(tasks.values()),
    )


def _wording(lesson: Lesson) -> str:
    return " ".join((lesson.task.text or "").casefold().split())


def _until(lessons: Sequence[Lesson]) -> str:
    return lessons[-1].asked_at if lessons else ""
