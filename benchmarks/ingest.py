"""How fast snapshots are taken in, redacted and kept, and how that grows with what is there.

python benchmarks/ingest.py [--sizes 1000 10000 100000] [--million] [--batch 100 1000] [--durable]

Each size is filled in a process of its own, into a fresh data folder on the disk of --folder, through the
collector as everybody uses it: checked, redacted (`redact_record`), written in one transaction a batch, and
the audit told. A snapshot is the work of an agent in chat form, 1 to 2 KB of JSON, one in five of them with
secrets or personal data in it; none is like another.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import anyio
from rich.console import Console
from rich.table import Table

from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.models import LOCAL_CALLER, Category, JsonObject
from toolhone.records.snapshots import NewSnapshot, SnapshotQuery
from toolhone.redaction import redact, redact_record
from toolhone.snapshots.collector import Collector
from toolhone.snapshots.validation import new_snapshot
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.snapshots import SqliteSnapshotStore

MILLION = 1_000_000
DIFFERENT = 2_000
"""Snapshots that are made before the clock runs; after them their numbers change only."""

TEXT = """
the a of in to and is that for on with as by from at it an be this are or was but not have has had
which one their all were when there can more if no out so said what up its about than into them only other
time new some could these two may first then do any like my now over such our man me even most made after
also did many before must through years where much your way well down should because each just those people
scan report path severity finding request handler module query schema index cache token limit retry error
"""
WORDS = TEXT.split()

COLUMNS = {
    "rows": "snapshots",
    "batch": "a batch",
    "rate": "per second",
    "last": "of the last tenth",
    "processor": "CPU ms each",
    "bytes": "bytes each",
    "file": "file MB",
    "memory": "peak MB",
    "select": "µs a row read",
    "counts": "counts ms",
    "recent": "newest 50 ms",
    "erase": "erase 1 agent ms",
}

NOTES = """
per second: all that `collect` does, from validated objects to the acknowledgement; of the last tenth: when
nearly all the others are there already. CPU: of the whole process. bytes each: the minified JSON handed in.
peak MB: resident memory of the process, interpreter and libraries included. µs a row read: a whole category
streamed. counts: of all categories. erase 1 agent: 1 of 500, overwritten on the disk, its space given back.
"""


def work(number: int, chance: random.Random) -> JsonObject:
    """The work of an agent, as it is handed in."""

    def text(words: int) -> str:
        return " ".join(chance.choices(WORDS, k=words)).capitalize() + "."

    path = f"src/{chance.choice(WORDS)}/{chance.choice(WORDS)}.py"
    findings = [
        {"line": chance.randrange(900), "severity": chance.choice(["low", "high"]), "text": text(9)}
        for _ in range(3)
    ]
    request = f"Scan {path} for request {number}. {text(40)}"
    if number % 5 == 0:
        digits = "".join(chance.choices("0123456789abcdefABCDEFxyz", k=32))
        request += f" Answer to user{number}@example.com; export API_KEY=sk-{digits}"
    return {
        "agent_id": f"agent-{number % 500}",
        "agent_name": f"Scanner {number % 500}",
        "category": list(Category)[number % 4].value,
        "task_type": chance.choice(["scan", "review", "report"]),
        "input_data": {
            "messages": [{"role": "system", "content": text(25)}, {"role": "user", "content": request}]
        },
        "output_data": {"content": json.dumps({"path": path, "findings": findings}), "notes": text(20)},
        "success": number % 10 != 0,
        "performance_score": round(chance.random(), 3),
        "execution_time_ms": round(chance.random() * 2_000, 1),
        "tokens_used": chance.randrange(2_000),
        "user_id": f"user-{number % 3_000}",
        "session": f"session-{number // 20}",
        "tools_offered": ["read_file", "scan", "report"],
        "tools_used": ["scan"],
        "metadata": {"model": "m-1", "attempt": number % 3},
    }


async def measure(folder: Path, size: int, batch: int, durable: bool) -> JsonObject:
    """Fill a folder, and time what is done with it then."""
    chance = random.Random(size)
    made = [work(number, chance) for number in range(min(size, DIFFERENT))]
    handed_in = [new_snapshot(value) for value in made]
    store = SqliteSnapshotStore(folder, durable=durable)
    audit = AuditLog(partial(SqliteAuditStore, folder, durable=durable), redact=redact)
    collector = Collector(
        lambda: store,
        redact=redact_record,
        record=audit.record,
        new_event=new_event,
        now=utc_timestamp,
        new_id=new_id,
    )

    def fresh(number: int) -> NewSnapshot:
        snapshot = handed_in[number % len(handed_in)]
        if number < len(handed_in):
            return snapshot
        return snapshot.model_copy(update={"input_data": {**snapshot.input_data, "number": number}})

    await collector.collect(handed_in[:1], caller=LOCAL_CALLER)  # opens the files
    began, busy = perf_counter(), process_time()
    last_tenth, at = began, 0
    for start in range(0, size, batch):
        if start <= size * 9 // 10:
            last_tenth, at = perf_counter(), start
        await collector.collect(
            [fresh(number) for number in range(start, min(start + batch, size))], caller=LOCAL_CALLER
        )
    ended = perf_counter()
    figures: JsonObject = {
        "rows": size,
        "batch": batch,
        "rate": size / (ended - began),
        "last": (size - at) / (ended - last_tenth),
        "processor": (process_time() - busy) * 1_000 / size,
        "bytes": sum(len(json.dumps(value, separators=(",", ":"))) for value in made) / len(made),
        "file": file_bytes(folder) / 1e6,
    }
    began = perf_counter()
    read = sum(1 for _ in store.select(SnapshotQuery(category=Category.CORE_SECURITY)))
    figures["select"] = (perf_counter() - began) * 1e6 / read
    figures["counts"] = milliseconds(began := perf_counter(), store.counts())
    figures["recent"] = milliseconds(
        began := perf_counter(), list(store.select(SnapshotQuery(limit=50, newest_first=True)))
    )
    figures["erase"] = milliseconds(
        began := perf_counter(), store.erase(agent_id="agent-7", at=utc_timestamp())
    )
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    await audit.aclose()
    store.close()
    return figures


def file_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("snapshots.db*"))


def milliseconds(began: float, _: object) -> float:
    return (perf_counter() - began) * 1_000


def shown(figures: JsonObject) -> list[str]:
    digits = {"processor": 3, "select": 1, "counts": 1, "recent": 1, "erase": 1}
    return [f"{figures[name]:,.{digits.get(name, 0)}f}" for name in COLUMNS]


def in_a_process(size: int, batch: int, durable: bool, folder: Path | None) -> JsonObject:
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-", dir=folder) as place:
        command = [sys.executable, __file__, "--one", place, str(size), str(batch)]
        done = subprocess.run(
            [*command, *(["--durable"] if durable else [])], capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="a million too: some 3 GB of disk")
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--durable", action="store_true", help="flush each commit to the disk itself")
    parser.add_argument("--folder", type=Path, help="where the data folders are made")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        place, size, batch = options.one
        figures = anyio.run(measure, Path(place), int(size), int(batch), options.durable)
        print(json.dumps(figures))
        return
    table = Table(*COLUMNS.values(), title="Snapshots taken in")
    sizes = [*options.sizes, *([MILLION] if options.million else [])]
    for size in sizes:
        # Small batches tell of their cost at any size; the large ones of growth.
        for batch in options.batch if size <= 10_000 else options.batch[-1:]:
            table.add_row(*shown(in_a_process(size, batch, options.durable, options.folder)))
    console = Console(width=160)
    console.print(table)
    console.print(NOTES.strip(), style="dim")


if __name__ == "__main__":
    main()
