"""How often the right tools are found: toolhone's selector as it is served, and what one would use instead.

python benchmarks/selection.py --data FOLDER [--split dev] [--queries N] [--sets NAME ...] [--peers]
                               [--peer-queries 200] [--ranker NAME=COMMAND ...] [--json FILE]

FOLDER holds one set a folder: `tools.jsonl` ({name, description, inputSchema, server?}),
`queries-SPLIT.jsonl` ({id, query, gold: [names]}) and perhaps `queries-none.jsonl`, requests that no tool
fits. Every tool of a set is a candidate for each of its queries. Under each figure stands its 95 %
bootstrap interval over the queries; differences are paired. `--ranker` adds a program that is asked on
stdin and answers on stdout as `toolhone rank` does; those of `--peers` are in `benchmarks/peers`.

Times are of the search alone, with encoding. Tokens are o200k: of toolhone's find_tools answer as it is
served; of other rankers' first five tools as MCP lists them.
"""

import argparse
import json
import random
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines import STOCK, Meaning, Mix, StockEncoder, Words
from embeddings_endpoint import MODEL, Encode, embeddings_endpoint
from figures import PEERS
from rankers import RankerFailedError, Served, ask_function, ask_program, ask_toolhone
from retrieval_figures import DEPTH, Row, as_json, comparison, interval_json, quality, row_of, side_by_side
from rich.console import Console

from toolhone import __version__
from toolhone.evaluation.discrimination import auroc_interval
from toolhone.evaluation.query_sets import LabelledQuery, read_labelled_queries, read_tools
from toolhone.models import JsonObject, ToolDefinition
from toolhone.selection.bundle import load_default

OURS = "toolhone"
WORDS, MEANING, MIX = "BM25 alone", f"{STOCK} alone", "plain mix 0.6/0.4"
COMPARED = (WORDS, MEANING, MIX)
ENCODER = "toolhone's encoder alone"

PEER_RANKERS = {
    "bm25s": ["bm25s_ranker.py"],
    "fastmcp search transform": ["fastmcp_ranker.py"],
    "ratel-ai (BM25, its default)": ["ratel_ranker.py"],
    "ratel-ai hybrid, toolhone's encoder at a local endpoint": ["ratel_ranker.py", "hybrid"],
    "callbus, toolhone's encoder at a local endpoint": ["callbus_ranker.py"],
    "callbus --hybrid, toolhone's encoder at a local endpoint": ["callbus_ranker.py", "--hybrid"],
    "the seed's formula, nothing recorded": ["seed_formula.py"],
}

console = Console(width=None if sys.stdout.isatty() else 170, markup=False, highlight=False)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    folder: Path
    tools: list[ToolDefinition]
    queries: list[LabelledQuery]
    without: list[LabelledQuery]
    """Requests that no tool fits; may be empty."""


def read_set(folder: Path, split: str, limit: int | None) -> LabelledSet:
    with (folder / "tools.jsonl").open("rb") as lines:
        tools = read_tools(lines, f"{folder.name}/tools.jsonl")
    with (folder / f"queries-{split}.jsonl").open("rb") as lines:
        queries = read_labelled_queries(lines, f"{folder.name}/queries-{split}.jsonl")
    without: list[LabelledQuery] = []
    if (folder / "queries-none.jsonl").exists():
        with (folder / "queries-none.jsonl").open("rb") as lines:
            without = read_labelled_queries(lines, f"{folder.name}/queries-none.jsonl")
    names = {tool.name for tool in tools}
    if missing := sorted({name for query in queries for name in query.gold} - names):
        console.print(
            f"{folder.name}: {len(missing)} right tools are not in the set, such as {missing[0]!r}."
        )
    usable = [query for query in queries if query.gold and query.text.strip()]
    if left_out := len(queries) - len(usable):
        console.print(f"{folder.name}: {left_out} queries without text or right tools are left out.")
    return LabelledSet(folder, tools, sample(usable, limit), sample(without, limit))


def sample(queries: list[LabelledQuery], limit: int | None) -> list[LabelledQuery]:
    """So many at random, always the same ones, in the order of the file."""
    return [queries[number] for number in drawn(len(queries), limit)]


def drawn(count: int, limit: int | None) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(random.Random(0).sample(range(count), limit))


def own_rows(one: LabelledSet, encode: Encode, stock: StockEncoder) -> tuple[dict[str, Row], Served]:
    """toolhone and the baselines on every query."""
    texts = [query.text for query in one.queries]
    say(f"{one.folder.name}: toolhone, {len(one.tools):,} tools, {len(texts):,} queries")
    served = ask_toolhone(one.tools, texts, DEPTH)
    say(f"{one.folder.name}: baselines")
    words, meaning = Words(one.tools, DEPTH), Meaning(one.tools, stock.encode, DEPTH)
    searches = {
        WORDS: words.search,
        MEANING: meaning.search,
        MIX: Mix(one.tools, words, meaning, DEPTH).search,
        ENCODER: Meaning(one.tools, encode, DEPTH).search,
    }
    rows = {OURS: row_of(served, one.queries)}
    for name, search in searches.items():
        rows[name] = row_of(ask_function(search, one.tools, texts), one.queries)
    return rows, served


def peer_rows(
    one: LabelledSet, commands: Mapping[str, Sequence[str]], encode: Encode, limit: int, seconds: float
) -> tuple[list[int], dict[str, Row | str]]:
    """The peers on a sample, and which queries it has; for one that failed, why."""
    numbers = drawn(len(one.queries), limit)
    queries = [one.queries[number] for number in numbers]
    rows: dict[str, Row | str] = {}
    with embeddings_endpoint(MODEL, encode) as url:
        for name, command in commands.items():
            say(f"{one.folder.name}: {name}, {len(queries):,} queries")
            try:
                answers = ask_program(
                    command, one.folder, one.tools, queries, k=DEPTH, embeddings=url, seconds=seconds
                )
                rows[name] = row_of(answers, queries)
            except RankerFailedError as error:
                rows[name] = str(error)
    return numbers, rows


def certainty(one: LabelledSet, served: Served) -> JsonObject:
    """Whether an answer's certainty tells requests that a tool fits from those that none does."""
    say(f"{one.folder.name}: {len(one.without):,} requests without a fitting tool")
    none = ask_toolhone(one.tools, [query.text for query in one.without], 1)
    area = auroc_interval(served.fits, none.fits)
    told, told_none = (sum(answers.nothing_fits) / len(answers.fits) for answers in (served, none))
    console.print(
        f"{one.folder.name}, does any tool fit: AUROC {area.mean:.3f} ({area.low:.3f} to {area.high:.3f}), "
        f"{len(served.fits):,} queries with right tools against {len(none.fits):,} without; "
        f'"nothing fits" is said to {told:.1%} of the former and {told_none:.1%} of the latter.\n'
    )
    return {
        "queries_without": len(none.fits),
        "auroc": interval_json(area),
        "nothing_fits": {"with_right_tools": told, "without": told_none},
    }


def measure(one: LabelledSet, options: argparse.Namespace, encode: Encode, stock: StockEncoder) -> JsonObject:
    """Print the tables of a set; the same as JSON."""
    rows, served = own_rows(one, encode, stock)
    title = f"{one.folder.name}, {options.split}: {len(one.tools):,} tools, {len(one.queries):,} queries"
    console.print(quality(title, rows), comparison(rows, COMPARED))
    report: JsonObject = {
        "tools": len(one.tools),
        "rankers": {
            name: as_json(row, {other: rows[other] for other in COMPARED}) for name, row in rows.items()
        },
    }
    if one.without:
        report["certainty"] = certainty(one, served)
    commands = peer_commands(options)
    if commands:
        numbers, peers = peer_rows(one, commands, encode, options.peer_queries, options.peer_seconds)
        same = {name: row.only(numbers) for name, row in rows.items()}
        beside: dict[str, Row | str] = {**same, **peers}
        title = f"{one.folder.name}, {options.split}: side by side on the same {len(numbers):,} queries"
        console.print(side_by_side(title, beside, OURS))
        for name, why in beside.items():
            if isinstance(why, str):
                console.print(f"{name} was not run: {why}")
        report["peers"] = {
            name: {"not_run": row} if isinstance(row, str) else as_json(row, {OURS: same[OURS]})
            for name, row in beside.items()
        }
    return report


def peer_commands(options: argparse.Namespace) -> dict[str, list[str]]:
    commands: dict[str, list[str]] = {}
    if options.peers:
        scripts = Path(__file__).parent / "peers"
        for name, (script, *arguments) in PEER_RANKERS.items():
            commands[name] = [str(PEERS / "python"), str(scripts / script), *arguments]
    for ranker in options.ranker:
        name, _, command = ranker.partition("=")
        commands[name] = shlex.split(command)
    return commands


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--split", default="dev", help="which queries (default: dev)")
    parser.add_argument("--sets", nargs="+", help="only these sets")
    parser.add_argument("--queries", type=int, help="so many of each set at random (default: all)")
    parser.add_argument("--peers", action="store_true", help="ask other rankers too")
    parser.add_argument("--peer-queries", type=int, default=200, help="on so many queries (default: 200)")
    parser.add_argument("--peer-seconds", type=float, default=900, help="and no longer than this each")
    parser.add_argument("--ranker", action="append", default=[], help="NAME=COMMAND, asked with the peers")
    parser.add_argument("--json", type=Path, help="write the figures there, as shares of 1")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.data.glob(f"*/queries-{options.split}.jsonl"))
    folders = [folder for folder in folders if options.sets is None or folder.name in options.sets]
    if not folders:
        parser.error(f"no such set with queries-{options.split}.jsonl in {options.data}")

    stock, shipped = StockEncoder(), load_default()
    reports = {
        folder.name: measure(
            read_set(folder, options.split, options.queries),
            options,
            lambda text: shipped.encode_task(text).parts[0],
            stock,
        )
        for folder in folders
    }
    console.print(
        "toolhone's encoder, which is the endpoint's too, was trained on requests for tools of public sets "
        "(encoder/): on other requests for the same tools its figures are not zero-shot.",
        style="dim",
    )
    if options.json:
        report = {"toolhone": __version__, "split": options.split, "sets": reports}
        options.json.write_text(f"{json.dumps(report, indent=2)}\n")


if __name__ == "__main__":
    main()
