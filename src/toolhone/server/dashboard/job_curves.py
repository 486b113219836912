"""The curves of a training: loss by step, and cost by time. Pure."""

from collections.abc import Sequence
from datetime import datetime

from toolhone.models import Json
from toolhone.records.course import losses
from toolhone.records.jobs import Job, JobEvent
from toolhone.server.dashboard.charts import Chart, Series, Tone
from toolhone.server.dashboard.formats import NOTHING, duration, usd

MOST_POINTS = 240
"""Of a longer curve every so many points are left out; its last one never is."""

COST_POINTS = 60

LOSSES: tuple[tuple[str, str, Tone], ...] = (
    ("Training loss", "training_loss", "first"),
    ("Validation loss", "validation_loss", "second"),
)


def loss_chart(job: Job, events: Sequence[JobEvent]) -> Chart | None:
    """The losses of the attempt that runs, by step; `None` if it is over and there were none."""
    by_step: dict[int, dict[str, float]] = {}
    for _, name, _ in LOSSES:
        for step, loss in losses(events, name, attempt=job.attempt):
            by_step.setdefault(step, {})[name] = loss
    if not by_step and job.status.final:
        return None
    steps = sorted(by_step)
    # A validation is rare and must not fall out between the points that stay.
    rare = {step for step in steps if "validation_loss" in by_step[step]}
    shown = _thinned(steps, keep=rare if len(rare) <= MOST_POINTS else frozenset())
    return Chart(
        id="loss",
        caption="Loss by step",
        labels=[f"{step:,}" for step in shown],
        series=[
            Series(label=label, values=[by_step[step].get(name) for step in shown], tone=tone)
            for label, name, tone in LOSSES
        ],
        kind="line",
        heading="Step",
        write=lambda value: NOTHING if value is None else f"{value:.4f}",
    )


def cost_chart(job: Job, events: Sequence[JobEvent]) -> Chart | None:
    """What the attempt that runs has cost, by time; `None` if it is over and was free."""
    if job.status.final and not job.cost_usd:
        return None
    begin = job.started_at or job.created_at
    points = [(begin, 0.0)]
    for event in events:
        cost: Json = event.data.get("cost_usd")
        if event.data.get("attempt") == job.attempt and isinstance(cost, int | float):
            points.append((event.at, float(cost)))
    points.append((job.finished_at or job.updated_at, job.cost_usd))
    spent = sorted((_seconds(begin, at), cost) for at, cost in points)
    moments = [spent[-1][0] * slot / COST_POINTS for slot in range(COST_POINTS + 1)]
    return Chart(
        id="cost",
        caption="Cost by time",
        labels=[duration(moment) for moment in moments],
        series=[
            Series(
                label="Cost so far",
                # Equal steps in time, each with what was known by then: between two figures nothing is known.
                values=[max(cost for at, cost in spent if at <= moment) for moment in moments],
                tone="third",
            )
        ],
        kind="line",
        heading="After",
        unit="USD",
        write=usd,
    )


def _seconds(begin: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def _thinned(values: Sequence[int], keep: frozenset[int] | set[int] = frozenset()) -> list[int]:
    stride = -(-len(values) // MOST_POINTS) if values else 1
    last = len(values) - 1
    return [value for at, value in enumerate(values) if (last - at) % stride == 0 or at == 0 or value in keep]
