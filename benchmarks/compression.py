"""In how few tokens toolhone says tools and results, and what it loses: nothing, where it says so.

python benchmarks/compression.py --tools FOLDER [--results FOLDER] [--rows N] [--session FILE] [--draws 20]
                                 [--peers] [--sections round-trip levels sessions budget results speed]
                                 [--json FILE]

The first folder holds tool listings, one server a JSON file: {"tools": [{"name", "description",
"inputSchema"}]}; each is a catalog of its own. The second holds results: JSON values, or lists of recorded
calls {"tool", "args", "result"}. Tokens are o200k, and every ratio is against the minified JSON of name,
description and inputSchema. Peers are run, not rewritten; they live in `.venv-peers` (`make bench`).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import anyio
from budget_pairs import budgets_kept
from compression_levels import level_figures, own_levels
from compression_peers import compressor_tokens, toon_tokens
from compression_speed import encode_times
from recorded_tools import Listing, read_listing, read_listings
from result_payloads import called, read_payloads, result_figures
from rich.console import Console
from rich.table import Table
from round_trips import generated_round_trips, recorded_round_trips
from sessions import Costs, reason, session_costs

from toolhone.compression.levels import LEFT_OUT, Level
from toolhone.models import Json, JsonObject

GITHUB = "github-mcp-server.json"

console = Console(width=None if sys.stdout.isatty() else 150, markup=False, highlight=False)


def round_trips(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    figures: JsonObject = {
        "recorded": recorded_round_trips(listings),
        "generated": generated_round_trips(options.generated),
    }
    table = Table("tools", "how many", "the same again", "sent as JSON", title="strict round trip of `full`")
    for name, row in figures.items():
        table.add_row(name, f"{row['tools']:,}", f"{row['same']:,}", str(len(row["fallbacks"])))
    console.print(table)
    for row in figures.values():
        for difference in row["differences"]:
            console.print(f"  {difference}")
    return figures


def levels(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    tokens = own_levels(listings)
    not_run: dict[str, str] = {}
    if options.peers:
        peers: dict[str, Callable[[], dict[str, list[int]]]] = {
            "mcp-compressor": lambda: anyio.run(compressor_tokens, listings),
            "toon-format": lambda: {"toon-format": toon_catalogs(listings)},
        }
        for name, run in peers.items():
            try:
                tokens |= run()
            # Whatever ends a peer is its row in the table.
            except Exception as error:
                not_run[name] = reason(error)
    figures = level_figures(listings, tokens)
    tools = sum(len(one.tools) for one in listings)
    table = Table("level", "tokens a tool", "ratio", "median server", "left out")
    table.title = f"{tools} tools of {len(listings)} servers, everything counted"
    told = {level.value: LEFT_OUT[level] for level in Level}
    for name, row in figures.items():
        table.add_row(
            name,
            f"{row['tokens_a_tool']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['median_server']:.2f}",
            told.get(name, ""),
        )
    for name, why in not_run.items():
        table.add_row(name, "not run", "", "", why)
    console.print(table)
    return {**figures, **{name: {"not_run": why} for name, why in not_run.items()}}


def toon_catalogs(listings: Sequence[Listing]) -> list[int]:
    """A catalog that TOON cannot encode counts as the JSON that it is."""
    counts = toon_tokens([one.tools for one in listings])
    return [one.baseline if count is None else count for one, count in zip(listings, counts, strict=True)]


def sessions(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    file: Path = options.session or options.tools / GITHUB
    catalogs = {"all": listings}
    if file.is_file():
        catalogs = {file.stem: [read_listing(file)], **catalogs}
    figures: JsonObject = {}
    for name, catalog in catalogs.items():
        costs = anyio.run(partial(session_costs, peers=options.peers), catalog, options.draws)
        console.print(session_table(name, catalog, costs, options.draws))
        figures[name] = {program: one.as_json() for program, one in costs.items()}
    return figures


def session_table(name: str, catalog: Sequence[Listing], costs: Mapping[str, Costs], draws: int) -> Table:
    tools, whole = sum(len(one.tools) for one in catalog), sum(one.baseline for one in catalog)
    table = Table("program", "mean", "most", "listing", "looking", "calling", "found")
    table.title = (
        f"tokens of a session that uses 5 of {tools} tools ({name}: {whole:,} as JSON); {draws} draws"
    )
    for program, one in costs.items():
        row = one.as_json()
        if "not_run" in row:
            table.add_row(program, "not run", row["not_run"])
            continue
        parts = (f"{row[part]:,.0f}" for part in ("mean", "max", "listing", "looking", "calling"))
        table.add_row(program, *parts, f"{row['found']} of {row['wanted']}")
    return table


def budget(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    kept = budgets_kept(listings, options.pairs)
    console.print(
        f"budget: {kept.over} of {kept.pairs:,} random (catalog, budget) pairs are over; "
        f"in {kept.refused:,} not even the names fit, which is said instead\n"
    )
    return asdict(kept)


def results(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    if options.results is None:
        console.print("results: left out without --results\n")
        return {}
    payloads = read_payloads(options.results, options.rows)
    figures = result_figures(payloads, anyio.run(called, payloads))
    toon: list[int | None] = []
    why = "without --peers"
    if options.peers:
        try:
            toon = toon_tokens([payload.value for payload in payloads if payload.is_json])
        except (OSError, subprocess.SubprocessError) as error:
            why = reason(error)
    table = Table(
        "JSON payload", "minified JSON", "toolhone", "ratio", "form", "the same again", "toon-format"
    )
    for number, row in enumerate(figures["payloads"]):
        beside = str(toon[number] or "cannot") if toon else "not run"
        ratio = f"{row['json'] / row['encoded']:.2f}"
        same = "yes" if row["same"] else "NO"
        table.add_row(
            row["payload"], f"{row['json']:,}", f"{row['encoded']:,}", ratio, row["form"], same, beside
        )
    table.title = f"results, lossless: {figures['ratio']:.2f} in total" + ("" if toon else f"; TOON {why}")
    console.print(table)
    calls = Table("call", "result as text", "the agent pays", "handle", title="results through a real call")
    for row in figures["calls"]:
        calls.add_row(row["payload"], f"{row['json']:,}", str(row["tokens"]), "yes" if row["handle"] else "")
    console.print(calls)
    if figures["with_handle"]:
        mean = figures["mean_with_handle"]
        console.print(
            f"mean of the {figures['with_handle']} calls with preview and handle: {mean:.0f} tokens\n"
        )
    return {**figures, "toon": toon}


def speed(listings: Sequence[Listing], options: argparse.Namespace) -> JsonObject:
    times = encode_times(options.tools)
    cold, cached = f"{times['cold']:.2f} s", f"{times['cached'] * 1000:.1f} ms"
    console.print(
        f"speed: all tools encoded and verified in {cold}, again in {cached} (medians of 5 processes)\n"
    )
    return {**times}


SECTIONS: dict[str, Callable[[Sequence[Listing], argparse.Namespace], JsonObject]] = {
    "round-trip": round_trips,
    "levels": levels,
    "sessions": sessions,
    "budget": budget,
    "results": results,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="folder with tool listings")
    parser.add_argument("--results", type=Path, help="folder with recorded results")
    parser.add_argument("--rows", type=int, help="only the first rows of a result that is a list")
    parser.add_argument("--session", type=Path, help=f"a listing for sessions (default: {GITHUB})")
    parser.add_argument("--draws", type=int, default=20, help="sessions a catalog (default: 20)")
    parser.add_argument("--generated", type=int, default=10_000, help="generated schemas (default: 10,000)")
    parser.add_argument("--pairs", type=int, default=10_000, help="catalogs and budgets (default: 10,000)")
    parser.add_argument("--peers", action="store_true", help="run others on the same tools and results")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS], help="only these")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    listings = read_listings(options.tools)
    if not listings:
        parser.error(f"no tool listing in {options.tools}")
    report: dict[str, Json] = {name: SECTIONS[name](listings, options) for name in options.sections}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
