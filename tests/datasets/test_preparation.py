"""From snapshots to a dataset: what is kept, what is left out, and what happens when something fails."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.datasets.preparation import Preparation
from toolhone.exceptions import InsufficientDataError, InvalidRequestError, StorageError
from toolhone.models import LOCAL_CALLER, AuditEvent, Category, JsonObject
from toolhone.records.datasets import DatasetRequest, Manifest, Row, Split, SplitBy
from toolhone.records.snapshots import Snapshot
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.memory_snapshots import MemorySnapshotStore

New = Callable[..., Snapshot]


class Workplace(Protocol):
    snapshots: MemorySnapshotStore
    datasets: SqliteDatasetStore
    folder: Path
    events: list[AuditEvent]

    @property
    def preparation(self) -> Preparation: ...
    @property
    def left(self) -> list[str]: ...


def asked(**changes: object) -> DatasetRequest:
    return DatasetRequest.model_validate({"category": "core_security", "min_samples": 10, **changes})


async def prepare(workplace: Workplace, **changes: object) -> Manifest:
    return await workplace.preparation.prepare(asked(**changes), caller=LOCAL_CALLER)


def all_rows(workplace: Workplace, manifest: Manifest) -> list[Row]:
    return [row for split in Split for row in workplace.datasets.rows(manifest.dataset_id, split)]


async def test_good_work_becomes_rows_in_three_parts(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new(task_type=("scan", "fix")[at % 2]) for at in range(100)])
    manifest = await prepare(workplace)

    assert sum(manifest.counts[split] for split in Split) == 100
    assert all(5 <= manifest.counts[split] <= 20 for split in ("validation", "test"))
    assert manifest.version == 1 and manifest.dropped == {}
    assert {
        name: manifest.statistics[name]
        for name in ("total_samples", "success_rate", "total_tokens", "task_type_distribution")
    } == {
        "total_samples": 100,
        "success_rate": 1.0,
        "total_tokens": 500,
        "task_type_distribution": {"fix": 50, "scan": 50},
    }
    assert manifest.statistics["avg_performance_score"] == pytest.approx(0.9)
    assert manifest.statistics["score_histogram"][9]["rows"] == 100
    assert workplace.datasets.members(manifest.dataset_id) == {
        row.row_id for row in all_rows(workplace, manifest)
    }
    assert workplace.left == [manifest.dataset_id]
    assert [(event.kind, event.success, event.payload["dataset_id"]) for event in workplace.events] == [
        ("dataset", True, manifest.dataset_id)
    ]


async def test_failures_and_poor_work_are_never_learned(workplace: Workplace, new: New) -> None:
    good = [new() for _ in range(20)]
    failed = [new(success=False, performance_score=1.0) for _ in range(5)]
    poor = [new(performance_score=0.69) for _ in range(3)]
    workplace.snapshots.add([*good, *failed, *poor])
    manifest = await prepare(workplace)

    assert {row.row_id for row in all_rows(workplace, manifest)} == {one.snapshot_id for one in good}
    assert {row.row_id for row in workplace.datasets.failures(manifest.dataset_id)} == {
        one.snapshot_id for one in failed
    }
    assert manifest.dropped == {"below the quality threshold": 3}
    assert manifest.statistics["success_rate"] == 0.8


async def test_other_categories_and_old_work_are_left_alone(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(10)])
    workplace.snapshots.add(
        [new(category=Category.ECOMMERCE), new(recorded_at="2025-11-01T00:00:00.000000+00:00")]
    )

    manifest = await prepare(workplace)

    assert sum(manifest.counts[split] for split in Split) == 10


async def test_of_the_same_work_the_best_stays_and_of_equal_ones_the_newest(
    workplace: Workplace, new: New
) -> None:
    workplace.snapshots.add([new() for _ in range(20)])
    copies = [new(input_data="scan the harbour gate", output_data="It is clean.") for _ in range(4)]
    best = new(input_data="Scan the  harbour gate", output_data="It is clean.", performance_score=0.95)
    workplace.snapshots.add([copies[0], best, *copies[1:]])
    twice = [new(input_data="look at pier nine", output_data={"ok": True}) for _ in range(2)]
    workplace.snapshots.add(twice)
    manifest = await prepare(workplace)
    kept = {row.row_id for row in all_rows(workplace, manifest)}

    assert best.snapshot_id in kept and not kept & {one.snapshot_id for one in copies}
    assert twice[1].snapshot_id in kept and twice[0].snapshot_id not in kept
    assert manifest.dropped == {"exact duplicate": 5}


async def test_nearly_the_same_answer_to_nearly_the_same_request_goes(workplace: Workplace, new: New) -> None:
    request = "please look through the log of the harbour server and tell me whether anybody broke in"
    answer = (
        "Nobody broke in; there were three failed attempts with wrong passwords, all from the same machine."
    )
    workplace.snapshots.add([new() for _ in range(20)])
    first = new(input_data=request, output_data=answer)
    near = new(input_data=f"{request} thanks", output_data=f"{answer} Bye.")
    other = new(input_data=f"{request} now", output_data="Yes: somebody has been in since Monday night.")
    workplace.snapshots.add([first, near, other])
    manifest = await prepare(workplace)
    rows = {row.row_id: row for row in all_rows(workplace, manifest)}

    assert manifest.dropped == {"near-duplicate": 1}
    assert first.snapshot_id not in rows
    assert rows[near.snapshot_id].group == rows[other.snapshot_id].group


async def test_answers_that_are_data_are_the_same_only_if_equal(workplace: Workplace, new: New) -> None:
    request = {"order": "count the boxes on the long pier behind the harbour, all of them", "day": 1}
    answers = [{"boxes": 1041, "note": "counted twice by the same two people as always"}, {}]
    answers[1] = {**answers[0], "boxes": 1042}
    workplace.snapshots.add([new() for _ in range(20)])
    workplace.snapshots.add([new(input_data=request, output_data=answer) for answer in answers])
    workplace.snapshots.add([new(input_data={**request, "day": 2}, output_data=answers[0])])
    manifest = await prepare(workplace)

    assert manifest.dropped == {"near-duplicate": 1}


async def test_later_turns_of_a_conversation_are_in_the_group_of_the_earlier_ones(
    workplace: Workplace, new: New
) -> None:
    workplace.snapshots.add([new() for _ in range(20)])
    said = [{"role": "user", "content": "hello"}]
    turns: list[Snapshot] = []
    for turn in ("A word on tides, then.", "Quite another thing: granite quarries of the north."):
        turns.append(new(input_data={"messages": [*said]}, output_data={"content": turn}))
        said += [
            {"role": "assistant", "content": turn},
            {"role": "user", "content": f"and more than {turn}?"},
        ]
    workplace.snapshots.add(turns)
    rows = {row.row_id: row for row in all_rows(workplace, await prepare(workplace))}

    assert len({rows[one.snapshot_id].group for one in turns}) == 1


async def test_a_failure_and_a_success_of_one_request_make_a_pair(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new(input_data=f"find boat {at} of {at * 7919}") for at in range(60)])
    workplace.snapshots.add(
        [
            new(input_data=f"find boat {at} of {at * 7919}", output_data=f"no {at}", success=False)
            for at in range(60)
        ]
    )
    manifest = await prepare(workplace)
    pairs = list(workplace.datasets.pairs(manifest.dataset_id))
    trained = {row.group: row for row in workplace.datasets.rows(manifest.dataset_id, Split.TRAIN)}

    # Those of the test and of validation are kept out: they would give it away.
    assert len(pairs) == manifest.counts["pairs"] == manifest.counts["train"] < 60
    for pair in pairs:
        row = trained[pair.group]
        assert (*pair.request, *pair.preferred) == row.messages
        assert pair.rejected[0]["content"].startswith("no ")


async def test_too_little_says_how_much_there_is_and_why(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(50)])
    workplace.snapshots.add([new(performance_score=0.1) for _ in range(7)])
    workplace.snapshots.add([new(output_data=None), new(success=False)])
    with pytest.raises(InsufficientDataError) as caught:
        await prepare(workplace, min_samples=100)

    message = caught.value.message
    assert message.startswith("Insufficient data for category: found 50, need 100")
    for part in (
        "'core_security'",
        "7 below the quality threshold",
        "1 empty answer",
        "1 failures",
        "Collect",
    ):
        assert part in message
    assert workplace.left == [] and workplace.datasets.manifests() == []
    assert [(event.success, event.error_code) for event in workplace.events] == [(False, "insufficient_data")]


async def test_no_snapshots_at_all_is_too_little(workplace: Workplace) -> None:
    with pytest.raises(InsufficientDataError, match=r"found 0, need 10.*Collect snapshots"):
        await prepare(workplace)


async def test_the_same_work_again_and_again_is_too_little(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new(input_data="scan", output_data="clean") for _ in range(50)])
    with pytest.raises(
        InsufficientDataError, match=r"found 1, need 10.*49 exact duplicate.*different requests"
    ):
        await prepare(workplace)


async def test_one_task_type_only_is_said_in_the_card(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(40)])
    manifest = await prepare(workplace)
    card = (workplace.datasets.folder(manifest.dataset_id) / "README.md").read_text(encoding="utf-8")

    assert "All rows are of one task type" in card
    assert "| train.jsonl |" in card and manifest.content_hash in card


async def test_a_request_that_cannot_be_met_is_refused_before_anything_is_read(workplace: Workplace) -> None:
    with pytest.raises(InvalidRequestError, match="min_samples is 20 and max_samples 10"):
        await prepare(workplace, min_samples=20, max_samples=10)


async def test_the_same_rows_again_are_the_same_dataset(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(30)])
    first = await prepare(workplace)
    again = await prepare(workplace)
    workplace.snapshots.add([new()])
    more = await prepare(workplace)

    assert again == first
    assert (more.version, more.parent) == (2, None)
    assert workplace.left == sorted([first.dataset_id, more.dataset_id])


async def test_two_at_once_make_one_dataset(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(30)])
    made: list[Manifest] = []

    async def one() -> None:
        made.append(await prepare(workplace))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)

    assert made[0] == made[1]
    assert workplace.left == [made[0].dataset_id]


async def test_max_samples_takes_so_many(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(60)])
    manifest = await prepare(workplace, max_samples=25)

    assert sum(manifest.counts[split] for split in Split) == 25
    assert manifest.dropped == {"over max_samples": 35}


async def test_by_time_the_test_is_newer_than_what_is_trained_on(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(100)])
    manifest = await prepare(workplace, split_by=SplitBy.TIME)
    train, test = (
        [row.recorded_at for row in workplace.datasets.rows(manifest.dataset_id, split)]
        for split in (Split.TRAIN, Split.TEST)
    )

    assert max(train) < min(test)


async def test_progress_is_told_and_ends_complete(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(20)])
    told: dict[str, tuple[int, int]] = {}
    loop_thread = threading.get_ident()

    def progress(what: str, done: int, total: int) -> None:
        assert threading.get_ident() == loop_thread
        told[what] = (done, total)

    await workplace.preparation.prepare(asked(), caller=LOCAL_CALLER, progress=progress)

    assert told == {"reading snapshots": (20, 20), "finding duplicates": (1, 1), "writing rows": (20, 20)}


async def test_a_cancelled_preparation_leaves_nothing(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(20)])
    with anyio.CancelScope() as scope:
        await workplace.preparation.prepare(
            asked(), caller=LOCAL_CALLER, progress=lambda what, done, total: scope.cancel()
        )

    assert scope.cancelled_caught
    assert workplace.left == [] and workplace.datasets.manifests() == []


async def test_a_full_disk_leaves_nothing(
    workplace: Workplace, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.snapshots.add([new() for _ in range(20)])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("toolhone.datasets.writing.os.fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device.*has room"):
        await prepare(workplace)

    assert workplace.left == [] and workplace.datasets.manifests() == []


async def test_snapshots_erased_meanwhile_are_not_in_it(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new(subject=f"person {at % 10}") for at in range(40)])
    began = iter([True])

    def progress(what: str, done: int, total: int) -> None:
        if what == "writing rows" and next(began, False):
            workplace.snapshots.erase(subject="person 3", at="2026-01-02T00:00:00.000000+00:00")

    manifest = await workplace.preparation.prepare(asked(), caller=LOCAL_CALLER, progress=progress)
    gone = set(workplace.snapshots.erased())

    assert len(gone) == 4
    assert not gone & workplace.datasets.members(manifest.dataset_id)
    assert [one.revoked_at is None for one in workplace.datasets.manifests()] == [True, False]


async def test_a_dataset_without_what_was_erased_takes_the_place_of_the_old(
    workplace: Workplace, new: New
) -> None:
    workplace.snapshots.add([new(input_data=f"find boat {at} of {at * 7919}") for at in range(60)])
    workplace.snapshots.add(
        [new(input_data=f"find boat {at} of {at * 7919}", output_data="no", success=False) for at in range(9)]
    )
    old = await prepare(workplace)
    before = {split: list(workplace.datasets.rows(old.dataset_id, split)) for split in Split}
    without = {before[Split.TRAIN][0].row_id, before[Split.TEST][0].row_id}
    without |= {row.row_id for row in workplace.datasets.failures(old.dataset_id)}
    made = await workplace.preparation.revise(old.dataset_id, without, why="asked to", caller=LOCAL_CALLER)

    assert made is not None
    assert (made.parent, made.version, made.counts["failures"], made.counts["pairs"]) == (
        old.dataset_id,
        2,
        0,
        0,
    )
    for split in Split:
        kept = [row for row in before[split] if row.row_id not in without]
        assert list(workplace.datasets.rows(made.dataset_id, split)) == kept
    assert made.dropped["erased"] == len(without)
    gone = workplace.datasets.manifest(old.dataset_id)
    assert (gone.revoked_why, gone.replaced_by) == ("asked to", made.dataset_id)
    assert workplace.left == [made.dataset_id]
    with pytest.raises(InvalidRequestError, match=f"revoked.*{made.dataset_id}"):
        workplace.datasets.folder(old.dataset_id)


async def test_a_dataset_of_which_too_little_is_left_is_only_revoked(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(15)])
    old = await prepare(workplace)
    without = set(list(workplace.datasets.members(old.dataset_id))[:6])

    assert (
        await workplace.preparation.revise(old.dataset_id, without, why="asked", caller=LOCAL_CALLER) is None
    )
    assert workplace.datasets.manifest(old.dataset_id).revoked_at is not None
    assert workplace.left == []


async def test_a_dataset_that_holds_none_of_them_stays(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(15)])
    old = await prepare(workplace)

    assert (
        await workplace.preparation.revise(old.dataset_id, {"other"}, why="asked", caller=LOCAL_CALLER) == old
    )


async def test_a_damaged_dataset_is_revoked_all_the_same(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(15)])
    old = await prepare(workplace)
    (workplace.folder / "datasets" / old.dataset_id / "test.jsonl").write_bytes(b"")

    assert (
        await workplace.preparation.revise(old.dataset_id, {"any"}, why="asked", caller=LOCAL_CALLER) is None
    )
    assert workplace.left == []


KILLED = """
import os, signal, sys
from pathlib import Path
import anyio
from toolhone.datasets.preparation import Preparation
from toolhone.models import LOCAL_CALLER, Category
from toolhone.records.datasets import DatasetRequest
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.memory_snapshots import MemorySnapshotStore
from toolhone.records.snapshots import Snapshot

folder, stage = Path(sys.argv[1]), sys.argv[2]
store, snapshots = SqliteDatasetStore(folder), MemorySnapshotStore()
snapshots.add([
    Snapshot(snapshot_id=f"s{at}", recorded_at=f"2026-01-01T00:00:{at:02}.000000+00:00", agent_id="a",
        agent_name="a", category=Category.CORE_SECURITY, task_type="scan",
        input_data=f"order {at * 7919} {at}", output_data=f"done {at}",
        success=True, performance_score=1.0, execution_time_ms=1.0)
    for at in range(30)
])

def progress(what, done, total):
    if what == stage:
        os.kill(os.getpid(), signal.SIGKILL)

real = store._move
def move(*given):
    real(*given)
    if stage == "moved":
        os.kill(os.getpid(), signal.SIGKILL)
store._move = move

async def record(event): pass

async def main():
    preparation = Preparation(lambda: snapshots, lambda: store, count_tokens=len,
        now=lambda: "2026-01-02T00:00:00.000000+00:00", record=record)
    request = DatasetRequest(category="core_security", min_samples=10)
    manifest = await preparation.prepare(request, caller=LOCAL_CALLER, progress=progress)
    print(manifest.dataset_id, manifest.version)

anyio.run(main)
"""


@pytest.mark.parametrize("stage", ["writing rows", "moved"])
def test_a_killed_preparation_leaves_no_half_dataset(tmp_path: Path, stage: str) -> None:
    def run(stage: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(tmp_path), stage]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run(stage).returncode == -signal.SIGKILL
    assert any((tmp_path / "datasets").iterdir())
    store = SqliteDatasetStore(tmp_path)
    assert store.manifests() == []
    store.close()

    done = run("none")

    assert done.returncode == 0, done.stderr
    dataset_id, version = done.stdout.split()
    assert version == "1"
    # What the dead one left is gone, too.
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [dataset_id]


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.booleans()), min_size=12, max_size=60),
    st.data(),
)
def test_no_group_is_in_two_parts_and_nothing_failed_is_learned(
    tmp_path_factory: pytest.TempPathFactory, work: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """Many requests, few of them different, with variants; answers of every kind."""
    by = data.draw(st.sampled_from(SplitBy))
    store, snapshots = SqliteDatasetStore(tmp_path_factory.mktemp("data")), MemorySnapshotStore()
    base = "please count the boxes on pier {} and tell the master of the harbour about number {} of them{}"
    made = [
        Snapshot(
            snapshot_id=f"s{at}",
            recorded_at=f"2026-01-01T00:00:{at:02}.000000+00:00",
            agent_id="a",
            agent_name="a",
            category=Category.CORE_SECURITY,
            task_type=f"t{request % 3}",
            input_data=base.format(request**9, request**7, " thanks" * variant),
            output_data=f"answer {at % 5}",
            success=success,
            performance_score=1.0,
            execution_time_ms=1.0,
        )
        for at, (request, variant, success) in enumerate(work)
    ]
    snapshots.add(made)

    async def record(event: AuditEvent) -> None:
        pass

    async def main() -> Manifest:
        preparation = Preparation(
            lambda: snapshots,
            lambda: store,
            count_tokens=len,
            now=lambda: "2026-01-02T00:00:00.000000+00:00",
            record=record,
        )
        request = DatasetRequest(category=Category.CORE_SECURITY, min_samples=1, split_by=by)
        return await preparation.prepare(request, caller=LOCAL_CALLER)

    if not any(success for _, _, success in work):
        with pytest.raises(InsufficientDataError):
            anyio.run(main)
        store.close()
        return
    manifest = anyio.run(main)
    groups = {split: {row.group for row in store.rows(manifest.dataset_id, split)} for split in Split}
    learned = {row.row_id for split in Split for row in store.rows(manifest.dataset_id, split)}
    failed = {row.row_id for row in store.failures(manifest.dataset_id)}
    successes = {one.snapshot_id: one.success for one in made}
    store.close()

    assert not groups[Split.TRAIN] & groups[Split.TEST]
    assert not groups[Split.TRAIN] & groups[Split.VALIDATION]
    assert not groups[Split.VALIDATION] & groups[Split.TEST]
    assert all(successes[one] for one in learned) and not any(successes[one] for one in failed)
    assert len(learned) + len(failed) + sum(manifest.dropped.values()) == len(work)


async def test_the_manifest_beside_the_files_says_what_the_store_says(workplace: Workplace, new: New) -> None:
    workplace.snapshots.add([new() for _ in range(15)])
    manifest = await prepare(workplace)
    told: JsonObject = json.loads(
        (workplace.datasets.folder(manifest.dataset_id) / "manifest.json").read_text()
    )

    assert told["version"] == manifest.version and told["files"] == manifest.files
    assert told["content_hash"] == manifest.content_hash
