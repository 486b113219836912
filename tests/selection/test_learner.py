"""What a log teaches, how it is judged, and what it must never do."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from toolhone.evaluation.gate import Decision
from toolhone.evaluation.retrieval import recall_at
from toolhone.models import EventKind, JsonObject, ToolDefinition
from toolhone.selection.evidence import Lesson, RememberedTask, gather
from toolhone.selection.learned import FEATURES, LearnedRanker
from toolhone.selection.learner import FEWEST_LESSONS, HIGHEST, LOWEST, Attempt, LearnerRules, evaluate, learn
from toolhone.selection.logistic import conditional_logit
from toolhone.selection.task_scores import TaskScores

RULES = LearnerRules(rows=150, tuned=80, judged=100, shrinkages=(2.0,))
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
WIDTH = 32
NAMES = tuple(f"tool_{number:02}" for number in range(40))


class Shelf:
    """What is asked of an index."""

    def __init__(self, definitions: Sequence[ToolDefinition]) -> None:
        self.definitions = definitions
        self.positions = {definition.name: place for place, definition in enumerate(definitions)}


@cache
def direction(words: str) -> NDArray[np.float32]:
    """A unit vector that belongs to these words."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).normal(size=WIDTH)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def unit(vector: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class World:
    """Tools, and tasks that read `purpose number`: near what the tool serves, farther from what it says."""

    encoder = "world"

    def __init__(self, names: Sequence[str] = NAMES, texts: Mapping[str, str] | None = None) -> None:
        self.names = names
        texts = texts or {}
        self.index = Shelf(
            [
                ToolDefinition(name=name, description=texts.get(name, name), input_schema={})
                for name in sorted(names)
            ]
        )
        self.tools = np.stack(
            [
                unit(np.float32(0.35) * direction(f"served by {name}") + direction(f"text of {name}"))
                for name in sorted(names)
            ]
        )

    def task_vector(self, text: str) -> NDArray[np.float32]:
        purpose = text.partition(" ")[0]
        return unit(direction(f"served by {purpose}") + np.float32(1.1) * direction(text))

    def vector(self, task: RememberedTask) -> NDArray[np.float32] | None:
        return None if task.text is None else self.task_vector(task.text)

    def scores(self, task: RememberedTask) -> TaskScores | None:
        if task.text is None:
            return None
        vector = self.task_vector(task.text)
        cosine = self.tools @ vector
        base = np.clip(0.5 + cosine.astype(np.float64), 0.0, 1.0)
        return TaskScores(vector, base, cosine, np.zeros(len(cosine), np.float32))

    def order(self, text: str, ranker: LearnedRanker | None = None) -> list[str]:
        """The names as they would be ranked, best first."""
        scores = self.scores(RememberedTask(text=text))
        assert scores is not None
        index = self.index
        everything = np.arange(len(index.definitions))
        base: list[int] = np.argsort(-scores.base, kind="stable").tolist()
        if ranker is not None:
            learned = ranker.apply(
                index, scores.vector, scores.base, scores.cosine, scores.lexical, everything
            )
            order: list[int] = np.argsort(-learned, kind="stable").tolist()
            names = {place: index.definitions[place].name for place in everything.tolist()}
            base = ranker.guard(order, base, names, scores.cosine, 5)
        return [index.definitions[place].name for place in base]


def rows_of_use(
    world: World,
    requests: int,
    *,
    tools: Sequence[str] | None = None,
) -> list[JsonObject]:
    """Audit rows: the five best are shown; the right one is called, of those not shown every third."""
    names = sorted(tools or world.names)
    rows: list[JsonObject] = []
    for number in range(requests):
        right = names[number * 7 % len(names)]
        task = f"{right} {number}"
        shown = world.order(task)[:5]
        moment = START + timedelta(minutes=10 * number)
        row = {"user_id": "local", "session": None, "success": True, "error_code": None, "tool_name": None}
        selected = [[name, 0.5] for name in shown]
        rows.append(
            {
                **row,
                "audit_id": f"local-{number}",
                "kind": EventKind.SELECTION.value,
                "timestamp": moment.isoformat(timespec="microseconds"),
                "details": {"task": task, "selected": selected, "shown": 5},
            }
        )
        if right in shown or number % 3 == 0:
            rows.append(
                {
                    **row,
                    "audit_id": f"local-{number}-call",
                    "kind": EventKind.CALL.value,
                    "timestamp": (moment + timedelta(minutes=1)).isoformat(timespec="microseconds"),
                    "tool_name": right,
                    "details": {},
                }
            )
    return rows


@pytest.fixture(scope="module")
def used() -> list[Lesson]:
    """The lessons of 700 requests to all tools."""
    return gather(rows_of_use(World(), 700))


@pytest.fixture(scope="module")
def attempt(used: Sequence[Lesson]) -> Attempt:
    return learn(used, World(), rules=RULES)


def ranker(attempt: Attempt) -> LearnedRanker:
    assert attempt.learned is not None
    return LearnedRanker("learned", attempt.learned)


def found(world: World, tools: Sequence[str], ranker: LearnedRanker | None) -> float:
    """Recall@5 of new tasks for these tools."""
    tasks = [(name, f"{name} new{number}") for name in tools for number in range(6)]
    return float(np.mean([recall_at(world.order(task, ranker), {name}, 5) for name, task in tasks]))


def test_use_teaches_to_find_more_and_this_is_judged_on_later_requests(
    attempt: Attempt, used: Sequence[Lesson]
) -> None:
    world = World()
    assert attempt.verdict.decision is Decision.PROMOTED, attempt.verdict.why
    assert attempt.learned is not None
    later = [lesson for lesson in used if lesson.asked_at > attempt.learned.until]
    assert 80 <= attempt.verdict.requests <= len(later)
    assert found(world, world.names, ranker(attempt)) > found(world, world.names, None) + 0.15


def test_tools_without_use_do_not_lose() -> None:
    world = World()
    warm, cold = world.names[:30], world.names[30:]
    attempt = learn(gather(rows_of_use(world, 700, tools=warm)), world, rules=RULES)
    assert attempt.verdict.promoted, attempt.verdict.why
    assert attempt.verdict.cold_ndcg is not None and attempt.verdict.cold_ndcg.high >= 0

    learned = ranker(attempt)

    assert found(world, warm, learned) > found(world, warm, None) + 0.1
    assert found(world, cold, learned) >= found(world, cold, None) - 0.02


def test_the_same_log_gives_the_same_bytes(attempt: Attempt, used: Sequence[Lesson]) -> None:
    again = learn(used, World(), rules=RULES)

    assert attempt.learned is not None and again.learned is not None
    assert again.learned.to_bytes() == attempt.learned.to_bytes()
    assert (again.data_hash, again.verdict) == (attempt.data_hash, attempt.verdict)


def test_another_log_has_another_hash(attempt: Attempt, used: Sequence[Lesson]) -> None:
    assert learn(used[1:], World(), rules=RULES).data_hash != attempt.data_hash


def test_a_short_log_teaches_nothing() -> None:
    world = World()
    few = gather(rows_of_use(world, 12))[: FEWEST_LESSONS - 1]
    attempt = learn(few, world, rules=RULES)

    assert attempt.learned is None
    assert attempt.verdict.decision is Decision.INCONCLUSIVE
    assert learn([], world, rules=RULES).learned is None


def test_a_version_is_not_promoted_over_itself(attempt: Attempt, used: Sequence[Lesson]) -> None:
    verdict = evaluate(ranker(attempt), used, World(), current=ranker(attempt), rules=RULES)

    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.requests >= 80


def test_what_is_served_is_judged_only_by_what_it_has_not_seen(
    attempt: Attempt, used: Sequence[Lesson]
) -> None:
    served = ranker(attempt)
    again = learn(used, World(), current=served, newest=served.learned, rules=RULES)
    later = [lesson for lesson in used if lesson.asked_at > served.learned.until and lesson.called]

    assert again.verdict.requests <= len(later)


def test_a_caller_who_calls_one_tool_for_everything_does_not_bring_it_to_everybody() -> None:
    world = World()
    rows = rows_of_use(world, 600)
    for number in range(0, 600, 2):
        poison = world.names[0]
        moment = START + timedelta(minutes=10 * number + 5)
        about = {"user_id": "mallory", "session": None, "success": True, "error_code": None}
        shown = [[name, 0.5] for name in [*world.order(f"tool_{number % 40:02} bad{number}")[:4], poison]]
        rows += [
            {
                **about,
                "audit_id": f"mallory-{number}",
                "kind": EventKind.SELECTION.value,
                "timestamp": moment.isoformat(timespec="microseconds"),
                "tool_name": None,
                "details": {"task": f"tool_{number % 40:02} bad{number}", "selected": shown, "shown": 5},
            },
            {
                **about,
                "audit_id": f"mallory-{number}-call",
                "kind": EventKind.CALL.value,
                "timestamp": (moment + timedelta(minutes=1)).isoformat(timespec="microseconds"),
                "tool_name": poison,
                "details": {},
            },
        ]
    rows.sort(key=lambda row: row["timestamp"])
    learned = ranker(learn(gather(rows), world, rules=RULES))

    def shown_to_others(ranker: LearnedRanker | None) -> float:
        tasks = [f"{name} new{number}" for name in world.names[1:] for number in range(4)]
        return float(np.mean([world.names[0] in world.order(task, ranker)[:5] for task in tasks]))

    assert shown_to_others(learned) <= shown_to_others(None) + 0.15
    assert found(world, world.names[1:], learned) > found(world, world.names[1:], None)


def test_what_was_learned_of_another_text_does_not_come_back(used: Sequence[Lesson]) -> None:
    before = learn(used, World(), rules=RULES).learned
    assert before is not None
    changed = World(texts={"tool_07": "something else"})

    after = learn(used, changed, newest=before, rules=RULES).learned
    assert after is not None
    later = learn(used, changed, newest=after, rules=RULES).learned
    assert later is not None

    evidence = dict(zip(before.names, before.evidence.tolist(), strict=True))
    for learned in (after, later):
        now = dict(zip(learned.names, learned.evidence.tolist(), strict=True))
        assert now.get("tool_07", 0.0) < 0.5 * evidence["tool_07"]
        assert now["tool_08"] >= evidence["tool_08"]


def test_tools_that_are_gone_are_not_learned(used: Sequence[Lesson]) -> None:
    world = World(names=World().names[5:])
    learned = learn(used, world, rules=RULES).learned

    assert learned is not None
    assert set(learned.names) <= set(world.names)


def test_the_weights_stay_where_they_make_sense(attempt: Attempt) -> None:
    assert attempt.learned is not None
    weights = attempt.learned.weights

    assert ((weights >= LOWEST) & (weights <= HIGHEST)).all()
    assert weights[FEATURES.index("evidence")] <= 0


def test_without_data_the_weights_are_the_prior() -> None:
    prior = np.array([1.0, -2.0])
    alike = np.array([[0.3, 0.4], [0.3, 0.4]])
    weights = conditional_logit(
        alike, np.array([0]), np.array([1.0, 0.0]), np.ones(2), prior=prior, steadiness=1.0
    )

    assert weights == pytest.approx(prior)


def test_what_is_chosen_again_and_again_gains_weight() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0]] * 50)
    starts = np.arange(0, 100, 2)
    weights = conditional_logit(
        rows, starts, np.array([0.0, 1.0] * 50), np.ones(100), prior=np.zeros(2), steadiness=1.0
    )

    assert weights[1] > 1.0 > -1.0 > weights[0]
