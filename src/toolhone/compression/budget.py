"""A hard budget: every tool is at least named, and detail is raised where it is worth most per token. Pure.

What a step of detail costs is taken from the tool's text alone. What the whole text costs is counted, and
only that decides: parts that tools share make it shorter, the legend makes it longer.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from toolhone.compression.levels import Level
from toolhone.compression.rendering import Rendered, render, render_each
from toolhone.models import JsonObject, canonical_json

STEPS = (Level.NAMES, Level.INDEX, Level.TYPES, Level.BRIEF, Level.FULL)
"""From the least detail to the most."""

EXACT_TRIES = 4
"""How often the whole text is counted again to use what sharing has saved."""

MOST_DETAILED = 1_000
"""Of more tools only so many, the most relevant, get more than their name: each step of each is rendered."""

MOST_COSTS = 20_000
"""Remembered costs of single tools: each costs a rendering, and the same tools are found again and again."""

_alone: dict[tuple[bytes, Level, Callable[[str], int]], int] = {}

Compose = Callable[[Rendered], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Tools within a budget."""

    rendered: Rendered
    levels: tuple[Level, ...]
    """How much of each tool is shown, in the order given."""
    text: str
    tokens: int
    """Of `text`."""


def within(
    tools: Sequence[JsonObject],
    budget: int | None,
    *,
    relevance: Sequence[float],
    count: Callable[[str], int],
    most: Sequence[Level] | None = None,
    compose: Compose | None = None,
) -> Fitted | None:
    """The most useful text about all of the tools that fits.

    Args:
        tools: MCP tool definitions as on the wire.
        budget: Tokens that the text must not exceed; `None` is without bound.
        relevance: What each tool is worth, 0..1.
        count: Counts tokens.
        most: The most detail for each tool, one of `STEPS`; by default all of it.
        compose: Makes the whole text; by default it is the rendered one.

    Returns:
        `None` if not even the names fit.
    """
    most = most or [Level.FULL] * len(tools)

    def fitted(levels: Sequence[Level]) -> Fitted:
        rendered = render_each(tools, levels)
        text = compose(rendered) if compose is not None else rendered.text
        return Fitted(rendered=rendered, levels=tuple(levels), text=text, tokens=count(text))

    whole = fitted(most)
    if budget is None or whole.tokens <= budget:
        return whole
    best = fitted([Level.NAMES] * len(tools))
    if best.tokens > budget:
        return None
    estimate = best.tokens
    raises: list[tuple[int, Level]] = []
    for place, level, cost in _raises(tools, relevance, most, count):
        if estimate + cost <= budget:
            estimate += cost
            raises.append((place, level))

    # The most steps that really fit: each makes the text longer, so it is searched for by halves.
    low, high = 0, len(raises)
    named = best
    while low < high:
        middle = (low + high + 1) // 2
        tried = fitted(_with(named.levels, raises[:middle]))
        if tried.tokens <= budget:
            low, best = middle, max(best, tried, key=lambda found: found.tokens)
        else:
            high = middle - 1
    return _topped_up(best, tools, relevance, most, count, budget, fitted)


def _with(levels: Sequence[Level], raises: Sequence[tuple[int, Level]]) -> list[Level]:
    raised = list(levels)
    for place, level in raises:
        raised[place] = level
    return raised


def _topped_up(
    best: Fitted,
    tools: Sequence[JsonObject],
    relevance: Sequence[float],
    most: Sequence[Level],
    count: Callable[[str], int],
    budget: int,
    fitted: Callable[[Sequence[Level]], Fitted],
) -> Fitted:
    """With single steps more, as long as the counted text allows: sharing made it shorter than estimated."""
    tries = EXACT_TRIES
    for place, level, _ in _raises(tools, relevance, most, count, best.levels):
        if not tries or best.tokens == budget:
            break
        if STEPS.index(level) != STEPS.index(best.levels[place]) + 1:
            continue
        tries -= 1
        levels = list(best.levels)
        levels[place] = level
        tried = fitted(levels)
        if tried.tokens <= budget:
            best = tried
    return best


def _raises(
    tools: Sequence[JsonObject],
    relevance: Sequence[float],
    most: Sequence[Level],
    count: Callable[[str], int],
    start: Sequence[Level] | None = None,
) -> Iterator[tuple[int, Level, int]]:
    """Each step of each tool, best relevance per token first; a tool's steps come in order."""
    keys = [hashlib.blake2b(canonical_json(tool).encode("utf-8", "surrogatepass")).digest() for tool in tools]

    def cost_of(place: int, level: Level) -> int:
        key = keys[place], level, count
        cost = _alone.get(key)
        if cost is None:
            if len(_alone) >= MOST_COSTS:
                _alone.clear()
            cost = _alone[key] = count(render([tools[place]], level, legend=False, share=False).text)
        return cost

    waiting: list[tuple[float, int, int, int]] = []

    def push(place: int, step: int) -> None:
        if step < len(STEPS) and step <= STEPS.index(most[place]):
            # Never for nothing: a step may well be shorter than the one before, and it says more.
            cost = max(cost_of(place, STEPS[step]) - cost_of(place, STEPS[step - 1]), 1)
            heapq.heappush(waiting, (-max(relevance[place], 1e-6) / cost, place, step, cost))

    first = sorted(range(len(tools)), key=lambda place: -relevance[place])[:MOST_DETAILED]
    for place in sorted(first):
        push(place, STEPS.index(start[place]) + 1 if start is not None else 1)
    while waiting:
        _, place, step, cost = heapq.heappop(waiting)
        yield place, STEPS[step], cost
        push(place, step + 1)
