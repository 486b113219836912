"""The decisions: which rows stay, in which group each is, and which part each group goes to. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from toolhone.datasets.duplicates import Candidate, find_duplicates
from toolhone.datasets.gathering import Gathered
from toolhone.datasets.near_duplicates import Union, join_near
from toolhone.datasets.sampling import at_most, balanced
from toolhone.datasets.splitting import Group, split
from toolhone.records.datasets import DatasetRequest, Split

EXACT = "exact duplicate"
NEAR = "near-duplicate"
UNBALANCED = "over the cap of its task type"
TOO_MANY = "over max_samples"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is taken, by the rows' numbers, in order of time."""

    targets: list[int]
    failures: list[int]
    parts: dict[str, Split]
    """The part of each group of targets."""
    groups: dict[int, str]
    """The group of each row that is taken."""
    dropped: Counter[str]
    found: int
    """Rows fit to be learned, without duplicates, before any were given up for balance or number."""
    usable: int
    """Such rows with duplicates."""
    largest_group: int


def choose(gathered: Gathered, request: DatasetRequest) -> Choice:
    """Decide about every row that was gathered. The same rows in the same order give the same choice."""
    requests = gathered.request_texts.signatures()
    union = Union(len(requests))
    join_near(requests, union)
    for earlier, later in gathered.continued:
        union.join(earlier, later)
    candidates = [
        Candidate(
            row,
            gathered.scores[row],
            union.find(gathered.requests[row]),
            gathered.requests[row],
            gathered.answers[row],
            bool(gathered.exact[row]),
        )
        for row in range(len(gathered))
    ]
    answers = gathered.answer_texts.signatures()
    dropped: Counter[str] = Counter()
    good = [candidate for candidate in candidates if not gathered.failed[candidate.row]]
    bad = [candidate for candidate in candidates if gathered.failed[candidate.row]]
    kept: list[list[int]] = []
    for rows in (good, bad):
        same = find_duplicates(rows, requests, answers)
        dropped[EXACT] += len(same.exact)
        dropped[NEAR] += len(same.near)
        kept.append([one.row for one in rows if one.row not in same.exact and one.row not in same.near])
    found, failures = kept
    targets = found
    ranks = dict(enumerate(gathered.ranks))
    if request.balance:
        targets = balanced(_by_type(gathered, targets), ranks, least=request.min_samples)
        dropped[UNBALANCED] += len(found) - len(targets)
    most = at_most(_by_type(gathered, targets), ranks, request.max_samples)
    dropped[TOO_MANY] += len(targets) - len(most)
    some = at_most(_by_type(gathered, failures), ranks, request.max_samples)
    dropped[TOO_MANY] += len(failures) - len(some)
    # Numbers rise with time, and a group's number is the smallest of its requests: so its oldest one.
    names = {row: _group_name(gathered, union, row) for row in (*most, *some)}
    sizes = Counter(names[row] for row in most)
    newest = {names[row]: row for row in most}
    parts = split({name: Group(name, rows, newest[name]) for name, rows in sizes.items()}, request.split_by)
    return Choice(
        targets=most,
        failures=some,
        parts=parts,
        groups=names,
        dropped=dropped,
        found=len(found),
        usable=len(good),
        largest_group=max(sizes.values(), default=0),
    )


def _by_type(gathered: Gathered, rows: Sequence[int]) -> dict[str, list[int]]:
    by_type: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_type[gathered.names[gathered.task_types[row]]].append(row)
    return by_type


def _group_name(gathered: Gathered, union: Union, row: int) -> str:
    return gathered.request_texts.digest(union.find(gathered.requests[row]))[:16]
