"""Collecting: all or none, kept on return, in few transactions, and the audit learns no content."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.models import LOCAL_CALLER, AuditEvent, Caller, EventKind, Json, JsonObject
from toolhone.records.snapshots import NewSnapshot, Snapshot, SnapshotQuery
from toolhone.records.stores import SnapshotStore
from toolhone.snapshots.collector import Collector
from toolhone.snapshots.validation import new_snapshot
from toolhone.storage.memory_snapshots import MemorySnapshotStore
from toolhone.storage.snapshots import SqliteSnapshotStore

if TYPE_CHECKING:
    from snapshots.conftest import Told

Make = Callable[..., JsonObject]
CollectorOf = Callable[[SnapshotStore], Collector]
EVERYTHING = SnapshotQuery()


class HeldStore(MemorySnapshotStore):
    """Lets the test hold a write while others come, and notes what was written together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.error: Exception | None = None

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        assert self.let.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        super().add(snapshots)
        self.batches.append(len(snapshots))

    async def wait_entered(self) -> None:
        assert await anyio.to_thread.run_sync(lambda: self.entered.acquire(timeout=10))


@pytest.fixture
def held() -> HeldStore:
    return HeldStore()


@pytest.fixture
def new(handed_in: Make) -> Callable[..., NewSnapshot]:
    def make(**changes: Json) -> NewSnapshot:
        return new_snapshot(handed_in(**changes))

    return make


New = Callable[..., NewSnapshot]


async def all_wait(collector: Collector, number: int) -> None:
    """Until so many have handed in what is not written yet."""
    with anyio.fail_after(60):
        while len(collector._pending) < number:
            await anyio.lowlevel.checkpoint()


async def test_what_was_collected_is_kept_with_the_ids_that_are_returned(
    collector: Collector, store: SnapshotStore, new: New
) -> None:
    ids = await collector.collect([new(agent_id="a"), new(agent_id="b")], caller=LOCAL_CALLER)

    assert [(one.snapshot_id, one.agent_id) for one in store.select(EVERYTHING)] == [
        (ids[0], "a"),
        (ids[1], "b"),
    ]


async def test_nothing_to_collect_is_nothing(collector: Collector, told: "Told") -> None:
    assert await collector.collect([], caller=LOCAL_CALLER) == []
    assert told.events == []


async def test_the_audit_is_told_who_collected_how_much_and_nothing_of_it(
    collector: Collector, told: "Told", new: New
) -> None:
    caller = Caller(principal="anna", client="c", session="s")
    ids = await collector.collect(
        [
            new(agent_id="a"),
            new(agent_id="b", category="ecommerce", input_data="the content"),
            new(agent_id="a"),
        ],
        caller=caller,
    )

    (event,) = told.events
    assert (event.kind, event.caller, event.success) == (EventKind.SNAPSHOT, caller, True)
    assert event.payload == {
        "what": "collected",
        "snapshots": 3,
        "categories": {"core_security": 2, "ecommerce": 1},
        "agents": 2,
        "agent_ids": ["a", "b"],
        "first": ids[0],
        "last": ids[-1],
    }


async def test_an_event_about_many_agents_stays_small(collector: Collector, told: "Told", new: New) -> None:
    await collector.collect([new(agent_id=f"agent-{number}") for number in range(300)], caller=LOCAL_CALLER)

    assert told.events[0].payload["agents"] == 300
    assert len(json.dumps(told.events[0].payload)) < 1_000


async def test_one_that_cannot_be_kept_keeps_its_batch_out_and_is_named(
    collector: Collector, store: SnapshotStore, told: "Told", handed_in: Make, new: New
) -> None:
    bad = NewSnapshot.model_validate(handed_in(input_data=float("nan")))

    with pytest.raises(InvalidRequestError, match=r"None of the 3 .* number 2 cannot be: 'input_data'"):
        await collector.collect([new(), bad, new()], caller=LOCAL_CALLER)
    with pytest.raises(InvalidRequestError, match=r"^'input_data' is not JSON"):
        await collector.collect([bad], caller=LOCAL_CALLER)

    assert store.count(EVERYTHING) == 0
    assert told.events == []


async def test_redacting_and_writing_leave_the_event_loop_alone(
    held: HeldStore, collector_of: CollectorOf, new: New
) -> None:
    collector = collector_of(held)
    here = threading.current_thread().name
    redactors: set[str] = set()

    def redact(value: Json) -> Json:
        redactors.add(threading.current_thread().name)
        return value

    collector._redact = redact
    held.let.release()
    await collector.collect([new()], caller=LOCAL_CALLER)

    assert here not in redactors | held.threads
    assert redactors and held.threads


async def test_those_who_come_during_a_write_share_the_next(
    held: HeldStore, collector_of: CollectorOf, new: New, told: "Told"
) -> None:
    collector = collector_of(held)
    ids: dict[int, list[str]] = {}

    async def collect(number: int) -> None:
        ids[number] = await collector.collect([new(agent_id=f"agent-{number}")] * 2, caller=LOCAL_CALLER)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, 0)
            await held.wait_entered()
            for number in range(1, 6):
                tasks.start_soon(collect, number)
            await all_wait(collector, 5)
            held.let.release()
            held.let.release()

    assert held.batches == [2, 10]
    assert len(told.events) == 6
    kept = {one.snapshot_id: one.agent_id for one in held.select(EVERYTHING)}
    assert all(kept[one] == f"agent-{number}" for number, mine in ids.items() for one in mine)


async def test_a_failing_disk_fails_everybody_in_the_write_and_nobody_after_it(
    held: HeldStore, collector_of: CollectorOf, new: New, told: "Told"
) -> None:
    collector = collector_of(held)
    held.error = StorageError("the disk is full", data={"file": "f"})
    errors: list[StorageError] = []

    async def fails() -> None:
        with pytest.raises(StorageError, match=r"The snapshot is not kept: the disk is full") as caught:
            await collector.collect([new()], caller=LOCAL_CALLER)
        errors.append(caught.value)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fails)
            for _ in range(3):
                held.let.release()
        held.error = None
        held.let.release()
        await collector.collect([new()], caller=LOCAL_CALLER)

    assert len({id(error) for error in errors}) == 3
    assert errors[0].data == {"file": "f"}
    assert held.count(EVERYTHING) == 1
    assert len(told.events) == 1


async def test_what_cannot_be_written_does_not_take_its_neighbours_with_it(
    collector_of: CollectorOf, new: New
) -> None:
    class Picky(HeldStore):
        def add(self, snapshots: Sequence[Snapshot]) -> None:
            super().add(snapshots)
            if any(one.agent_id == "bad" for one in snapshots):
                for one in snapshots:
                    del self._snapshots[one.snapshot_id]
                raise InvalidRequestError("one is bad")

    store = Picky()
    collector = collector_of(store)
    for _ in range(20):
        store.let.release()
    store.let.acquire()
    failed: list[str] = []

    async def collect(agent: str) -> None:
        try:
            await collector.collect([new(agent_id=agent)], caller=LOCAL_CALLER)
        except InvalidRequestError:
            failed.append(agent)

    with anyio.fail_after(60):
        async with collector._writing, anyio.create_task_group() as tasks:
            for agent in ("a", "bad", "b"):
                tasks.start_soon(collect, agent)
            await all_wait(collector, 3)
            collector._writing.release()
            await anyio.lowlevel.checkpoint()
            await collector._writing.acquire()

    assert failed == ["bad"]
    assert sorted(one.agent_id for one in store.select(EVERYTHING)) == ["a", "b"]


async def test_an_audit_that_cannot_be_told_is_said_with_the_ids_that_are_kept(
    collector: Collector, store: SnapshotStore, told: "Told", new: New
) -> None:
    told.error = StorageError("audit.db is locked")

    with pytest.raises(StorageError, match=r"The 2 snapshots are kept, but .* audit.db is locked") as caught:
        await collector.collect([new(), new()], caller=LOCAL_CALLER)

    assert caught.value.data["snapshot_ids"] == [one.snapshot_id for one in store.select(EVERYTHING)]


async def test_whoever_is_cancelled_during_the_write_has_been_written(
    held: HeldStore, collector_of: CollectorOf, new: New, told: "Told"
) -> None:
    collector = collector_of(held)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: collector.collect([new()], caller=LOCAL_CALLER))
            await held.wait_entered()
            tasks.cancel_scope.cancel()
            held.let.release()

    assert held.count(EVERYTHING) == 1
    assert len(told.events) == 1


async def test_a_write_that_asyncio_cancels_is_written_once_and_holds_up_nobody(
    held: HeldStore, collector_of: CollectorOf, new: New
) -> None:
    collector = collector_of(held)

    async def collect(agent: str) -> None:
        await collector.collect([new(agent_id=agent)], caller=LOCAL_CALLER)

    async with asyncio.timeout(10):
        first = asyncio.create_task(collect("first"))
        await held.wait_entered()
        second = asyncio.create_task(collect("second"))
        await all_wait(collector, 1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            held.let.release()
            await first
        held.let.release()
        await second

    assert [one.agent_id for one in held.select(EVERYTHING)] == ["first", "second"]


async def test_many_who_hand_in_at_once_all_find_their_own(
    tmp_path: Path, collector_of: CollectorOf, new: New
) -> None:
    store = SqliteSnapshotStore(tmp_path)
    collector = collector_of(store)
    found: dict[str, str] = {}

    async def collect(agent: str) -> None:
        for snapshot_id in await collector.collect([new(agent_id=agent)] * 3, caller=LOCAL_CALLER):
            found[snapshot_id] = agent

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(collect, f"agent-{number}")

    assert {one.snapshot_id: one.agent_id for one in store.select(EVERYTHING)} == found
    assert len(found) == 300
    store.close()


def test_every_acknowledged_snapshot_outlives_kill_9(tmp_path: Path, scripts: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(scripts / "collect_and_wait.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(150)]
    # In the middle of its work, with writes and acknowledgements under way.
    child.kill()
    rest, _ = child.communicate(timeout=60)
    # The last line may have been cut off.
    acknowledged += rest.split("\n")[:-1]

    store = SqliteSnapshotStore(tmp_path)
    kept = [one.snapshot_id for one in store.select(EVERYTHING)]
    store.close()

    assert len(set(acknowledged)) == len(acknowledged) >= 150
    assert set(acknowledged) <= set(kept)


def test_the_store_is_not_opened_before_something_is_collected(
    told: "Told", event_of: Callable[..., AuditEvent]
) -> None:
    def never() -> SnapshotStore:
        raise AssertionError("opened")

    numbers = count()
    Collector(
        never,
        redact=lambda value: value,
        record=told.record,
        new_event=event_of,
        now=lambda: "",
        new_id=lambda: str(next(numbers)),
    )
