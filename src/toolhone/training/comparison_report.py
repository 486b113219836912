"""A comparison of two models as one HTML page: numbers in tables and in plots, and some answers."""

from collections import Counter
from collections.abc import Sequence

from toolhone.evaluation.exchanges import text_of
from toolhone.evaluation.intervals import Interval
from toolhone.json_values import is_array, minified
from toolhone.models import Json, JsonObject
from toolhone.plots.page import Chart, Series, block, page, table, text
from toolhone.training.model_comparison import Compared, Example, ModelComparison, Side

MOST_TASK_TYPES = 24
"""Those with most rows are plotted; the table has all."""

STEPS = 5
"""Differences are counted in steps of a fifth."""


def html_report(comparison: ModelComparison) -> str:
    """The whole page."""
    overall = comparison.overall
    charts = _charts(comparison)
    title = f"{overall.b.name} against {overall.a.name}"
    score, spread, latency, *cost = (chart.figure() for chart in charts)
    body = [
        f"<h1>{text(title)}</h1>",
        f'<p class="lead">{text(comparison.conclusion)}</p>',
        _about(comparison),
        _notes(comparison.notes),
        "<h2>All rows</h2>",
        _overall_table(overall),
        "<h2>By task type</h2>",
        score,
        _task_type_table(comparison),
        "<h2>Row by row</h2>",
        '<p class="dim">Both models answered the same rows, so what counts is the difference on each.</p>',
        spread,
        _paired_table(overall),
        "<h2>Speed and cost</h2>",
        f'<div class="pair">{latency}{"".join(cost)}</div>',
        "" if cost else '<p class="dim">Neither model cost anything to ask.</p>',
        _cost_table(comparison),
        _examples(comparison.examples, overall.a, overall.b),
    ]
    return page(title, "\n".join(body), charts)


def _about(comparison: ModelComparison) -> str:
    facts = {
        "A, what is there": comparison.overall.a.name,
        "B, what might take its place": comparison.overall.b.name,
        "Category": comparison.category.value if comparison.category else "not said",
        "Held-out rows of": comparison.dataset_id or "not said",
        "Scored by": f"{comparison.scorer}. {comparison.scorer_why}",
        "Compared": comparison.at[:19].replace("T", " ") + " UTC",
    }
    if comparison.judging:
        failed = sum(bool(one.failures) for one in comparison.judging)
        price = f"USD {_usd(sum(one.cost_usd for one in comparison.judging))}"
        tokens = sum(one.prompt_tokens + one.completion_tokens for one in comparison.judging)
        facts["Judging took"] = f"{tokens:,} tokens, {price}" + (", with failures" if failed else "")
    lines = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items())
    return f"<dl>{lines}</dl>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return '<ul class="notes">' + "".join(f"<li>{text(note)}</li>" for note in notes) + "</ul>"


def _overall_table(overall: Compared) -> str:
    a, b = overall.a, overall.b
    rows = [
        ["Score, 95 % interval", _interval(a.score), _interval(b.score)],
        ["Latency, median", _ms(a.latency_p50_ms), _ms(b.latency_p50_ms)],
        ["Latency, 95th percentile", _ms(a.latency_p95_ms), _ms(b.latency_p95_ms)],
        ["Cost, USD", _usd(a.cost_usd), _usd(b.cost_usd)],
        ["Cost, USD per 1,000 turns", _per_thousand(a), _per_thousand(b)],
        ["Tokens read", f"{a.prompt_tokens:,}", f"{b.prompt_tokens:,}"],
        ["Tokens written", f"{a.completion_tokens:,}", f"{b.completion_tokens:,}"],
        ["Turns without an answer", f"{a.errors:,} of {a.turns:,}", f"{b.errors:,} of {b.turns:,}"],
    ]
    return table(f"Both models on {overall.n:,} rows", ["", f"A: {a.name}", f"B: {b.name}"], rows)


def _task_type_table(comparison: ModelComparison) -> str:
    rows = [
        [
            name,
            f"{one.n:,}",
            _interval(one.a.score),
            _interval(one.b.score),
            _points(one.paired.difference),
            one.paired.p_text.removeprefix("p ").removeprefix("= "),
        ]
        for name, one in comparison.by_task_type.items()
    ]
    return table(
        "Scores by task type, with 95 % intervals; B minus A in points",
        ["Task type", "Rows", "A", "B", "B minus A", "p"],
        rows,
    )


def _paired_table(overall: Compared) -> str:
    paired = overall.paired
    rows = [
        ["B scored higher", f"{paired.wins:,}"],
        ["Both scored the same", f"{paired.ties:,}"],
        ["A scored higher", f"{paired.losses:,}"],
        ["Mean difference in points, 95 % interval", _points(paired.difference)],
        [f"p value ({paired.method.value})", paired.p_text.removeprefix("p ").removeprefix("= ")],
    ]
    return table("B minus A on the same rows", ["", "Rows or value"], rows)


def _cost_table(comparison: ModelComparison) -> str:
    rows = [
        [
            name,
            *(_ms(side.latency_p50_ms) for side in (one.a, one.b)),
            *(_ms(side.latency_p95_ms) for side in (one.a, one.b)),
            *(_per_thousand(side) for side in (one.a, one.b)),
        ]
        for name, one in comparison.by_task_type.items()
    ]
    headings = [
        "Task type",
        *("Median A", "Median B", "95th percentile A", "95th percentile B"),
        *("USD per 1,000 turns A", "USD per 1,000 turns B"),
    ]
    return table("Latency of a turn and cost, by task type", headings, rows)


def _charts(comparison: ModelComparison) -> list[Chart]:
    overall = comparison.overall
    largest = sorted(comparison.by_task_type.items(), key=lambda item: -item[1].n)[:MOST_TASK_TYPES]
    shown = dict(sorted(largest))
    left = len(comparison.by_task_type) - len(shown)
    counts = Counter(round(difference * STEPS) for difference in comparison.differences)
    steps = range(-STEPS, STEPS + 1)
    sides = (("A", overall.a, "--a"), ("B", overall.b, "--b"))
    by_type = {"A": [one.a for one in shown.values()], "B": [one.b for one in shown.values()]}
    charts = [
        Chart(
            id="score-by-task-type",
            caption="Mean score by task type, with 95 % intervals"
            + (f"; {left} task types with fewer rows are only in the table" if left else ""),
            summary="Scores of both models by task type; the table below has the numbers.",
            labels=list(shown),
            series=[
                Series(
                    label=f"{letter}: {side.name}",
                    values=[one.score.mean for one in by_type[letter]],
                    texts=[_interval(one.score) for one in by_type[letter]],
                    intervals=[(one.score.low, one.score.high) for one in by_type[letter]],
                    colour=colour,
                )
                for letter, side, colour in sides
            ],
            y="Score",
            most=1,
        ),
        Chart(
            id="differences",
            caption="How many rows changed by how much",
            summary=f"{overall.paired.wins} rows better with B, {overall.paired.ties} alike, "
            f"{overall.paired.losses} worse.",
            labels=[f"{step / STEPS:+.1f}" if step else "0" for step in steps],
            series=[
                Series(
                    label="Rows",
                    values=[counts[step] for step in steps],
                    texts=[f"{counts[step]:,}" for step in steps],
                    colour="--b",
                )
            ],
            x="Score of B minus score of A",
            y="Rows",
            touching=True,
            whole=True,
        ),
        Chart(
            id="latency",
            caption="Latency of a turn",
            summary="Median and 95th percentile of the latency of both; the tables have the numbers.",
            labels=["Median", "95th percentile"],
            series=[
                Series(
                    label=letter,
                    values=[side.latency_p50_ms, side.latency_p95_ms],
                    texts=[_ms(side.latency_p50_ms), _ms(side.latency_p95_ms)],
                    colour=colour,
                )
                for letter, side, colour in sides
            ],
            y="Milliseconds",
        ),
    ]
    if overall.a.cost_usd or overall.b.cost_usd:
        charts.append(
            Chart(
                id="cost",
                caption="Cost of 1,000 turns",
                summary="What 1,000 turns cost with both; the tables have the numbers.",
                labels=["USD per 1,000 turns"],
                series=[
                    Series(
                        label=letter,
                        values=[1_000 * side.cost_usd / side.turns],
                        texts=[_per_thousand(side)],
                        colour=colour,
                    )
                    for letter, side, colour in sides
                ],
                y="USD",
            )
        )
    return charts


def _examples(examples: Sequence[Example], a: Side, b: Side) -> str:
    if not examples:
        return ""
    articles = [
        f"<article><h3>{text(one.row_id)} · {text(one.task_type)} · {text(_change(one))}</h3>"
        f"<h4>Asked</h4>{block(_message(one.asked))}"
        f"<h4>Recorded answer</h4>{block(_message(one.expected))}"
        f"<h4>A: {text(a.name)}</h4>{block(_message(one.a))}"
        f"<h4>B: {text(b.name)}</h4>{block(_message(one.b))}</article>"
        for one in examples
    ]
    return (
        "<h2>Answers to look at</h2>"
        '<p class="dim">Rows that B lost, that it won, and that both got wrong.</p>' + "".join(articles)
    )


def _change(example: Example) -> str:
    return f"A {example.a_score:.2f}, B {example.b_score:.2f}"


def _message(message: JsonObject | None) -> str:
    if message is None:
        return "(no answer)"
    said = text_of(message)
    calls: Json = message.get("tool_calls")
    lines = [said] if said else []
    if is_array(calls):
        lines += [minified(call) for call in calls]
    return "\n".join(lines) or "(empty)"


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _points(difference: Interval) -> str:
    mean, low, high = (f"{100 * one:+.1f}" for one in (difference.mean, difference.low, difference.high))
    return f"{mean} ({low} to {high})"


def _ms(milliseconds: float | None) -> str:
    return "none" if milliseconds is None else f"{milliseconds:,.0f} ms"


def _usd(amount: float) -> str:
    return (
        "0"
        if amount == 0
        else f"{amount:,.2f}"
        if amount >= 1
        else f"{amount:.4f}"
        if amount >= 0.001
        else f"{amount:.2g}"
    )


def _per_thousand(side: Side) -> str:
    return _usd(1_000 * side.cost_usd / side.turns)
