"""From rankers' answers to the figures of a set, and how they are printed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from figures import percentile
from rankers import Answers
from rich.table import Table

from toolhone.evaluation.intervals import Interval, bootstrap_mean, bootstrap_ratio, paired_difference
from toolhone.evaluation.query_sets import LabelledQuery
from toolhone.evaluation.retrieval import all_gold_at, hit_at, ndcg_at, recall_at, reciprocal_rank
from toolhone.models import JsonObject

FIGURES: Mapping[str, Callable[[Sequence[str], frozenset[str]], float]] = {
    "recall@1": partial(recall_at, k=1),
    "recall@3": partial(recall_at, k=3),
    "recall@5": partial(recall_at, k=5),
    "recall@10": partial(recall_at, k=10),
    "hit@1": partial(hit_at, k=1),
    "nDCG@10": partial(ndcg_at, k=10),
    "MRR": reciprocal_rank,
    "all-gold@5": partial(all_gold_at, k=5),
}
DEPTH = 10
"""So far down rankings are read."""

COMPARED = ("recall@5", "nDCG@10")
"""The figures by which rankers are compared."""


@dataclass(frozen=True, slots=True)
class Row:
    """One ranker on one set of queries; every list has a value a query."""

    columns: Mapping[str, Sequence[float]]
    milliseconds: Sequence[float]
    """Empty if not known."""
    tokens: Sequence[int]
    found: Sequence[int]
    """How many right tools were among those that an agent would be shown."""

    def only(self, numbers: Sequence[int]) -> "Row":
        """The same of these queries."""
        return Row(
            {name: [values[i] for i in numbers] for name, values in self.columns.items()},
            [self.milliseconds[i] for i in numbers] if self.milliseconds else (),
            [self.tokens[i] for i in numbers],
            [self.found[i] for i in numbers],
        )

    def means(self) -> dict[str, Interval]:
        return {name: bootstrap_mean(values) for name, values in self.columns.items()}

    def above(self, other: "Row") -> dict[str, Interval]:
        """How much better than the other it is on the same queries."""
        return {name: paired_difference(self.columns[name], other.columns[name]) for name in COMPARED}

    def tokens_a_find(self) -> Interval:
        """What an agent pays for each right tool that it is shown."""
        return bootstrap_ratio(self.tokens, self.found)


def row_of(answers: Answers, queries: Sequence[LabelledQuery]) -> Row:
    """The figures of every query."""
    return Row(
        {
            name: [figure(ranked, query.gold) for ranked, query in zip(answers.ranked, queries, strict=True)]
            for name, figure in FIGURES.items()
        },
        answers.milliseconds,
        answers.tokens,
        [len(query.gold.intersection(shown)) for shown, query in zip(answers.shown, queries, strict=True)],
    )


def quality(title: str, rows: Mapping[str, Row]) -> Table:
    table = Table("in points (95 %)", *FIGURES, title=title)
    for name, row in rows.items():
        table.add_row(name, *(points(interval) for interval in row.means().values()))
    return table


def comparison(rows: Mapping[str, Row], against: Sequence[str]) -> Table:
    """How the first ranker differs from those named, and what each costs."""
    table = Table("", *(f"{figure} above {name}" for name in against for figure in COMPARED), *COSTS)
    for name, row in rows.items():
        cells = [
            difference(interval) if name != other else ""
            for other in against
            for interval in row.above(rows[other]).values()
        ]
        table.add_row(name, *cells, *costs(row))
    return table


def side_by_side(title: str, rows: Mapping[str, Row | str], first: str) -> Table:
    """Each ranker, and how far the first is above it; a text stands for one that was not run."""
    table = Table("", *COMPARED, "hit@1", *(f"{figure}: {first} above it" for figure in COMPARED), *COSTS)
    table.title = title
    ours = rows[first]
    assert isinstance(ours, Row)
    for name, row in rows.items():
        if isinstance(row, str):
            table.add_row(name, "not run")
            continue
        means = row.means()
        cells = [difference(interval) for interval in ours.above(row).values()]
        table.add_row(
            name,
            *(points(means[figure]) for figure in (*COMPARED, "hit@1")),
            *(cells if name != first else [""] * len(COMPARED)),
            *costs(row),
        )
    return table


COSTS = ("p50 ms", "p95 ms", "tokens a found tool")


def costs(row: Row) -> tuple[str, str, str]:
    times = [
        f"{percentile(row.milliseconds, share):.1f}" if row.milliseconds else "?" for share in (0.5, 0.95)
    ]
    paid = row.tokens_a_find()
    return times[0], times[1], f"{paid.mean:,.0f}\n{paid.low:,.0f} to {paid.high:,.0f}"


def points(interval: Interval) -> str:
    return f"{100 * interval.mean:.1f}\n{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def difference(interval: Interval) -> str:
    return f"{100 * interval.mean:+.1f}\n{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def as_json(row: Row, against: Mapping[str, Row]) -> JsonObject:
    """Everything that is printed of a ranker, as shares of 1."""
    return {
        "queries": len(row.tokens),
        "figures": {name: interval_json(interval) for name, interval in row.means().items()},
        "above": {
            name: {figure: interval_json(interval) for figure, interval in row.above(other).items()}
            for name, other in against.items()
            if other is not row
        },
        "ms": {"p50": percentile(row.milliseconds, 0.5), "p95": percentile(row.milliseconds, 0.95)}
        if row.milliseconds
        else None,
        "tokens_a_found_tool": interval_json(row.tokens_a_find()),
    }


def interval_json(interval: Interval) -> JsonObject:
    """JSON has no infinity: what nothing was found for is `null`."""
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
