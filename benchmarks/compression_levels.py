"""What each level of the signature format costs on recorded tools, each server a catalog of its own."""

from collections.abc import Mapping, Sequence
from statistics import median

from recorded_tools import Listing

from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens


def own_levels(listings: Sequence[Listing]) -> dict[str, list[int]]:
    """Tokens of each server's text at each level, legend and preamble counted."""
    return {level.value: [count_tokens(render(one.tools, level).text) for one in listings] for level in Level}


def level_figures(listings: Sequence[Listing], tokens: Mapping[str, Sequence[int]]) -> JsonObject:
    """Of each form: tokens a tool, the ratio of the totals, and that of the median server."""
    tools = sum(len(one.tools) for one in listings)
    whole = sum(one.baseline for one in listings)
    figures: JsonObject = {}
    for name, counts in tokens.items():
        ratios = [one.baseline / count for one, count in zip(listings, counts, strict=True)]
        figures[name] = {
            "tokens": sum(counts),
            "tokens_a_tool": sum(counts) / tools,
            "ratio": whole / sum(counts),
            "median_server": median(ratios),
        }
    return figures
