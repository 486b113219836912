"""One HTML page with plots, wholly in itself: no address is fetched, and without scripts its tables remain.

What a page shows was partly written by models, so nothing reaches it but through `text`, `block` or JSON that
cannot end its element; and the page's own policy lets no other script run than those we put there.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from toolhone.models import JsonObject

LONGEST = 4_000
"""Characters of somebody else's text that are shown."""

_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, half surrogate pairs, and what turns the direction of the text around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Bars of one colour."""

    label: str
    values: Sequence[float | None]
    texts: Sequence[str]
    """What is read when one is pointed at."""
    colour: str = "--a"
    """Which of the page's colours."""
    intervals: Sequence[tuple[float, float] | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure of bars, one group a label."""

    id: str
    caption: str
    summary: str
    """What it shows, for who cannot see it."""
    labels: Sequence[str]
    series: Sequence[Series]
    y: str
    x: str = ""
    most: float | None = None
    """Where the axis ends, if not by the values."""
    touching: bool = False
    """The labels are neighbours on a scale, as in a histogram."""
    whole: bool = False
    """Only whole numbers on the axis."""

    def figure(self) -> str:
        """Its place in the page."""
        return (
            f"<figure><figcaption>{text(self.caption)}</figcaption>"
            f'<div class="plot"><canvas id="{text(self.id)}" role="img" aria-label="{text(self.summary)}">'
            f"{text(self.summary)}</canvas></div></figure>"
        )

    def spec(self) -> JsonObject:
        return {
            "id": self.id,
            "labels": [_seen(label) for label in self.labels],
            "series": [
                {
                    "label": _seen(one.label),
                    "values": list(one.values),
                    "colour": one.colour,
                    "intervals": list(one.intervals) if one.intervals is not None else None,
                }
                for one in self.series
            ],
            "texts": [[_seen(label) for label in one.texts] for one in self.series],
            "x": self.x,
            "y": self.y,
            "most": self.most,
            "touching": self.touching,
            "whole": self.whole,
        }


def page(title: str, body: str, charts: Sequence[Chart]) -> str:
    """The whole page.

    Args:
        body: HTML, in which every text went through `text` or `block`, with the figures of the charts.
    """
    data = json.dumps([chart.spec() for chart in charts]).replace("<", "\\u003c")
    scripts = [chart_library(), asset("draw.js")] if charts else []
    style = asset("page.css")
    allowed = " ".join(map(_digest, scripts)) or "'none'"
    policy = f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'"
    without = (
        '<noscript><p class="dim">The plots need JavaScript; the tables have all numbers.</p></noscript>'
        if charts
        else ""
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f"<main>{without}{body}</main>",
            f'<script type="application/json" id="charts">{data}</script>' if charts else "",
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>\n",
        ]
    )


def text(value: str) -> str:
    """A text as HTML: nothing in it is markup, also in an attribute."""
    return html.escape(_seen(value), quote=True)


def block(value: str) -> str:
    """A text of somebody else, set apart as it was written, and cut where it becomes endless."""
    left = len(value) - LONGEST
    shown = value if left <= 0 else f"{value[:LONGEST]}\n… {left:,} more characters"
    return f"<pre>{text(shown)}</pre>"


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{text(one)}</th>' for one in headings)
    lines = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(f"<td>{text(one)}</td>" for one in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        # A table wider than the window is scrolled by keyboard only if it can be reached by one.
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


@cache
def asset(name: str) -> str:
    """A file of this package."""
    return (resources.files("toolhone.plots") / "assets" / name).read_text(encoding="utf-8").strip()


@cache
def chart_library() -> str:
    """Chart.js as it is put into a page, without the address of its source map."""
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "", asset("chart.umd.min.js"))


def _seen(value: str) -> str:
    return _UNSEEN.sub("\ufffd", value)


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
