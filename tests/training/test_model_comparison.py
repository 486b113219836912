"""Two models answer the same rows one after the other; what differs is told from what chance brings."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError
from toolhone.identifiers import utc_timestamp
from toolhone.models import LOCAL_CALLER, AuditEvent, Category, JsonObject
from toolhone.records.datasets import Row
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.storage.memory_models import MemoryModelStore
from toolhone.training.answer_scoring import AnswerScoring, questions_of
from toolhone.training.comparing import ModelComparing
from toolhone.training.comparison_report import html_report
from toolhone.training.contestants import Contestants
from toolhone.training.model_comparison import ModelComparison
from toolhone.training.model_registry import ModelRegistry
from toolhone.training.providers.provider import Answer, AnswersCost, Question

LOCAL, OPENAI = FinetuningProvider.LOCAL, FinetuningProvider.OPENAI
AT = "2026-01-31T12:00:00.000000+00:00"

Behaviour: TypeAlias = Callable[[int], str | None]
"""From the number of a row to what is answered; `None` is no answer."""


def rows(count: int = 40) -> list[Row]:
    return [
        Row(
            row_id=f"row-{number}",
            group=f"row-{number}",
            task_type="odd" if number % 2 else "even",
            messages=(
                {"role": "user", "content": f"what is {number}?"},
                {"role": "assistant", "content": "right"},
            ),
            score=1.0,
            recorded_at=AT,
        )
        for number in range(count)
    ]


@dataclass
class Service:
    """Models by name, each with a behaviour."""

    models: dict[str, Behaviour]
    asked: list[tuple[str, Path | None]] = field(default_factory=list[tuple[str, Path | None]])

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        self.asked.append((model, path))
        answers: list[Answer] = []
        for question in questions:
            number = int(question.row_id.removeprefix("row-"))
            said = self.models[model](number)
            answers.append(
                Answer(
                    row_id=question.row_id,
                    message={"role": "assistant", "content": said},
                    latency_ms=float(100 + number),
                    prompt_tokens=10,
                    completion_tokens=2,
                    cost_usd=0.001,
                    error="down" if said is None else None,
                )
            )
        return answers

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        return AnswersCost()


def tuned(model_id: str, *, dataset: str = "data-1", path: str | None = "/models/one") -> ModelRecord:
    return ModelRecord(
        model_id=model_id,
        category=Category.GENERAL,
        provider=LOCAL,
        base_model="small",
        created_at=AT,
        job_id="job",
        dataset_id=dataset,
        artifact_hash="sha256:0",
        path=path,
        passed=True,
        verdict={"decision": "passed"},
    )


@pytest.fixture
def service() -> Service:
    def never(number: int) -> str:
        return "wrong"

    def always(number: int) -> str:
        return "right"

    return Service({"small": never, "general-1": always})


@pytest.fixture
async def registry() -> AsyncIterator[ModelRegistry]:
    async def forget(event: AuditEvent) -> None:
        """No test here is about the audit."""

    registry = ModelRegistry(MemoryModelStore, forget, new_event, utc_timestamp)
    await registry.add(tuned("general-1"))
    yield registry
    await registry.aclose()


@pytest.fixture
def comparing(registry: ModelRegistry, service: Service, tmp_path: Path) -> ModelComparing:
    contestants = Contestants(registry, {LOCAL: service})
    return ModelComparing(contestants, AnswerScoring(), lambda name: tmp_path / name, lambda: AT)


async def compared(comparing: ModelComparing, *, dataset_id: str | None = None) -> ModelComparison:
    return await comparing.compare("local:small", "general-1", rows(), dataset_id=dataset_id)


async def test_a_tuned_model_is_compared_with_its_base(comparing: ModelComparing, service: Service) -> None:
    comparison = await compared(comparing, dataset_id="data-1")

    assert service.asked == [("small", None), ("general-1", Path("/models/one"))]
    overall = comparison.overall
    assert (overall.a.score.mean, overall.b.score.mean, overall.n) == (0.0, 1.0, 40)
    assert (overall.paired.wins, overall.paired.losses) == (40, 0)
    assert comparison.conclusion.startswith(
        "general-1 is better than local:small: 1.00 against 0.00 on 40 rows"
    )
    assert (comparison.category, comparison.dataset_id) == (Category.GENERAL, "data-1")
    assert comparison.notes == ()


async def test_latency_and_cost_are_of_the_rows_they_stand_beside(comparing: ModelComparing) -> None:
    comparison = await compared(comparing)

    side = comparison.overall.b
    assert (side.latency_p50_ms, side.latency_p95_ms) == (119.5, pytest.approx(137.05))
    assert side.cost_usd == pytest.approx(0.04)
    assert (side.prompt_tokens, side.completion_tokens) == (400, 80)
    odd = comparison.by_task_type["odd"]
    assert (odd.n, odd.b.latency_p50_ms, odd.b.cost_usd) == (20, 120.0, pytest.approx(0.02))


async def test_a_base_model_goes_by_its_bare_name_beside_a_model_that_was_trained_here(
    comparing: ModelComparing, service: Service
) -> None:
    await comparing.compare("small", "general-1", rows())

    assert [model for model, _ in service.asked] == ["small", "general-1"]


async def test_a_model_can_be_named_by_its_alias(comparing: ModelComparing, registry: ModelRegistry) -> None:
    await registry.set_alias(Category.GENERAL, "production", "general-1", caller=LOCAL_CALLER)
    comparison = await comparing.compare("small", "general/production", rows())

    assert comparison.overall.b.name == "general/production"
    with pytest.raises(InvalidRequestError, match="stands for no tuned model but for the base model"):
        await comparing.compare("general/canary", "general-1", rows())


async def test_what_cannot_be_told_apart_is_said_to_be_so(
    comparing: ModelComparing, service: Service
) -> None:
    service.models["small"] = lambda number: "right" if number < 38 else "wrong"
    comparison = await compared(comparing)

    assert comparison.conclusion.startswith("It cannot be told which of local:small and general-1 is better")


async def test_a_worse_model_is_said_to_be_worse(comparing: ModelComparing, service: Service) -> None:
    service.models["small"], service.models["general-1"] = (
        service.models["general-1"],
        service.models["small"],
    )

    assert "general-1 is worse than local:small" in (await compared(comparing)).conclusion


async def test_examples_show_what_was_lost_what_was_won_and_what_both_got_wrong(
    comparing: ModelComparing, service: Service
) -> None:
    service.models["small"] = lambda number: "right" if number < 2 else "no idea"
    service.models["general-1"] = lambda number: "right" if 2 <= number < 30 else "hm"
    examples = (await compared(comparing)).examples

    assert [(one.a_score, one.b_score) for one in examples] == [(1, 0)] * 2 + [(0, 1)] * 4 + [(0, 0)] * 4
    assert examples[0].asked == {"role": "user", "content": "what is 0?"}
    assert examples[0].expected == {"role": "assistant", "content": "right"}
    assert (examples[0].a, examples[0].b) == (
        {"role": "assistant", "content": "right"},
        {"role": "assistant", "content": "hm"},
    )


async def test_a_model_that_did_not_answer_is_wrong_and_said_to_have_been_silent(
    comparing: ModelComparing, service: Service
) -> None:
    service.models["small"] = lambda number: None
    comparison = await compared(comparing)

    assert comparison.overall.a.errors == 40
    assert comparison.overall.a.latency_p50_ms is None
    assert "local:small gave no answer in 40 turns" in comparison.notes[0]
    html_report(comparison)


async def test_rows_that_a_model_may_have_learned_from_are_said(comparing: ModelComparing) -> None:
    (note,) = (await compared(comparing, dataset_id="data-2")).notes

    assert "general-1 was trained on data-1; rows of data-2 may have been among" in note


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("general-1", "general-1", "are the same model"),
        ("small", "other", "no model 'small'"),
        ("openai:gpt", "general-1", "provider 'openai' is not there"),
    ],
)
async def test_models_that_cannot_be_compared_are_refused_before_any_is_asked(
    comparing: ModelComparing, service: Service, a: str, b: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        await comparing.compare(a, b, rows())
    assert service.asked == []


async def test_a_comparison_without_rows_or_with_an_unknown_scorer_asks_nobody(
    comparing: ModelComparing, service: Service
) -> None:
    with pytest.raises(InvalidRequestError, match="no held-out rows"):
        await comparing.compare("small", "general-1", [])
    with pytest.raises(InvalidRequestError, match="no scorer 'magic'"):
        await comparing.compare("small", "general-1", rows(), "magic")
    assert service.asked == []


def test_a_question_leaves_room_for_the_recorded_answer_and_some_more() -> None:
    row = rows(1)[0]
    (question,) = questions_of([row])
    long = replace(row, messages=(row.messages[0], {"role": "assistant", "content": "ä" * 1_000}))
    (longer,) = questions_of([long])

    assert question.row_id == "row-0"
    assert question.messages == row.messages[:1]
    assert 256 < question.max_tokens < 400
    assert longer.max_tokens > 2_000


class Words(HTMLParser):
    """The cells of a page's tables, and the ids of its figures."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.figures: list[str | None] = []
        self.headings: list[str] = []
        self._in = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        if tag == "canvas":
            self.figures.append(dict(attrs)["id"])

    def handle_data(self, data: str) -> None:
        if self._in in {"td", "th"}:
            self.cells.append(data)
        if self._in in {"h1", "h2"} and data.strip():
            self.headings.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


async def test_the_report_has_every_number_in_tables_and_a_plot_of_each_kind(
    comparing: ModelComparing, service: Service
) -> None:
    service.models["general-1"] = lambda number: "<script>alert(1)</script>" if number == 7 else "right"
    report = html_report(await compared(comparing))
    words = Words(report)

    assert words.figures == ["score-by-task-type", "differences", "latency", "cost"]
    assert "0.97 (0.93 to 1.00)" in words.cells
    assert "120 ms" in words.cells
    assert words.headings[0] == "general-1 against local:small"
    assert "&lt;script&gt;alert(1)" in report
    assert "<script>alert(1)" not in report


async def test_the_report_of_free_models_has_no_empty_plot_of_costs(
    comparing: ModelComparing, service: Service
) -> None:
    comparison = await compared(comparing)
    free = replace(
        comparison.overall,
        a=replace(comparison.overall.a, cost_usd=0.0),
        b=replace(comparison.overall.b, cost_usd=0.0),
    )
    report = html_report(replace(comparison, overall=free))

    assert "cost" not in Words(report).figures
    assert "Neither model cost anything to ask." in report


async def test_the_comparison_in_a_few_lines_names_quality_speed_and_cost(comparing: ModelComparing) -> None:
    lines = (await compared(comparing, dataset_id="data-2")).text().splitlines()

    assert lines[0].startswith("general-1 is better than local:small")
    assert "even: 0.00 and 1.00 on 20 rows (+100.0 points, p < 0.001)" in lines
    assert "general-1: 120 ms in the middle, 137 ms at the 95th percentile, USD 0.0400 for 40 turns" in lines
    assert lines[-1].startswith("note: general-1 was trained on data-1")


async def test_the_comparison_as_json_says_the_same(comparing: ModelComparing) -> None:
    comparison: JsonObject = json.loads(json.dumps((await compared(comparing)).as_json()))

    assert comparison["b"]["score"]["mean"] == 1.0
    assert comparison["difference"]["mean"] == 1.0
    assert comparison["by_task_type"]["even"]["n"] == 20
    assert comparison["scorer"] == "exact"
    assert len(comparison["differences"]) == 40
