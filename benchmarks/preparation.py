"""Preparing a dataset: time and peak memory by the number of snapshots.

python benchmarks/preparation.py [--million] [--max-samples 10000]

Snapshots are generated: short orders, JSON, prose, a fixed text with slots, and chats with calls of tools. A
tenth are exact copies, and a tenth are nearly copies. Each size runs in a process of its own, over a store on
disk that was filled before: filling is not counted, imports and opening are.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table

from toolhone.datasets.preparation import Preparation
from toolhone.models import LOCAL_CALLER, AuditEvent, Category, Json
from toolhone.records.datasets import DatasetRequest
from toolhone.records.snapshots import Snapshot
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.snapshots import SqliteSnapshotStore
from toolhone.tokens import count_tokens

SIZES = (1_000, 10_000, 100_000)
MILLION = 1_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
VERBS = ("scan", "check", "review", "audit", "test", "open", "refund", "cancel", "ship", "list", "fix")
NOUNS = ("file", "order", "customer", "invoice", "plugin", "theme", "page", "banner", "login", "query")
KINDS = ("urgent", "late", "missing", "broken", "new", "old", "public", "private", "double", "invalid")
TOOLS: Json = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Look up a record.",
            "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}},
        },
    }
]


def work(rng: random.Random) -> tuple[str, Json, Json]:
    """A task type, what was asked and what was answered."""
    verb, noun, kind, number = rng.choice(VERBS), rng.choice(NOUNS), rng.choice(KINDS), rng.randrange(100_000)
    name = f"{rng.choice(NOUNS)}_{rng.choice(NOUNS)}{number}"
    match rng.randrange(5):
        case 0:
            return (
                "order",
                f"{verb} the {kind} {noun} {name} for customer {number}",
                {"done": verb, "name": name},
            )
        case 1:
            asked: Json = {"action": verb, "target": name, "line": number, "pattern": noun}
            return "json", asked, {"status": "ok", "target": name, "hits": rng.randrange(9)}
        case 2:
            lines = [
                f"Please {rng.choice(VERBS)} the {rng.choice(KINDS)} {rng.choice(NOUNS)} and then "
                f"{rng.choice(VERBS)} every {rng.choice(NOUNS)} before {rng.randrange(1, 29)} May."
                for _ in range(rng.randrange(4, 12))
            ]
            return (
                "prose",
                " ".join(lines),
                f"I have {verb}ed the {kind} {noun}; {name} was the last of them.",
            )
        case 3:
            ticket = (
                "You get a ticket. Read it, say what kind it is, who should handle it and how soon, and "
                f"answer in JSON. Ticket: {verb} {kind} {noun} {name}. Customer {number} wrote it."
            )
            return "ticket", {"text": ticket}, {"kind": kind, "team": noun, "hours": number % 48}
        case _:
            chat: Json = {
                "messages": [{"role": "user", "content": f"{verb} {name}, the {kind} one"}],
                "tools": TOOLS,
            }
            call: Json = {"function": {"name": "look_up", "arguments": {"id": number}}}
            return "chat", chat, {"content": None, "tool_calls": [call]}


def snapshots(number: int) -> Iterator[Snapshot]:
    rng = random.Random(0)
    asked: Json = None
    answered: Json = None
    task_type = ""
    for at in range(number):
        copied = rng.random() if at else 1.0
        if copied >= 0.2:
            task_type, asked, answered = work(rng)
        elif copied >= 0.1 and isinstance(asked, str):
            asked = f"{asked} please"
        yield Snapshot(
            snapshot_id=f"{at:032x}",
            recorded_at=(START + timedelta(seconds=at)).isoformat(timespec="microseconds"),
            agent_id=f"agent-{at % 7}",
            agent_name="agent",
            category=Category.SPECIALIZED,
            task_type=task_type,
            input_data=asked,
            output_data=answered,
            success=rng.random() < 0.9,
            performance_score=rng.random() ** 0.25,
            execution_time_ms=rng.random() * 1_000,
            tokens_used=rng.randrange(500),
        )


def fill(folder: Path, number: int) -> None:
    store = SqliteSnapshotStore(folder)
    made = snapshots(number)
    while some := list(islice(made, 5_000)):
        store.add(some)
    store.close()


def prepare(folder: Path, max_samples: int) -> None:
    """Prepare once and print the figures as JSON."""
    before = time.perf_counter()
    snapshot_store, dataset_store = SqliteSnapshotStore(folder), SqliteDatasetStore(folder)
    stages: dict[str, float] = {}

    async def record(event: AuditEvent) -> None:
        pass

    def progress(what: str, done: int, total: int) -> None:
        stages[what] = time.perf_counter() - before

    async def main() -> None:
        preparation = Preparation(
            lambda: snapshot_store,
            lambda: dataset_store,
            count_tokens=count_tokens,
            now=lambda: (START + timedelta(days=12)).isoformat(timespec="microseconds"),
            record=record,
        )
        request = DatasetRequest(category=Category.SPECIALIZED, max_samples=max_samples)
        manifest = await preparation.prepare(request, caller=LOCAL_CALLER, progress=progress)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        figures = {
            "seconds": time.perf_counter() - before,
            "bytes": peak,
            "rows": sum(manifest.counts[split] for split in ("train", "validation", "test")),
            "stages": stages,
            "dropped": dict(manifest.dropped),
        }
        print(json.dumps(figures))

    anyio.run(main)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--million", action="store_true", help="a million snapshots as well")
    parser.add_argument("--max-samples", type=int, default=10_000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        prepare(given.one, given.max_samples)
        return
    table = Table("snapshots", "rows kept", "seconds", "µs a snapshot", "peak MB", "bytes a snapshot")
    base = 0
    for size in (*SIZES, MILLION) if given.million else SIZES:
        with tempfile.TemporaryDirectory() as name:
            fill(Path(name), size)
            command = [sys.executable, __file__, "--one", name, "--max-samples", str(given.max_samples)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout)
        base = base or figures["bytes"]
        table.add_row(
            f"{size:,}",
            f"{figures['rows']:,}",
            f"{figures['seconds']:.1f}",
            f"{figures['seconds'] / size * 1e6:.0f}",
            f"{figures['bytes'] / 1e6:.0f}",
            f"{figures['bytes'] / size:.0f}",
        )
        print(f"{size:,}: {figures['stages']} {figures['dropped']}", file=sys.stderr)
    Console().print(table)


if __name__ == "__main__":
    main()
