"""Curves of a training: what they show, and what is left out of long ones."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Category, JsonObject
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobEvent, JobStatus
from toolhone.server.dashboard.job_curves import MOST_POINTS, cost_chart, loss_chart

BEGIN = "2026-11-23T10:00:00.000000+00:00"


def job(status: JobStatus = JobStatus.RUNNING, *, cost: float = 0.0, minutes: int = 10) -> Job:
    return Job(
        job_id="job",
        plan_id="plan",
        category=Category.GENERAL,
        provider=FinetuningProvider.LOCAL,
        dataset_id="data",
        config=FinetuningConfig(category=Category.GENERAL),
        status=status,
        created_at=BEGIN,
        started_at=BEGIN,
        updated_at=f"2026-11-23T10:{minutes:02}:00.000000+00:00",
        attempt=2,
        cost_usd=cost,
    )


def event(data: JsonObject, *, kind: str = "metrics", minute: int = 1) -> JobEvent:
    at = f"2026-11-23T10:{minute:02}:00.000000+00:00"
    return JobEvent(seq=1, job_id="job", at=at, kind=kind, message="", data={"attempt": 2, **data})


@settings(deadline=None)
@given(st.integers(1, 2_000), st.integers(1, 500))
def test_a_long_curve_keeps_its_ends_and_every_validation(steps: int, every: int) -> None:
    events = [
        event(
            {"step": step, "training_loss": 1 / step}
            | ({"validation_loss": 2.0} if step % every == 0 else {})
        )
        for step in range(1, steps + 1)
    ]
    chart = loss_chart(job(), events)
    assert chart is not None
    validations = steps // every
    kept = sum(value is not None for value in chart.series[1].values)
    assert kept == validations or validations > MOST_POINTS
    assert (chart.labels[0], chart.labels[-1]) == ("1", f"{steps:,}")
    assert len(chart.labels) <= 2 * MOST_POINTS + 1


def test_another_attempt_has_curves_of_its_own() -> None:
    old = event({"step": 1, "training_loss": 9.0, "cost_usd": 5.0, "attempt": 1})
    new = event({"step": 1, "training_loss": 3.0})
    chart = loss_chart(job(), [old, new])
    assert chart is not None and list(chart.series[0].values) == [3.0]
    cost = cost_chart(job(), [old])
    assert cost is not None and set(cost.series[0].values) == {0.0}


def test_cost_is_what_was_known_at_each_moment() -> None:
    events = [event({"cost_usd": 1.0}, kind="cost", minute=5)]
    chart = cost_chart(job(cost=4.0, minutes=10), events)
    assert chart is not None
    values = list(chart.series[0].values)
    assert values[0] == 0.0
    assert values[len(values) // 2] == 1.0
    assert values[-1] == 4.0
    assert chart.labels[-1] == "10 min"


def test_a_training_that_is_over_and_told_nothing_has_no_curves() -> None:
    over = job(JobStatus.FAILED)
    assert loss_chart(over, []) is None
    assert cost_chart(over, []) is None
    assert loss_chart(job(), []) is not None
