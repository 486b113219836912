"""From snapshots to the files of a dataset, and from a dataset to one without some snapshots. Blocking."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolhone.datasets.choosing import EXACT, NEAR, Choice, choose
from toolhone.datasets.figures import warnings_of
from toolhone.datasets.gathering import Gathered, gather
from toolhone.datasets.writing import FAILURES, PLACES, Written, write_rows
from toolhone.exceptions import InsufficientDataError
from toolhone.models import Json
from toolhone.records.datasets import DatasetRequest, Row
from toolhone.records.snapshots import Snapshot

FIRST_PASS = "reading snapshots"
DECIDING = "finding duplicates"
SECOND_PASS = "writing rows"

Report = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is. May raise, to end it."""

LEAST_LEFT = 10
"""Rows: no provider takes fewer."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was written, what was left out, and what to know."""

    written: Written
    dropped: Counter[str]
    warnings: list[str]


def build(
    snapshots: Iterable[Snapshot],
    total: int,
    request: DatasetRequest,
    workspace: Path,
    *,
    erased: Collection[str],
    count_tokens: Callable[[str], int],
    report: Report,
) -> Built:
    """Write the files of a dataset into the workspace.

    Raises:
        InsufficientDataError: Too few rows are fit to be learned.
        OSError: They cannot be written.
    """
    spill = workspace / "rows"
    with spill.open("w+b") as file:
        gathered = gather(
            snapshots,
            file,
            quality_threshold=request.quality_threshold,
            erased=erased,
            report=lambda number: report(FIRST_PASS, number, max(total, number)),
        )
        report(DECIDING, 0, 1)
        choice = choose(gathered, request)
        report(DECIDING, 1, 1)
        dropped = gathered.dropped + choice.dropped
        if choice.found < request.min_samples or not choice.targets:
            raise _insufficient(request, gathered, choice, dropped)
        taken = len(choice.targets) + len(choice.failures)
        written = write_rows(
            _chosen(gathered, choice),
            workspace,
            count_tokens=count_tokens,
            report=lambda number: report(SECOND_PASS, number, taken),
        )
        report(SECOND_PASS, taken, taken)
    spill.unlink()
    warnings = warnings_of(
        written.figures,
        largest_group=choice.largest_group,
        duplicates=choice.usable - choice.found,
        usable=choice.usable,
    )
    return Built(written, dropped, warnings)


def rebuild(
    rows: Callable[[str], Iterable[Row]],
    without: Collection[str],
    workspace: Path,
    *,
    count_tokens: Callable[[str], int],
) -> Built | None:
    """Write a dataset again without the rows of some snapshots; `None` if too little is left.

    Every other row stays in its part and its group.

    Args:
        rows: The rows of a place of the old dataset.
    """
    left: Counter[str] = Counter()
    groups: Counter[str] = Counter()

    def kept() -> Iterator[tuple[str, Row]]:
        for place in PLACES:
            for row in rows(place):
                if row.row_id in without:
                    left["erased"] += 1
                    continue
                if place != FAILURES:
                    groups[row.group] += 1
                yield place, row

    written = write_rows(kept(), workspace, count_tokens=count_tokens, report=lambda _: None)
    if written.figures.targets < LEAST_LEFT or not written.counts["train"]:
        return None
    return Built(written, left, warnings_of(written.figures, largest_group=max(groups.values(), default=0)))


def _chosen(gathered: Gathered, choice: Choice) -> Iterator[tuple[str, Row]]:
    failures = set(choice.failures)
    for number in sorted((*choice.targets, *choice.failures)):
        group = choice.groups[number]
        place = FAILURES if number in failures else choice.parts[group].value
        yield place, replace(gathered.row(number), group=group)


def _insufficient(
    request: DatasetRequest, gathered: Gathered, choice: Choice, dropped: Counter[str]
) -> InsufficientDataError:
    reasons = [f"{number:,} {why}" for why, number in dropped.most_common() if number]
    if choice.failures:
        reasons.append(f"{len(choice.failures):,} failures, which are only judged by")
    if not gathered.read:
        advice = "Collect snapshots of this category first, or look further back with time_range_days."
    elif dropped[EXACT] + dropped[NEAR] > gathered.read / 2:
        advice = "Most of it was the same work again: collect work on different requests."
    else:
        advice = "Collect more, or ask with another min_samples, quality_threshold or time_range_days."
    data: dict[str, Json] = {
        "category": request.category.value,
        "found": choice.found,
        "need": request.min_samples,
        "read": gathered.read,
        "dropped": {why: number for why, number in dropped.items() if number},
    }
    return InsufficientDataError(
        f"Insufficient data for category: found {choice.found}, need {request.min_samples}. "
        f"Category {request.category.value!r} has {gathered.read:,} snapshots of the last "
        f"{request.time_range_days} days"
        + (f"; left out: {', '.join(reasons)}" if reasons else "")
        + f". {advice}",
        data=data,
    )
