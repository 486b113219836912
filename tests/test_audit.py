"""Recording: redacted before it is written, kept on return, together where it can be, never lost."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.exceptions import (
    DamagedStorageError,
    InvalidRequestError,
    NotRunningError,
    StorageError,
)
from toolhone.models import LOCAL_CALLER, AuditEvent, EventKind, Json, JsonObject
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.memory import MemoryAuditStore
from toolhone.stores import AuditQuery

EVERYTHING = AuditQuery(limit=None, newest_first=False)


def call(number: int = 0, **payload: Json) -> AuditEvent:
    return new_event(EventKind.CALL, LOCAL_CALLER, tool="t", payload={"arguments": {"n": number}, **payload})


def as_is(value: Json) -> Json:
    return value


class HeldStore(MemoryAuditStore):
    """Lets the test hold a write while others come, and notes what was written together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.error: Exception | None = None

    def append(self, events: Sequence[AuditEvent]) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        assert self.let.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        super().append(events)
        self.batches.append(len(events))

    async def wait_entered(self) -> None:
        assert await anyio.to_thread.run_sync(lambda: self.entered.acquire(timeout=10))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = AuditLog(lambda: SqliteAuditStore(tmp_path), redact=as_is)
    yield log
    await log.aclose()


@pytest.fixture
def held() -> HeldStore:
    return HeldStore()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def test_a_recorded_event_is_read_back(log: AuditLog) -> None:
    event = call(7)
    await log.record(event)

    [row] = await log.query(AuditQuery())

    assert (row["audit_id"], row["parameters"]) == (event.event_id, {"n": 7})
    assert (await log.verify()).whole
    assert (await log.usage())["t"].calls == 1


async def test_many_events_at_once_are_all_kept_in_the_order_they_came(log: AuditLog) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(log.record, call(number))

    rows = await log.query(EVERYTHING)
    assert [row["parameters"]["n"] for row in rows] == list(range(200))
    assert (await log.verify()).problems == ()


async def test_events_that_come_during_a_write_go_together_in_the_next(held: HeldStore) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.record, call())
            await held.wait_entered()
            for number in range(5):
                tasks.start_soon(log.record, call(number))
            await settled()
            held.let.release()
            held.let.release()

    assert held.batches == [1, 5]
    assert threading.current_thread().name not in held.threads


async def test_the_store_is_opened_when_first_needed_and_again_if_that_failed() -> None:
    opened: list[str] = []

    def open_store() -> MemoryAuditStore:
        opened.append(threading.current_thread().name)
        if len(opened) == 1:
            raise StorageError("The disk is not there yet.")
        return MemoryAuditStore()

    log = AuditLog(open_store, redact=as_is)
    assert opened == []
    with pytest.raises(StorageError, match="not there yet"):
        await log.record(call())
    await log.record(call())
    await log.record(call())

    assert len(opened) == 2
    assert threading.current_thread().name not in opened


async def test_the_secret_never_reaches_the_files(tmp_path: Path) -> None:
    def redact(value: Json) -> Json:
        return json.loads(json.dumps(value).replace("hunter2", "[redacted]"))

    log = AuditLog(lambda: SqliteAuditStore(tmp_path), redact=redact)
    await log.record(
        new_event(
            EventKind.REFUSAL,
            LOCAL_CALLER,
            slot="slot-hunter2",
            tool="Not a tool: hunter2",
            payload={"arguments": {"password": "hunter2"}},
        )
    )

    files = contents(tmp_path)
    assert b"[redacted]" in files["audit.db-wal"]
    assert not [name for name, content in files.items() if b"hunter2" in content]
    [row] = await log.query(AuditQuery())
    assert row["parameters"] == {"password": "[redacted]"}
    assert (row["slot"], row["tool_name"]) == ("slot-[redacted]", "Not a tool: [redacted]")
    await log.aclose()


async def test_an_event_that_cannot_be_redacted_is_not_written(
    log: AuditLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def redact(value: Json) -> Json:
        raise RecursionError("too deep")

    other = AuditLog(lambda: SqliteAuditStore(tmp_path), redact=redact)
    with caplog.at_level(logging.ERROR), pytest.raises(StorageError, match="RecursionError: too deep"):
        await other.record(call())
    await other.aclose()

    assert await log.query(EVERYTHING) == []
    assert "could not be written" in caplog.text


async def test_a_failing_write_reaches_every_caller_of_its_batch(
    held: HeldStore, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    held.error = DamagedStorageError("audit.db is damaged")
    errors: list[StorageError] = []

    async def record() -> None:
        try:
            await log.record(call())
        except StorageError as exc:
            errors.append(exc)

    with anyio.fail_after(10), caplog.at_level(logging.ERROR):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(record)
            held.let.release()
            held.let.release()
    held.error = None
    held.let.release()
    await log.record(call())

    assert [type(error) for error in errors] == [DamagedStorageError] * 3
    assert len({id(error) for error in errors}) == 3
    assert "audit.db is damaged" in caplog.text
    assert (await log.verify()).rows == 1


async def test_an_event_that_cannot_be_stored_leaves_its_neighbours_alone(held: HeldStore) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    failed: list[StorageError] = []

    async def record_odd() -> None:
        with pytest.raises(StorageError, match="not JSON") as caught:
            await log.record(call(result={1, 2}))
        failed.append(caught.value)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.record, call(0))
            await held.wait_entered()
            tasks.start_soon(log.record, call(1))
            tasks.start_soon(record_odd)
            tasks.start_soon(log.record, call(2))
            await settled()
            for _ in range(5):
                held.let.release()

    assert isinstance(failed[0].__cause__, InvalidRequestError)
    assert [row["parameters"]["n"] for row in await log.query(EVERYTHING)] == [0, 1, 2]


@pytest.mark.parametrize("position", [0, 1, 2], ids=["writing", "next to lead", "waiting"])
async def test_a_cancelled_caller_loses_nothing(held: HeldStore, position: int) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    scopes = [anyio.CancelScope() for _ in range(3)]
    ended: list[int] = []

    async def record(number: int) -> None:
        with scopes[number]:
            await log.record(call(number))
            await anyio.lowlevel.checkpoint()
            ended.append(number)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(record, 0)
            await held.wait_entered()
            tasks.start_soon(record, 1)
            tasks.start_soon(record, 2)
            await settled()
            scopes[position].cancel()
            await settled()
            held.let.release()
            held.let.release()

    assert [row["parameters"]["n"] for row in await log.query(EVERYTHING)] == [0, 1, 2]
    assert ended == [number for number in range(3) if number != position]


@pytest.mark.parametrize("position", [0, 1, 2], ids=["writing", "next to lead", "waiting"])
async def test_asyncios_own_cancellation_loses_nothing_either(held: HeldStore, position: int) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [group.create_task(log.record(call(0)))]
        await held.wait_entered()
        tasks += [group.create_task(log.record(call(number))) for number in (1, 2)]
        await settled()
        tasks[position].cancel()
        await settled()
        tasks[position].cancel()  # twice, as impatient callers do
        await settled()
        assert not tasks[position].done()
        for _ in range(3):
            held.let.release()

    assert tasks[position].cancelled()
    assert [row["parameters"]["n"] for row in await log.query(EVERYTHING)] == [0, 1, 2]
    await log.aclose()


async def test_a_write_without_a_thread_fails_and_the_next_one_works(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_thread(*args: object, **options: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", no_thread)
        with pytest.raises(StorageError, match="can't start new thread"):
            await log.record(call(1))
    with anyio.fail_after(10):
        await log.record(call(2))

    assert [row["parameters"]["n"] for row in await log.query(EVERYTHING)] == [2]


async def test_erasing_many_events_names_each_in_the_record(log: AuditLog) -> None:
    events = [call(number) for number in range(1_100)]
    async with anyio.create_task_group() as tasks:
        for event in events:
            tasks.start_soon(log.record, event)

    assert await log.erase([event.event_id for event in events], caller=LOCAL_CALLER) == 1_100

    records = await log.query(AuditQuery(kinds=["erasure"], limit=None, newest_first=False))
    named = [event_id for record in records for event_id in record["details"]["event_ids"]]
    assert sorted(named) == sorted(event.event_id for event in events)
    verification = await log.verify()
    assert (verification.erased, verification.problems) == (1_100, ())


async def test_an_export_is_a_private_file_of_json_lines(log: AuditLog, tmp_path: Path) -> None:
    await log.record(call(1, result="Zürich and a lone \ud800"))
    await log.record(call(2))
    path = tmp_path / "tool_calls_audit.jsonl"
    path.write_text("from an earlier day")

    assert await log.export_to(path) == 2

    rows: list[JsonObject] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["parameters"]["n"] for row in rows] == [1, 2]
    assert rows[0]["result"] == "Zürich and a lone \ud800"
    assert rows == await log.query(EVERYTHING)
    assert path.stat().st_mode & 0o077 == 0
    assert not [name for name in contents(tmp_path) if name.endswith(".partial")]


async def test_an_export_that_fails_leaves_the_earlier_file(log: AuditLog, tmp_path: Path) -> None:
    await log.record(call(1))
    with pytest.raises(StorageError, match=r"exported to .*missing"):
        await log.export_to(tmp_path / "missing" / "audit.jsonl")

    path = tmp_path / "audit.jsonl"
    path.write_text("from an earlier day")
    with pytest.raises(InvalidRequestError):
        await log.export_to(path, AuditQuery(since="yesterday"))

    assert path.read_text() == "from an earlier day"
    assert not [name for name in contents(tmp_path) if name.endswith(".partial")]


async def test_closing_finishes_what_was_begun_and_refuses_the_rest(held: HeldStore) -> None:
    log = AuditLog(lambda: held, redact=as_is)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.record, call(0))
            await held.wait_entered()
            tasks.start_soon(log.record, call(1))
            await settled()
            tasks.start_soon(log.aclose)
            await settled()
            with pytest.raises(NotRunningError):
                await log.record(call(2))
            held.let.release()
            held.let.release()

    assert held.batches == [1, 1]
    with pytest.raises(NotRunningError):
        await log.query(AuditQuery())


async def test_the_rows_that_pass_a_test_are_named_oldest_first(log: AuditLog) -> None:
    events = [call(number) for number in range(30)]
    for event in events:
        await log.record(event)

    found = await log.matching(lambda row: row["parameters"]["n"] % 10 == 7)

    assert found == [events[7].event_id, events[17].event_id, events[27].event_id]
