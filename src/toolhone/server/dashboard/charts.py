"""A figure of bars or lines: what static/charts.js draws, and the same as a table."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from toolhone.models import Json, JsonObject
from toolhone.server.dashboard.formats import number

Tone = Literal["first", "second", "third", "good", "bad", "warn", "dim"]
"""Which colour of the page; charts.js reads it off the style sheet, in light and in dark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Bars or a line of one colour."""

    label: str
    values: Sequence[float | None]
    tone: Tone = "first"
    kind: Literal["bar", "line"] | None = None
    """If it is not drawn as the chart is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure; `macros.html` has the macro that shows it."""

    id: str
    """An HTML id, unique in its page: letters, digits and dashes."""
    caption: str
    labels: Sequence[str]
    """One a group of bars or a point, in order."""
    series: Sequence[Series]
    kind: Literal["bar", "line"] = "bar"
    stacked: bool = False
    summary: str = ""
    """What it shows, for who cannot see it; said beside the caption too."""
    heading: str = "Time"
    """What the labels are, over the first column of the table."""
    unit: str = ""
    """Said at the axis: `ms`, `tokens`, `USD`."""
    whole: bool = False
    """Only whole numbers on the axis."""
    logarithmic: bool = False
    write: Callable[[float | None], str] = number
    """How the table, and what is pointed at, write a value."""

    def spec(self) -> JsonObject:
        """For charts.js."""
        series: list[Json] = [
            {
                "label": one.label,
                "values": [value if value is None or math.isfinite(value) else None for value in one.values],
                "texts": [self.write(value) for value in one.values],
                "tone": one.tone,
                "kind": one.kind or self.kind,
            }
            for one in self.series
        ]
        return {
            "labels": list(self.labels),
            "series": series,
            "stacked": self.stacked,
            "unit": self.unit,
            "whole": self.whole,
            "logarithmic": self.logarithmic,
        }

    def headings(self) -> list[tuple[str, str]]:
        """Of the table: each with its class."""
        return [(self.heading, ""), *((one.label, "num") for one in self.series)]

    def rows(self) -> list[list[str]]:
        """Of the table, the newest first where the labels are moments: as they stand else."""
        return [
            [label, *(self.write(one.values[index]) for one in self.series)]
            for index, label in enumerate(self.labels)
        ]
