"""How the selector grows: 10 to 100,000 tools, each size in processes of its own.

python benchmarks/scale.py --tools FOLDER [--sizes 10 1000 10000 100000] [--questions 200] [--plot FILE.png]

FOLDER holds recorded `tools/list` answers, one server a JSON file: {"tools": [{"name", "description",
"inputSchema"}]}. To reach a size they are repeated under further servers' names; in each repetition a fifth
of the words of every description is exchanged for words of other descriptions. So no two tools are alike, but
there are more near-equals than a real catalog of that size would have.

What is not real: the vectors. They are drawn at random, as to encode 100,000 texts would take a quarter of an
hour; how many texts a second the encoder takes is measured on a few of them. Tasks are encoded for real. A
task is the first sentence of a tool's description; every other one is two or three of them in a row.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import anyio
import numpy as np
from figures import percentile
from find_tools import catalog as recorded_tools
from rich.console import Console
from rich.table import Table

from toolhone.models import ToolDefinition
from toolhone.selection.bundle import load_default
from toolhone.selection.encoder import EncodedText, Encoder
from toolhone.selection.index import ToolIndex
from toolhone.selection.question import Selection
from toolhone.selection.selector import Selector
from toolhone.selection.stored import build_index, save_index
from toolhone.selection.text import term_counts
from toolhone.selection.vectors import VectorSource
from toolhone.storage.indexes import IndexFiles
from toolhone.storage.vectors import SqliteVectorStore

EXCHANGED = 0.2
"""The share of a description's words that a repetition takes from elsewhere."""

ENCODED = 40
"""Texts that are encoded to see how long that takes."""

TOKENS = 48
"""Token vectors of each tool, as many as the encoder keeps of a long text."""

COLUMNS = {
    "tools": "tools",
    "build": "build s",
    "encoded": "texts/s encoded",
    "file": "file MB",
    "from disk": "index from disk s",
    "start": "start s",
    "p50": "p50 ms",
    "p95": "p95 ms",
    "processor": "processor ms",
    "task": "encode ms",
    "product": "product ms",
    "words": "words ms",
    "memory of tools": "MB of tools",
    "memory": "MB in all",
    "peak": "peak MB",
    "one": "1 changed s",
    "one with vector": "with vector s",
    "percent": "1 % changed s",
}

NOTES = """
build: reading all texts, terms and names, without vectors. index from disk: the same from the stored index,
in the process that wrote it. start: in a fresh process, from the tools' definitions to the first answer by
words and meaning; the encoder is loaded meanwhile. p50, p95: whole questions; processor: what all cores
spend on one (median), waiting for each other in the encoder too. Of these, medians again: encode (the
task), product (task and sentences with all vectors), words (their BM25). MB: resident memory of the process
that answers, and what of it are the definitions with their schemas. 1 changed: from the new catalog to an
answer with the changed tool; with vector: until its text is encoded too. 1 %: to the first answer of the
new catalog, which waits up to 5 s for vectors if at most 150 texts have to be encoded. The vectors of tools
are random numbers in place of encodings (see the top of this script).
"""


def catalog(folder: Path, size: int) -> list[ToolDefinition]:
    """So many tools; of each the schema is an object of its own, as if it had been listed."""
    base = recorded_tools(folder)
    schemas = [json.dumps(tool.input_schema) for tool in base]
    words = sorted({word for tool in base for word in tool.description.split()})
    chance = random.Random(0)
    tools: list[ToolDefinition] = []
    for number in range(size):
        turn, place = divmod(number, len(base))
        tool = base[place]
        description = [
            chance.choice(words) if turn and chance.random() < EXCHANGED else word
            for word in tool.description.split(" ")
        ]
        tools.append(
            replace(
                tool,
                name=f"{tool.name}_{turn}" if turn else tool.name,
                description=" ".join(description),
                input_schema=json.loads(schemas[place]),
                server=f"{tool.server}-{turn}" if turn else tool.server,
            )
        )
    return tools


def tasks(tools: Sequence[ToolDefinition], count: int) -> list[str]:
    firsts = {re.split(r"(?<=[.!?])\s|\n", tool.description.strip())[0][:300] for tool in tools[:20_000]}
    sentences = sorted(sentence for sentence in firsts if len(sentence) > 10)
    chance = random.Random(1)
    # None twice: the selector remembers the vectors of tasks.
    found: dict[str, None] = {}
    while len(found) < min(count, len(sentences)):
        some = chance.sample(sentences, chance.choice((1, 1, 2, 3)))
        found[". ".join(sentence.rstrip(".") for sentence in some) + "."] = None
    return list(found)


def memory(field: str = "VmRSS") -> float:
    return int(re.findall(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def timed(job: Callable[[], object]) -> float:
    began = perf_counter()
    job()
    return perf_counter() - began


def random_vectors(hashes: Sequence[str], encoder: Encoder) -> Iterator[dict[str, EncodedText]]:
    numbers = np.random.default_rng(0)
    for start in range(0, len(hashes), 1000):
        some = hashes[start : start + 1000]
        vectors = numbers.standard_normal((len(some), encoder.dimensions), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        tokens = numbers.integers(
            -40, 40, (len(some), TOKENS if encoder.token_dimensions else 0, encoder.token_dimensions), np.int8
        )
        yield dict(zip(some, map(EncodedText, vectors, tokens), strict=True))


def build(folder: Path, data: Path, size: int) -> Mapping[str, float]:
    """In one process: read everything, fill in vectors, store it."""
    tools = catalog(folder, size)
    encoder = load_default()
    index = ToolIndex([])

    def read() -> None:
        nonlocal index
        index = ToolIndex(tools)

    figures = {"build": timed(read)}
    texts = [text for _, text in zip(range(ENCODED), index.missing().values(), strict=False)]
    figures["encoded"] = len(texts) / timed(lambda: encoder.encode_texts(texts))
    store = SqliteVectorStore(data)
    index.use_encoder(encoder.name, encoder.dimensions)
    for encoded in random_vectors(index.hashes(embedded=False), encoder):
        index.add(encoded)
        store.put(
            encoder.name,
            {text_hash: text.vector.tobytes() for text_hash, text in encoded.items()},
            {text_hash: text.tokens.tobytes() for text_hash, text in encoded.items() if text.tokens.size},
        )
    store.close()
    files = IndexFiles(data)
    save_index(index, files)
    figures["from disk"] = timed(lambda: build_index(tools, None, files))
    figures["file"] = sum(path.stat().st_size for path in (data / "index").glob("*")) / 1e6
    return figures


async def serve(folder: Path, data: Path, size: int, questions: int) -> Mapping[str, float]:
    """In another: start from what is stored, answer, take in changes."""
    before = memory()
    tools = catalog(folder, size)
    figures = {"memory of tools": memory() - before}
    selector = Selector(
        load_encoder=load_default,
        open_vectors=partial(SqliteVectorStore, data),
        open_indexes=partial(IndexFiles, data),
        usage=dict,
    )
    asked = tasks(tools, questions)
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        began = perf_counter()
        selector.update(tools)
        await selector.wait_indexed()
        await selector.select(asked[0])
        figures["start"] = perf_counter() - began
        answers: list[Selection] = []
        spent: list[float] = []
        for task in asked:
            began = process_time()
            answers.append(await selector.select(task))
            spent.append(1000 * (process_time() - began))
        if any(answer.method != "hybrid" for answer in answers):
            raise RuntimeError(f"Not chosen by meaning: {answers[-1].notices}")
        times = [answer.elapsed_ms for answer in answers]
        figures |= {"p50": percentile(times, 0.5), "p95": percentile(times, 0.95)}
        figures["processor"] = percentile(spent, 0.5)
        figures |= {"memory": memory(), "peak": memory("VmHWM")}

        began = perf_counter()
        changed = [*tools[1:], replace(tools[0], description="Tells the tides at Zanzibar.")]
        selector.update(changed)
        found = await selector.select("tides at Zanzibar")
        figures["one"] = perf_counter() - began
        if found.tools[0].definition is not changed[-1]:
            raise RuntimeError("The changed tool was not found.")
        await selector.wait_indexed()
        figures["one with vector"] = perf_counter() - began

        some = max(1, size // 100)
        began = perf_counter()
        selector.update(
            [
                *(replace(tool, description=f"{tool.description} Anew.") for tool in tools[:some]),
                *tools[some:],
            ]
        )
        await selector.select("tides at Zanzibar")
        figures["percent"] = perf_counter() - began
        group.cancel_scope.cancel()
    return figures


def parts(folder: Path, data: Path, size: int, questions: int) -> Mapping[str, float]:
    """In a third: what the time of a question consists of."""
    tools = catalog(folder, size)
    index = build_index(tools, None, IndexFiles(data))
    encoder = load_default()
    source = VectorSource(encoder, partial(SqliteVectorStore, data))
    source.restore(index)
    figures: dict[str, list[float]] = {"task": [], "product": [], "words": []}
    for task in tasks(tools, questions):
        encoded = encoder.encode_task(task)
        figures["task"].append(timed(partial(encoder.encode_task, task)))
        figures["product"].append(timed(partial(index.cosine, encoded.parts)))
        figures["words"].append(timed(partial(_words, index, task)))
    source.close()
    return {name: 1000 * percentile(times, 0.5) for name, times in figures.items()}


def _words(index: ToolIndex, task: str) -> None:
    index.lexical.scores(term_counts(task))


def measured(options: argparse.Namespace, size: int) -> Mapping[str, float]:
    """One size: a process for each part, so that none sees the memory of another."""
    figures: dict[str, float] = {"tools": size}
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as data:
        for part in ("build", "serve", "parts"):
            command = [sys.executable, __file__, "--tools", str(options.tools), "--sizes", str(size)]
            command += ["--questions", str(options.questions), "--part", part, "--data", data]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            figures |= json.loads(done.stdout.splitlines()[-1])
    return figures


def shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plot(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    sizes = [row["tools"] for row in rows]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    charts = {
        "a question, ms": ("p50", "p95", "task", "product", "words"),
        "index, s": ("build", "start", "from disk", "percent", "one"),
        "memory, MB": ("memory", "memory of tools", "peak"),
    }
    for axes, (title, names) in zip(figure.subplots(1, 3), charts.items(), strict=True):
        for name in names:
            axes.loglog(sizes, [row[name] for row in rows], marker="o", label=COLUMNS[name])
        axes.set(title=title, xlabel="tools")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)  # pyright: ignore[reportUnknownMemberType]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="folder with recorded tools/list answers")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 1_000, 10_000, 100_000])
    parser.add_argument("--questions", type=int, default=200, help="how many of each size (default: 200)")
    parser.add_argument("--plot", type=Path, help="draw the growth into this file")
    parser.add_argument("--part", choices=("build", "serve", "parts"), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not recorded_tools(options.tools):
        parser.error(f"no listing with tools in {options.tools}")
    if options.part == "build":
        print(json.dumps(build(options.tools, options.data, options.sizes[0])))
    elif options.part == "serve":
        print(json.dumps(anyio.run(serve, options.tools, options.data, options.sizes[0], options.questions)))
    elif options.part == "parts":
        print(json.dumps(parts(options.tools, options.data, options.sizes[0], options.questions)))
    else:
        rows = [measured(options, size) for size in options.sizes]
        table = Table("", *(f"{row['tools']:,.0f}" for row in rows), title="growth of the selector")
        for name, label in COLUMNS.items():
            if name != "tools":
                table.add_row(label, *(shown(row.get(name)) for row in rows))
        console = Console()
        console.print(table)
        console.print(NOTES.strip().replace("\n", " "), style="dim")
        if options.plot is not None:
            plot(rows, options.plot)


if __name__ == "__main__":
    main()
