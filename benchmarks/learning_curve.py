"""What use teaches: nDCG@5 after so many recorded calls, for tools that are called and such that never are.

python benchmarks/learning_curve.py --data FOLDER [--sets NAME ...] [--queries 500] [--otherwise 0.3]
                                    [--encoder FOLDER] [--json FILE] [--plot FILE]

A replay. The train queries of a set are asked in a random order, each in a session of its own; what the
selector shows at that time, with what it has learned by then, is recorded in an audit log as it is served. A
right tool that is shown is called and succeeds. One that is not shown is called with a chance of
`--otherwise` (the agent knows it from elsewhere), else nothing is called. A fifth of the tools is never
called, as if nobody knew them: the unseen tools. After 100, 200, 500, 1,000, 2,000, 4,000 and 8,000 calls
toolhone learns from that log, through its own gate, as `toolhone selector learn` does. A set ends when each
of its train queries was asked twice.

The figures are of the dev queries: seen are those whose right tools all may be called, unseen the others.
Train and dev queries come from the same makers, so real use gains less. On the other hand toolhone's own
encoder was trained on the train queries of three tools in four, so that use can teach it little more about
those. With `--encoder` and the folder of another one (`encoder/export.py` makes one of the stock model, which
never saw them) the curve is that of tools which the encoder does not know.
"""

import argparse
import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import anyio
from rich.console import Console
from rich.table import Table

from toolhone.audit import AuditLog
from toolhone.evaluation.intervals import Interval, bootstrap_mean, paired_difference
from toolhone.evaluation.query_sets import LabelledQuery, read_labelled_queries, read_tools
from toolhone.evaluation.retrieval import ndcg_at
from toolhone.events import new_event
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.models import Caller, EventKind, JsonObject
from toolhone.redaction import redact
from toolhone.selection.bundle import BundleEncoder, load_bundle, load_default
from toolhone.selection.encoder import EncodedTask, EncodedText
from toolhone.selection.learning import Learning
from toolhone.selection.ranking import Learned
from toolhone.selection.selector import Selector
from toolhone.storage.learning import SqliteLearningStore
from toolhone.storage.memory import MemoryAuditStore

LEARNED_AFTER = (100, 200, 500, 1_000, 2_000, 4_000, 8_000)
SHOWN = 5

console = Console(markup=False, highlight=False)


@dataclass(frozen=True, slots=True)
class Point:
    """One set after so many calls."""

    data: str
    calls: int
    requests: int
    decision: str
    """Of the gate on what was learned then."""
    why: str
    seen: Interval
    unseen: Interval
    seen_gain: Interval
    """Against the same queries before anything was learned."""
    unseen_gain: Interval
    seconds: float
    """Learning and judging, tasks encoded before."""


class RememberingEncoder:
    """toolhone's encoder; a task is encoded once, however often the replay comes back to it."""

    def __init__(self, encoder: BundleEncoder) -> None:
        self._encoder = encoder
        self._tasks: dict[str, EncodedTask] = {}
        self.name = encoder.name
        self.dimensions = encoder.dimensions
        self.token_dimensions = encoder.token_dimensions
        self.calibration = encoder.calibration

    def encode_task(self, task: str) -> EncodedTask:
        if task not in self._tasks:
            self._tasks[task] = self._encoder.encode_task(task)
        return self._tasks[task]

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        return self._encoder.encode_texts(texts)


class Replay:
    """A selector that is asked, a log that grows and a learner that reads it."""

    def __init__(self, encoder: RememberingEncoder, folder: Path) -> None:
        self.audit = AuditLog(MemoryAuditStore, redact=redact)
        self.selector = Selector(
            load_encoder=lambda: encoder, open_vectors=None, usage=dict, load_learned=self._load
        )
        self.learning = Learning(
            rows=self.audit.query,
            count_calls=self._count,
            open_store=lambda: SqliteLearningStore(folder),
            selector=self.selector,
            redact=redact,
            now=utc_timestamp,
            learn_after=0,
        )

    async def _load(self, encoder: str) -> Learned | None:
        return await self.learning.load(encoder)

    async def _count(self) -> int:
        return sum(tool.calls for tool in (await self.audit.usage()).values())

    async def ask(
        self, query: LabelledQuery, may_call: Collection[str], chance: random.Random, otherwise: float
    ) -> int:
        """Ask, call the right tools, record both; how many were called."""
        caller = Caller(principal="local", session=new_id())
        selection = await self.selector.select(query.text, max_tools=SHOWN)
        shown = [tool.definition.name for tool in selection.tools]
        payload: JsonObject = {
            "task": query.text,
            "selected": [[tool.definition.name, round(tool.score, 4)] for tool in selection.tools],
            "shown": len(shown),
            "roster": list(selection.roster),
        }
        await self.audit.record(new_event(EventKind.SELECTION, caller, success=True, payload=payload))
        called = [name for name in sorted(may_call) if name in shown or chance.random() < otherwise]
        for name in called:
            await self.audit.record(new_event(EventKind.CALL, caller, tool=name, success=True))
        return len(called)

    async def ndcg(self, queries: Sequence[LabelledQuery]) -> list[float]:
        """nDCG@5 with what is served now."""
        values: list[float] = []
        for query in queries:
            found = await self.selector.select(query.text, max_tools=SHOWN, exhaustive=True)
            values.append(ndcg_at([tool.definition.name for tool in found.tools], query.gold, SHOWN))
        return values


def unseen(name: str) -> bool:
    """Whether a tool is never called: a fifth of them, the same ones every time."""
    return hashlib.sha256(f"unseen {name}".encode()).digest()[0] % 5 == 0


async def replay(
    folder: Path, encoder: RememberingEncoder, options: argparse.Namespace, save: Callable[[Point], None]
) -> None:
    with (folder / "tools.jsonl").open() as file:
        tools = read_tools(file, "tools.jsonl")
    with (folder / "queries-train.jsonl").open() as file:
        train = read_labelled_queries(file, "queries-train.jsonl")
    with (folder / "queries-dev.jsonl").open() as file:
        dev = read_labelled_queries(file, "queries-dev.jsonl")
    chance = random.Random(0)
    chance.shuffle(dev)
    dev = dev[: options.queries]
    with_use = [query for query in dev if not any(map(unseen, query.gold))]
    without = [query for query in dev if any(map(unseen, query.gold))]
    asked = [*chance.sample(train, len(train)), *chance.sample(train, len(train))]
    with tempfile.TemporaryDirectory() as data:
        place = Replay(encoder, Path(data))
        place.selector.update(tools)
        async with anyio.create_task_group() as tasks:
            await tasks.start(place.selector.run)
            await place.selector.wait_indexed()

            first = [await place.ndcg(with_use), await place.ndcg(without)]

            async def note(
                calls: int, requests: int, decision: str = "", why: str = "", seconds: float = 0.0
            ) -> None:
                now = [await place.ndcg(with_use), await place.ndcg(without)]
                gains = [paired_difference(after, before) for after, before in zip(now, first, strict=True)]
                point = Point(
                    data=folder.name,
                    calls=calls,
                    requests=requests,
                    decision=decision,
                    why=why,
                    seen=bootstrap_mean(now[0]),
                    unseen=bootstrap_mean(now[1]),
                    seen_gain=gains[0],
                    unseen_gain=gains[1],
                    seconds=seconds,
                )
                console.print(row_text(point))
                save(point)

            await note(0, 0)
            calls, due = 0, [count for count in LEARNED_AFTER if count <= options.calls]
            for number, query in enumerate(asked, 1):
                may_call = [name for name in query.gold if not unseen(name)]
                calls += await place.ask(query, may_call, chance, options.otherwise)
                if (due and calls >= due[0]) or number == len(asked):
                    due = due[1:]
                    began = perf_counter()
                    outcome = await place.learning.learn()
                    took = perf_counter() - began
                    verdict = outcome.verdict
                    await note(calls, number, verdict.decision.value, verdict.why, took)
                    if not due:
                        break
            tasks.cancel_scope.cancel()
        await place.audit.aclose()


def figure_text(interval: Interval) -> str:
    return f"{100 * interval.mean:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def row_text(point: Point) -> str:
    return (
        f"{point.data} {point.calls:,} calls: seen {figure_text(point.seen)}, "
        f"unseen {figure_text(point.unseen)}, gained {figure_text(point.seen_gain)}, "
        f"{figure_text(point.unseen_gain)}; {point.seconds:.1f} s {point.decision} {point.why}"
    )


def plot(points: Mapping[str, Sequence[Point]], path: Path, otherwise: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(points), 3.8), layout="constrained")
    charts = figure.subplots(1, len(points), squeeze=False)[0]
    for axes, (name, measured) in zip(charts, points.items(), strict=True):
        calls = [point.calls for point in measured]
        for label, intervals, colour in (
            ("tools that are called", [point.seen for point in measured], "tab:blue"),
            ("tools that never are", [point.unseen for point in measured], "tab:orange"),
        ):
            means = [100 * interval.mean for interval in intervals]
            axes.plot(calls, means, marker="o", color=colour, label=label)
            axes.fill_between(
                calls,
                [100 * interval.low for interval in intervals],
                [100 * interval.high for interval in intervals],
                color=colour,
                alpha=0.15,
            )
            axes.axhline(means[0], color=colour, linestyle=":", linewidth=1)
        axes.set_xscale("symlog", linthresh=100)
        axes.set_xlim(left=-10)
        axes.set(title=name, xlabel="recorded calls", ylabel="nDCG@5 on dev")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small", loc="lower right")
    title = f"{otherwise:.0%} of the right tools that were not shown are called all the same"
    figure.suptitle(title, fontsize="medium")  # pyright: ignore[reportUnknownMemberType]
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)  # pyright: ignore[reportUnknownMemberType]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--sets", nargs="+", help="which of them (default: all)")
    parser.add_argument("--queries", type=int, default=500, help="dev queries at most (default: 500)")
    parser.add_argument("--calls", type=int, default=8_000, help="recorded calls at most (default: 8000)")
    parser.add_argument("--otherwise", type=float, default=0.3, help="chance of a call without being shown")
    parser.add_argument("--encoder", type=Path, help="folder of an encoder (default: the one in the package)")
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file")
    options = parser.parse_args()
    folders = [
        path.parent
        for path in sorted(options.data.glob("*/queries-train.jsonl"))
        if options.sets is None or path.parent.name in options.sets
    ]
    if not folders:
        parser.error(f"no set with queries-train.jsonl in {options.data}")

    points: dict[str, list[Point]] = {}

    def save(point: Point) -> None:
        """Show what there is so far: a whole run takes many minutes."""
        points.setdefault(point.data, []).append(point)
        if options.json is not None:
            every = [asdict(point) for measured in points.values() for point in measured]
            options.json.write_text(json.dumps(every, indent=2))
        if options.plot is not None:
            plot(points, options.plot, options.otherwise)

    encoder = load_default() if options.encoder is None else load_bundle(options.encoder)
    for folder in folders:
        anyio.run(replay, folder, RememberingEncoder(encoder), options, save)
    table = Table(
        *("set", "calls", "requests", "gate", "seen: nDCG@5", "gained", "unseen: nDCG@5", "gained"),
        "learning, s",
    )
    for measured in points.values():
        for point in measured:
            table.add_row(
                point.data,
                f"{point.calls:,}",
                f"{point.requests:,}",
                point.decision,
                figure_text(point.seen),
                figure_text(point.seen_gain),
                figure_text(point.unseen),
                figure_text(point.unseen_gain),
                f"{point.seconds:.1f}" if point.calls else "",
            )
    console.print(table)


if __name__ == "__main__":
    main()
