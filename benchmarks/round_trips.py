"""Tools through the lossless level and back, compared by a comparison that shares nothing with the codec."""

import random
from collections.abc import Iterable, Sequence

from generated_schemas import tools as generated_tools
from recorded_tools import Listing
from same_definitions import differences

from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.compression.signatures import decompress
from toolhone.models import JsonObject

CATALOG = 20
"""Generated tools in one text, so that they share parts."""

SHOWN = 10
"""Differences that are printed."""


def recorded_round_trips(listings: Sequence[Listing]) -> JsonObject:
    return _round_trips((one.server, one.tools) for one in listings)


def generated_round_trips(count: int) -> JsonObject:
    tools = generated_tools(random.Random(1), count)
    starts = range(0, len(tools), CATALOG)
    return _round_trips((f"generated {start}", tools[start : start + CATALOG]) for start in starts)


def _round_trips(catalogs: Iterable[tuple[str, Sequence[JsonObject]]]) -> JsonObject:
    tools, same, fallbacks, found = 0, 0, list[str](), list[str]()
    for name, catalog in catalogs:
        rendered = render(catalog, Level.FULL)
        fallbacks += [f"{name}: {tool}" for tool in rendered.fallbacks]
        decoded = decompress(rendered.text)
        tools += len(catalog)
        if len(decoded) != len(catalog):
            found.append(f"{name}: {len(catalog)} tools became {len(decoded)}")
            continue
        for before, after in zip(catalog, decoded, strict=True):
            different = differences(before, after)
            same += not different
            found += [f"{name}: {before.get('name')}: {where}" for where in different]
    return {"tools": tools, "same": same, "fallbacks": fallbacks, "differences": found[:SHOWN]}
