"""What a tool's calls cost, and whether they work, decides among tools that fit alike. Pure.

The trade-off in one sentence: costing a tenth makes up for `NEAR_EQUAL` of score, and nothing makes up for
more.

- Who may change places: going down the ranking, the tools within `NEAR_EQUAL` of the first one's score form
  a group, up to the first whose odds of serving the task are more than `NEAR_ODDS` times worse than those of
  another of them. Nothing leaves its group. So no tool passes one that fits clearly better, and the only
  fitting tool stays first whatever it costs.
- Health comes first: tools whose server fails, or whose last calls mostly failed, go behind the others of
  their group, with and without a preference.
- Cost is counted by factors of ten: each is worth `NEAR_EQUAL` of score. Twice as fast is worth 0.015, so an
  honest lead of 0.02 is kept against it; ten times as fast wins the group. With both preferences time and
  tokens count half each.
- Cost is what one useful answer costs: the mean of all calls, times how many it takes until one succeeds. A
  tool that is quick to fail is not fast.
- Few records prove little: a tool's cost is drawn towards the middle of its group as if it had been called
  `DOUBT` times more at that cost. A tool that was never called is taken to be in the middle.
"""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import median

from toolhone.stores import ToolUsage

NEAR_EQUAL = 0.05
"""Scores this close say the same about fitness; what a tool costs may then decide their order."""

NEAR_ODDS = 3.0
"""Odds of serving the task further apart are not alike, however close the scores are: 0.75 against 0.5."""

DOUBT = 3
"""Calls at the middle cost that every tool is credited with, so that one odd call decides nothing."""


def prefer(
    order: Sequence[int],
    scores: Mapping[int, float] | Sequence[float],
    fits: Mapping[int, float] | Sequence[float],
    usage: Mapping[int, ToolUsage],
    *,
    count: int,
    fast: bool,
    cheap: bool,
    unhealthy: AbstractSet[int] = frozenset(),
) -> list[int]:
    """The order with near-equals rearranged, as far down as `count` tools need it.

    Args:
        order: Candidates, best first; what else is given is looked up by them.
        scores: On which `order` rests, 0..1.
        fits: How likely each serves the task, 0..1.
        usage: Of those that were called.
        count: How many will be shown.
        fast: Whether little time is preferred.
        cheap: Whether few tokens are preferred.
        unhealthy: Candidates that are likely to fail now.
    """
    result: list[int] = []
    while len(result) < min(count, len(order)):
        group = _group(order, len(result), scores, fits)
        costs = _costs(group, usage, fast=fast, cheap=cheap)
        result += sorted(group, key=lambda tool: (tool in unhealthy, NEAR_EQUAL * costs[tool] - scores[tool]))
    return [*result, *order[len(result) :]]


def _group(
    order: Sequence[int],
    start: int,
    scores: Mapping[int, float] | Sequence[float],
    fits: Mapping[int, float] | Sequence[float],
) -> Sequence[int]:
    """The tools from `start` on that may change places with each other."""
    leader, best = scores[order[start]], _odds(fits[order[start]])
    end = start + 1
    while end < len(order):
        odds = _odds(fits[order[end]])
        if leader - scores[order[end]] > NEAR_EQUAL or best > NEAR_ODDS * odds:
            break
        best = max(best, odds)
        end += 1
    return order[start:end]


def _odds(probability: float) -> float:
    return probability / max(1.0 - probability, 1e-9)


def _costs(
    group: Sequence[int], usage: Mapping[int, ToolUsage], *, fast: bool, cheap: bool
) -> dict[int, float]:
    """What each tool costs, in factors of ten; only their differences mean something."""
    kinds: list[dict[int, float]] = []
    known = {tool: usage[tool] for tool in group if tool in usage and usage[tool].calls}
    if fast:
        kinds.append({tool: _per_success(record.mean_ms, record) for tool, record in known.items()})
    if cheap:
        kinds.append({tool: _per_success(record.mean_tokens, record) for tool, record in known.items()})
    costs = dict.fromkeys(group, 0.0)
    for kind in kinds:
        middle = median(kind.values()) if kind else 0.0
        for tool in kind:
            trust = known[tool].calls / (known[tool].calls + DOUBT)
            costs[tool] += trust * (kind[tool] - middle) / len(kinds)
    return costs


def _per_success(cost: float, record: ToolUsage) -> float:
    """The power of ten of what one useful answer costs. Below 1 ms or 1 token nothing is told apart."""
    tries = (record.calls + 2) / (record.calls - record.failures + 1)
    return math.log10(max(cost, 1.0) * tries)
