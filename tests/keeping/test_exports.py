"""Exports hold each snapshot and each row once, however writers end, and lose what is erased."""

import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.assembly import exports as exports_of
from toolhone.events import new_event
from toolhone.exceptions import ConflictError, InvalidRequestError
from toolhone.keeping.exports import LOCK, Exports, Rotation, audit_line
from toolhone.keeping.lock import FileLock
from toolhone.keeping.rotating import RotatingLines
from toolhone.models import LOCAL_CALLER, Category, EventKind, JsonObject
from toolhone.records.snapshots import Snapshot, SnapshotQuery
from toolhone.settings import Settings
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.snapshots import SqliteSnapshotStore
from toolhone.stores import AuditQuery

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEED_AUDIT = {
    *("audit_id", "request_id", "tool_name", "provider", "user_id", "permission_level", "risk_level"),
    *("parameters", "success", "error", "execution_time_ms", "tokens_used", "violation", "violation_reason"),
    "timestamp",
}
SEED_SNAPSHOT = {
    *("agent_id", "agent_name", "category", "timestamp", "task_type", "input_data", "output_data", "success"),
    *("performance_score", "execution_time_ms", "tokens_used", "user_feedback", "metadata"),
}


def snapshot(number: int) -> Snapshot:
    return Snapshot(
        snapshot_id=f"s{number}",
        recorded_at=START.isoformat(timespec="microseconds"),
        agent_id="a",
        agent_name="A",
        category=Category.ECOMMERCE,
        task_type="t",
        input_data={"n": number},
        output_data="done",
        success=True,
        performance_score=1,
        execution_time_ms=1,
    )


class World:
    """A data folder and its exports, with a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.data, self.out = folder / "data", folder / "out"
        self.audit, self.snapshots = SqliteAuditStore(self.data), SqliteSnapshotStore(self.data)
        self.now = START

    def exports(self, *, largest: int = 1_000_000, most: int = 90, days: int = 0) -> Exports:
        return Exports(
            self.out,
            self.data,
            open_audit=lambda: SqliteAuditStore(self.data),
            open_snapshots=lambda: SqliteSnapshotStore(self.data),
            rotation=Rotation(largest=largest, most=most, audit_days=days, snapshot_days=days),
            now=lambda: self.now,
        )

    def call(self, words: str = "") -> str:
        event = new_event(EventKind.CALL, LOCAL_CALLER, tool="t", payload={"arguments": {"words": words}})
        self.audit.append([event])
        return event.event_id

    def lines(self, where: str = "logs") -> list[JsonObject]:
        """All lines of all files, in the order of their numbers."""
        found = [
            json.loads(line)
            for path in (self.out / where).iterdir()
            for line in path.read_bytes().splitlines()
        ]
        return sorted(found, key=lambda line: line["seq"])

    def seqs(self, where: str = "logs") -> list[int]:
        return [line["seq"] for line in self.lines(where)]

    def close(self) -> None:
        self.audit.close()
        self.snapshots.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_the_layout_is_the_one_known_from_before(world: World) -> None:
    world.call("hello")
    world.snapshots.add([snapshot(1)])

    written = await world.exports().export()

    assert (written.snapshots, written.rows) == (1, 1)
    [snapshots] = (world.out / "agent_finetuning").iterdir()
    assert snapshots.match("snapshots_*.jsonl")
    assert [path.name for path in (world.out / "logs").iterdir()] == ["tool_calls_audit.jsonl"]
    [row], [one] = world.lines(), world.lines("agent_finetuning")
    assert row.keys() >= SEED_AUDIT
    assert one.keys() >= SEED_SNAPSHOT
    assert (row["parameters"], one["input_data"]) == ({"words": "hello"}, {"n": 1})
    assert all(path.stat().st_mode & 0o077 == 0 for path in world.out.rglob("*"))


async def test_nothing_is_lost_or_there_twice_wherever_a_writer_dies(world: World, tmp_path: Path) -> None:
    """Killed again and again while it writes, a few lines on each time."""
    world.audit.append([new_event(EventKind.CALL, LOCAL_CALLER) for _ in range(300)])
    world.snapshots.add([snapshot(number) for number in range(300)])
    program = (
        "import os, signal, sys, anyio\n"
        "from pathlib import Path\n"
        "from toolhone.assembly import exports\n"
        "from toolhone.keeping import exports as module, rotating\n"
        "from toolhone.settings import Settings\n"
        "module.AT_ONCE = 20\n"
        "left = int(sys.argv[3])\n"
        "spelled = rotating._spelled\n"
        "def dying(line):\n"
        "    global left\n"
        "    left -= 1\n"
        "    text = spelled(line)\n"
        "    if left == 0:\n"
        "        files = sorted(Path(sys.argv[2]).rglob('*.jsonl'), key=lambda one: one.stat().st_mtime_ns)\n"
        "        if files: files[-1].open('ab').write(text[:30])\n"  # a line that was torn
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return text\n"
        "rotating._spelled = dying\n"
        "settings = Settings(data=Path(sys.argv[1]), export_folder=Path(sys.argv[2]))\n"
        "anyio.run(exports(settings).export)\n"
    )
    for left in (1, 30, 95):
        command = [sys.executable, "-c", program, str(world.data), str(world.out), str(left)]
        with anyio.fail_after(60):
            died = await anyio.run_process(command, check=False)
        assert died.returncode == -signal.SIGKILL

    await world.exports().export()

    assert world.seqs() == list(range(1, 301))
    assert world.seqs("agent_finetuning") == list(range(1, 301))


async def test_several_processes_keep_one_export(world: World) -> None:
    for _ in range(5):
        world.audit.append([new_event(EventKind.CALL, LOCAL_CALLER) for _ in range(40)])
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(world.exports().export)

    assert world.seqs() == list(range(1, 201))


async def test_who_does_not_want_to_wait_for_another_writer_does_not(world: World) -> None:
    await world.exports().export()
    lock = FileLock(world.out / LOCK)
    assert lock.acquire(patience=0)

    with pytest.raises(ConflictError, match="Another process"):
        await world.exports().export(patience=0)

    lock.release()
    await world.exports().export(patience=0)


async def test_files_end_by_day_and_by_size_and_the_oldest_go(world: World) -> None:
    for _ in range(6):
        world.call("x" * 300)
        world.snapshots.add([snapshot(len(list(world.snapshots.select(SnapshotQuery()))))])
        await world.exports(largest=1, most=3).export()
        world.now += timedelta(days=1)

    names = sorted(path.name for path in (world.out / "logs").iterdir())
    assert len(names) == 3
    assert all(name.startswith("tool_calls_audit_2026") for name in names)
    assert world.seqs() == [4, 5, 6]
    assert world.seqs("agent_finetuning") == [4, 5, 6]

    # How far it came is known without them, too.
    world.now += timedelta(days=100)
    await world.exports(days=30).export()
    assert (world.lines(), world.lines("agent_finetuning")) == ([], [])
    world.call()
    await world.exports(days=30).export()
    assert world.seqs() == [7]


async def test_an_erasure_takes_lines_out_and_empties_rows_as_the_store_does(world: World) -> None:
    hers, his = world.call("anna"), world.call("ben")
    world.snapshots.add([snapshot(1), snapshot(2)])
    exports = world.exports()
    await exports.export()

    async with exports.forgetting(snapshots=["s2"], events=[hers]) as changed:
        world.audit.erase(
            [hers], record=new_event(EventKind.ERASURE, LOCAL_CALLER, payload={"event_ids": [hers]})
        )
        # Nobody exports in between: what is erased here would be written.
        with pytest.raises(ConflictError):
            await world.exports().export(patience=0)

    assert changed == 2
    stored = list(world.audit.export(AuditQuery(limit=2, newest_first=False)))
    assert world.lines() == [audit_line(row) for row in stored]
    assert [line["snapshot_id"] for line in world.lines("agent_finetuning")] == ["s1"]
    assert all(b"anna" not in path.read_bytes() for path in world.out.rglob("*.jsonl"))
    assert his in {line["audit_id"] for line in world.lines()}

    # The number of what went is not taken for that of what comes.
    world.snapshots.delete(SnapshotQuery())
    world.snapshots.add([snapshot(3)])
    await exports.export()
    assert [line["snapshot_id"] for line in world.lines("agent_finetuning")] == ["s1", "s3"]
    assert world.seqs() == [1, 2, 3]


async def test_exports_of_another_life_of_the_data_are_put_aside(world: World) -> None:
    world.call("before")
    await world.exports().export()
    world.close()
    for path in world.data.iterdir():
        path.unlink()
    world.audit = SqliteAuditStore(world.data)
    world.call("after")

    await world.exports().export()

    assert [line["parameters"] for line in world.lines()] == [{"words": "after"}]
    [aside] = world.out.glob("before-*/logs/tool_calls_audit.jsonl")
    assert json.loads(aside.read_text())["parameters"] == {"words": "before"}
    # Erasures reach it there.
    event_id = json.loads(aside.read_text())["audit_id"]
    async with world.exports().forgetting(events=[event_id]) as changed:
        assert changed == 1
    assert "before" not in aside.read_text()


async def test_two_data_folders_cannot_share_an_export(world: World, tmp_path: Path) -> None:
    await world.exports().export()

    other = exports_of(Settings(data=tmp_path / "other", export_folder=world.out))

    with pytest.raises(InvalidRequestError, match="data folder"):
        await other.export()
    with pytest.raises(InvalidRequestError, match="export_folder"):
        await exports_of(Settings(data=tmp_path / "other")).export()


Step = tuple[str, int]


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "tear", "day", "change", "again"]), st.integers(1, 5)), max_size=25
    ),
    current=st.sampled_from(["lines.jsonl", None]),
    largest=st.integers(1, 400),
)
def test_lines_are_there_once_and_in_order_whatever_happens_to_files(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], current: str | None, largest: int
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    now, last, gone = START, 0, set[int]()

    def opened() -> RotatingLines:
        lines = RotatingLines(folder, "lines", current=current, largest=largest)
        lines.mend()
        return lines

    lines = opened()
    for what, number in steps:
        now += timedelta(seconds=1)
        if what == "add":
            lines.add([{"seq": last + place, "text": "é" * place} for place in range(1, number + 1)], now=now)
            last += number
        elif what == "tear" and (files := lines.files()):
            with files[-1].open("ab") as file:
                file.write(b'{"seq": 99'[:number])
            lines = opened()
        elif what == "day":
            now += timedelta(days=number)
        elif what == "change":
            chosen = {seq for seq in range(1, last) if seq % (number + 1) == 0}  # never the last
            lines.change(_without(chosen))
            gone |= chosen
        elif what == "again":
            lines = opened()
        assert (lines.last() or {"seq": 0})["seq"] == last
    written = [json.loads(line)["seq"] for path in lines.files() for line in path.read_bytes().splitlines()]
    assert written == [seq for seq in range(1, last + 1) if seq not in gone]


def _without(chosen: set[int]) -> Callable[[JsonObject], JsonObject | None]:
    return lambda line: None if line["seq"] in chosen else line
