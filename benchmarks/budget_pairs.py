"""Random catalogs under random token budgets: how often is a text longer than its budget?"""

import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import exp, log

from recorded_tools import Listing

from toolhone.compression.budget import within
from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens

LARGEST = 8
"""Tools in a random catalog at most; there are as many small ones as large ones."""

BUDGETS = 10
"""Random budgets a catalog."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of so many (catalog, budget) pairs."""

    pairs: int
    over: int
    refused: int
    """Not even the names fitted, which the caller is told."""


def budgets_kept(listings: Sequence[Listing], pairs: int) -> Kept:
    """Of random catalogs, on every core; the same pairs each time."""
    tools = [tool for one in listings for tool in one.tools]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(_one_catalog, tools), range(pairs // BUDGETS), chunksize=10))
    return Kept(len(found) * BUDGETS, sum(over for over, _ in found), sum(refused for _, refused in found))


def _one_catalog(tools: Sequence[JsonObject], seed: int) -> tuple[int, int]:
    """How many budgets of one catalog were exceeded, and how many were too small for its names."""
    generator = random.Random(seed)
    catalog = generator.sample(tools, int(min(LARGEST, len(tools)) ** generator.random()))
    relevance = [generator.random() for _ in catalog]
    names, full = (count_tokens(render(catalog, level).text) for level in (Level.NAMES, Level.FULL))
    over, refused = 0, 0
    for _ in range(BUDGETS):
        # From too little for the names to more than enough for everything.
        budget = int(exp(generator.uniform(log(names / 1.5), log(full * 1.5))))
        fitted = within(catalog, budget, relevance=relevance, count=count_tokens)
        refused += fitted is None
        over += fitted is not None and count_tokens(fitted.text) > budget
    return over, refused
