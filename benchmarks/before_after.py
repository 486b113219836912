"""The four figures with which the idea of toolhone was announced, before and after, measured.

python benchmarks/before_after.py --tools FOLDER --results FOLDER [--price 1.0] [--draws 20] [--rounds 5]

Before: a host that passes on every tool of every server as JSON, calls one tool after the other and keeps
each result as it came. After: the same through toolhone with its default settings, as its instructions say.

prompt tokens        what the model reads and writes until it knows the five tools that it uses: before, every
                     schema; after, our listing, the questions and the answers
context a call       the mean of recorded results: before, as the tools sent them; after, as toolhone does
execution time       five calls of 300 ms: before, one after the other; after, one request
cost a request       the prompt tokens at a price for a million of them, which you give; prompt caches are
                     not in it, on either side

FOLDERs hold tool listings, one server a JSON file, and recorded results, as for `compression.py`.
"""

import argparse
from pathlib import Path
from statistics import fmean, median

import anyio
from figures import echo_server, milliseconds, toolhone_serving
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult
from recorded_tools import Listing, read_listings
from result_payloads import called, read_payloads
from rich.console import Console
from rich.table import Table
from sessions import session_costs

from toolhone.models import JsonObject
from toolhone.settings import Settings
from toolhone.tokens import count_tokens

CALLS = 5
WAIT: JsonObject = {"milliseconds": 300}

MILLION = 1_000_000


async def prompt_tokens(listings: list[Listing], draws: int) -> tuple[float, float]:
    costs = await session_costs(listings, draws, peers=False)
    after = fmean(paid.listing + paid.looking for paid in costs["toolhone"].paid)
    return sum(listing.baseline for listing in listings), after


async def context_growth(folder: Path) -> tuple[float, float]:
    payloads = read_payloads(folder, None)
    before = fmean(
        sum(count_tokens(block["text"]) for block in payload.result["content"] if block["type"] == "text")
        for payload in payloads
    )
    answers = await called(payloads, limit=Settings().result_limit)
    return before, fmean(row["tokens"] for row in answers)


async def execution_time(rounds: int) -> tuple[float, float]:
    echo = echo_server()
    direct = StdioServerParameters(command=str(echo["command"]), args=[str(part) for part in echo["args"]])  # type: ignore[union-attr]

    async def one_by_one() -> None:
        for _ in range(CALLS):
            succeeded(await plain.call_tool("wait", WAIT))

    async def at_once() -> None:
        calls = [{"tool": "echo__wait", "arguments": WAIT}] * CALLS
        succeeded(await ours.call_tool("call_tools", {"calls": calls}))

    with toolhone_serving({"echo": echo}) as served:
        async with Client(direct, cache=None) as plain, Client(served, cache=None) as ours:
            await at_once()
            times = [(await milliseconds(one_by_one), await milliseconds(at_once)) for _ in range(rounds)]
    return median(before for before, _ in times), median(after for _, after in times)


def succeeded(result: CallToolResult) -> None:
    assert not result.is_error


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="folder with tool listings")
    parser.add_argument("--results", type=Path, required=True, help="folder with recorded results")
    parser.add_argument("--price", type=float, default=1.0, help="of a million prompt tokens (default: 1.0)")
    parser.add_argument("--draws", type=int, default=20, help="sessions that are averaged (default: 20)")
    parser.add_argument("--rounds", type=int, default=5, help="how often times are taken (default: 5)")
    options = parser.parse_args()
    listings = read_listings(options.tools)
    tokens = await prompt_tokens(listings, options.draws)
    growth = await context_growth(options.results)
    times = await execution_time(options.rounds)
    table = Table("", "before", "after", "before / after")
    table.title = f"{sum(len(listing.tools) for listing in listings)} tools, {CALLS} of them used"
    for name, (before, after), form in (
        ("prompt tokens", tokens, ",.0f"),
        ("context growth a call, tokens", growth, ",.0f"),
        ("execution time, ms", times, ",.0f"),
        (
            f"cost a request at {options.price:g} a million",
            [options.price * x / MILLION for x in tokens],
            ".4f",
        ),
    ):
        table.add_row(name, format(before, form), format(after, form), f"{before / after:.1f}")
    Console().print(table)


if __name__ == "__main__":
    anyio.run(main)
