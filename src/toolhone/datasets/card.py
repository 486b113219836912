"""The card of a dataset: what a person reads before using it. Pure."""

from collections.abc import Mapping

from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Manifest

BAR = 30
"""Characters of the longest bar."""

_FILES = {
    "train": "to train on",
    "validation": "to watch the training with",
    "test": "held out; what a model is judged by",
    "failures": "answers that failed: to judge by, never to learn",
    "pairs": "a good and a failed answer to one request each",
}


def card(manifest: Manifest) -> str:
    """The README of a dataset, in Markdown."""
    figures = manifest.statistics
    lengths: JsonObject = figures["token_lengths"]
    dates: JsonObject = figures["date_range"]
    scores = {f"{one['from']:.1f} to {one['to']:.1f}": one["rows"] for one in figures["score_histogram"]}
    kept = sum(number for name, number in manifest.counts.items() if name in {"train", "validation", "test"})
    parts = [
        f"# {manifest.dataset_id}",
        f"{kept:,} rows of {manifest.category.value} agents' work, recorded from {_day(dates['start'])} to "
        f"{_day(dates['end'])}, redacted. Made on {_day(manifest.created_at)}; never changed since."
        + (f" Takes the place of {manifest.parent}." if manifest.parent else ""),
        _warnings(figures["warnings"]),
        "## Rows\n\n"
        + _table(
            ("file", "rows", "what for"),
            [
                (f"{name}.jsonl", f"{manifest.counts.get(name, 0):,}", meaning)
                for name, meaning in _FILES.items()
            ],
        ),
        "## Task types\n\n" + _bars(figures["task_type_distribution"]),
        "## Lengths\n\nIn o200k tokens of a row's messages and tools as JSON: half of the rows have at most "
        f"{lengths['p50']:,}, 95 in 100 at most {lengths['p95']:,}, the longest has {lengths['max']:,}. "
        f"Together {lengths['total']:,}, of them {lengths['by_split']['train']:,} to train on.",
        "## Scores\n\n" + _bars(scores),
        "## Left out\n\n" + _left_out(manifest.dropped),
        "## Asked for\n\n" + "\n".join(f"- {key}: {value}" for key, value in manifest.request.items()),
        f"Content hash: {manifest.content_hash}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _day(moment: Json) -> str:
    return str(moment)[:10] if moment else "—"


def _warnings(warnings: list[str]) -> str:
    return "\n".join(f"> **Note.** {warning}" for warning in warnings)


def _left_out(dropped: Mapping[str, int]) -> str:
    if not any(dropped.values()):
        return "Nothing."
    rows = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return _table(("why", "snapshots"), [(why, f"{number:,}") for why, number in rows if number])


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _bars(counts: Mapping[str, int]) -> str:
    most = max(counts.values(), default=0)
    if not most:
        return "None."
    width = max(len(name) for name in counts)
    digits = len(f"{most:,}")
    lines = [
        # Whatever there is shows at least a little.
        f"{name:{width}} {number:>{digits},} {'█' * (-(-number * BAR // most))}".rstrip()
        for name, number in counts.items()
    ]
    return "```text\n" + "\n".join(line.replace("`", "'") for line in lines) + "\n```"
