"""What is counted of a dataset while its rows are written: lengths, scores, task types, dates. Pure."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row, Split

BINS = 10
"""Of the score histogram, each a tenth wide; the last holds 1 as well."""


@dataclass(slots=True)
class Figures:
    """Counts, a row at a time. Failures count for the figures of the seed, which had them in its datasets."""

    rows: Counter[str] = field(default_factory=Counter[str])
    """By split, and `failures`."""
    tokens: dict[str, "array[int]"] = field(default_factory=dict[str, "array[int]"])
    task_types: Counter[str] = field(default_factory=Counter[str])
    scores: list[int] = field(default_factory=lambda: [0] * BINS)
    score_sum: float = 0.0
    milliseconds: float = 0.0
    tokens_used: int = 0
    first: str | None = None
    last: str | None = None

    def add(self, row: Row, place: str, tokens: int) -> None:
        """Count a row of a split, or of the `failures`."""
        self.rows[place] += 1
        self.tokens.setdefault(place, array("q")).append(tokens)
        if place in set(Split):
            self.task_types[row.task_type] += 1
            self.scores[min(int(row.score * BINS), BINS - 1)] += 1
        self.score_sum += row.score
        self.milliseconds += row.execution_time_ms
        self.tokens_used += row.tokens_used
        self.first = row.recorded_at if self.first is None else min(self.first, row.recorded_at)
        self.last = row.recorded_at if self.last is None else max(self.last, row.recorded_at)

    @property
    def targets(self) -> int:
        """Rows whose answers are right."""
        return sum(self.rows[split] for split in Split)

    def statistics(self, warnings: list[str]) -> JsonObject:
        """For the manifest: the seed's keys first, and their meaning: all rows, failures among them."""
        total = self.targets + self.rows["failures"]
        lengths = sorted(number for split in Split for number in self.tokens.get(split, ()))
        return {
            "total_samples": total,
            "train_size": self.rows[Split.TRAIN],
            "val_size": self.rows[Split.VALIDATION],
            "test_size": self.rows[Split.TEST],
            "success_rate": self.targets / total if total else 0.0,
            "avg_performance_score": self.score_sum / total if total else 0.0,
            "avg_execution_time_ms": self.milliseconds / total if total else 0.0,
            "total_tokens": self.tokens_used,
            "task_type_distribution": dict(sorted(self.task_types.items())),
            "date_range": {"start": self.first, "end": self.last},
            "token_lengths": {
                "p50": percentile(lengths, 50),
                "p95": percentile(lengths, 95),
                "max": lengths[-1] if lengths else 0,
                "total": sum(lengths),
                "by_split": {split.value: sum(self.tokens.get(split, ())) for split in Split},
            },
            "score_histogram": [
                {"from": place / BINS, "to": (place + 1) / BINS, "rows": number}
                for place, number in enumerate(self.scores)
            ],
            "warnings": list[Json](warnings),
        }


def percentile(ordered: list[int], percent: int) -> int:
    """The smallest number that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def warnings_of(figures: Figures, *, largest_group: int, duplicates: int = 0, usable: int = 0) -> list[str]:
    """What a person should know before anything is trained on these rows.

    Args:
        largest_group: Rows in the largest group of near-duplicates.
        duplicates: Rows that went because another said the same.
        usable: Rows before duplicates went.
    """
    found: list[str] = []
    targets = figures.targets
    if len(figures.task_types) == 1:
        found.append("All rows are of one task type: nothing says how a model does on others.")
    found += [
        f"The {part.value} part is empty: there are too few different requests."
        for part in Split
        if not figures.rows[part]
    ]
    if targets and largest_group > targets / 5:
        found.append(
            f"{largest_group} of {targets} rows are nearly the same request. They are all trained on."
        )
    if usable and duplicates > usable / 2:
        found.append(f"{duplicates} of {usable} good rows were duplicates: the work varies little.")
    if 0 < figures.rows[Split.TEST] < 30:
        found.append(
            f"Only {figures.rows[Split.TEST]} rows to test with: what is measured on them is uncertain."
        )
    return found
