"""What every DatasetStore does."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toolhone.exceptions import DamagedStorageError, InvalidRequestError, StorageError
from toolhone.models import Category
from toolhone.records.datasets import Manifest, Pair, Row, Split
from toolhone.records.row_json import line, pair_json, row_json
from toolhone.records.stores import DatasetStore
from toolhone.storage.datasets import SqliteDatasetStore

AT = "2026-01-31T12:00:00.000000+00:00"
ASKED = ({"role": "user", "content": "scan x"},)
ANSWERED = ({"role": "assistant", "content": "clean"},)


def row(row_id: str) -> Row:
    return Row(
        row_id=row_id, group="g", task_type="scan", messages=ASKED + ANSWERED, score=1.0, recorded_at=AT
    )


PAIR = Pair(group="g", request=ASKED, preferred=ANSWERED, rejected=({"role": "assistant", "content": "no"},))


def made(
    store: DatasetStore, content: str, *members: str, category: Category = Category.ECOMMERCE
) -> tuple[Manifest, dict[str, Path], list[tuple[str, Split | str]]]:
    folder = store.workspace()
    texts = {
        "train.jsonl": b"".join(line(row_json(row(one))) for one in members),
        "failures.jsonl": line(row_json(row("failed"))),
        "pairs.jsonl": line(pair_json(PAIR)),
        "README.md": content.encode(),
    }
    files = {name: folder / name for name in texts}
    for name, text in texts.items():
        files[name].write_bytes(text)
    manifest = Manifest(
        dataset_id=f"{category.value}_20260131_120000_{content}",
        category=category,
        version=0,
        created_at=AT,
        content_hash=f"sha256:{content}",
        request={"category": category.value},
        counts={"train": len(members)},
        files={name: f"sha256:{hashlib.sha256(text).hexdigest()}" for name, text in texts.items()},
        dropped={"exact duplicate": 1},
        statistics={"total_samples": len(members)},
    )
    return manifest, files, [(one, Split.TRAIN) for one in members]


def create(
    store: DatasetStore, content: str, *members: str, category: Category = Category.ECOMMERCE
) -> Manifest:
    manifest, files, places = made(store, content, *members, category=category)
    return store.create(manifest, files, iter(places))


def test_there_is_nothing_at_first(dataset_store: DatasetStore, tmp_path: Path) -> None:
    assert dataset_store.manifests() == []
    assert dataset_store.holding(["a"]) == []
    with pytest.raises(InvalidRequestError, match=r"no dataset 'none'\. There are none yet"):
        dataset_store.manifest("none")
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_comes_back_as_it_was_kept(dataset_store: DatasetStore) -> None:
    kept = create(dataset_store, "one", "a", "b")

    assert kept.version == 1
    assert dataset_store.manifest(kept.dataset_id) == kept
    assert list(dataset_store.rows(kept.dataset_id, Split.TRAIN)) == [row("a"), row("b")]
    assert list(dataset_store.rows(kept.dataset_id, Split.TEST)) == []
    assert list(dataset_store.failures(kept.dataset_id)) == [row("failed")]
    assert list(dataset_store.pairs(kept.dataset_id)) == [PAIR]
    assert dataset_store.members(kept.dataset_id) == {"a", "b"}


def test_versions_count_within_a_category(dataset_store: DatasetStore) -> None:
    first = create(dataset_store, "one")
    other = create(dataset_store, "two", category=Category.GENERAL)
    second = create(dataset_store, "three")

    assert [first.version, other.version, second.version] == [1, 1, 2]
    assert dataset_store.manifests() == [second, other, first]
    assert dataset_store.manifests(Category.GENERAL) == [other]


def test_the_same_content_is_kept_once(dataset_store: DatasetStore) -> None:
    first = create(dataset_store, "one", "a")
    manifest, files, places = made(dataset_store, "one", "a")
    again = dataset_store.create(replace(manifest, dataset_id="another"), files, iter(places))

    assert again == first
    assert dataset_store.manifests() == [first]


def test_nobody_else_may_read_it(dataset_store: DatasetStore) -> None:
    folder = dataset_store.folder(create(dataset_store, "one", "a").dataset_id)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert dataset_store.workspace().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_file_that_was_tampered_with_is_noticed(dataset_store: DatasetStore, harm: str) -> None:
    kept = create(dataset_store, "one", "a")
    path = dataset_store.folder(kept.dataset_id) / "train.jsonl"
    if harm == "changed":
        path.write_bytes(path.read_bytes().replace(b"clean", b"dirty"))
    else:
        path.unlink()

    with pytest.raises(DamagedStorageError, match=r"train\.jsonl"):
        dataset_store.folder(kept.dataset_id)
    with pytest.raises(DamagedStorageError, match="Prepare a new one"):
        list(dataset_store.rows(kept.dataset_id, Split.TRAIN))


def test_the_datasets_that_hold_a_snapshot_are_found(dataset_store: DatasetStore) -> None:
    first, second = create(dataset_store, "one", "a", "b"), create(dataset_store, "two", "b", "c")
    many = [f"other {number}" for number in range(2_000)]

    assert dataset_store.holding(["a"]) == [first]
    assert dataset_store.holding([*many, "b"]) == [second, first]
    assert dataset_store.holding(many) == []


def test_a_revoked_dataset_has_no_files_and_no_members(dataset_store: DatasetStore) -> None:
    first, second = create(dataset_store, "one", "a"), create(dataset_store, "two", "a")
    folder = dataset_store.folder(first.dataset_id)
    dataset_store.revoke(first.dataset_id, at=AT, why="somebody asked", replaced_by=second.dataset_id)
    dataset_store.revoke(first.dataset_id, at="later", why="again", replaced_by=None)

    gone = dataset_store.manifest(first.dataset_id)
    assert (gone.revoked_at, gone.revoked_why, gone.replaced_by) == (AT, "somebody asked", second.dataset_id)
    assert not folder.exists()
    assert dataset_store.members(first.dataset_id) == set()
    assert dataset_store.holding(["a"]) == [second]
    with pytest.raises(InvalidRequestError, match=f"revoked.*somebody asked.*{second.dataset_id}"):
        list(dataset_store.rows(first.dataset_id, Split.TRAIN))


def test_content_may_come_back_after_it_was_revoked(dataset_store: DatasetStore) -> None:
    first = create(dataset_store, "one", "a")
    dataset_store.revoke(first.dataset_id, at=AT, why="asked", replaced_by=None)
    manifest, files, places = made(dataset_store, "one", "a")

    assert dataset_store.create(replace(manifest, dataset_id="later"), files, iter(places)).version == 2


def test_what_goes_wrong_half_way_leaves_nothing(
    dataset_store: DatasetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, files, places = made(dataset_store, "one", "a")
    real = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "pairs.jsonl":
            raise OSError(28, os.strerror(28))
        return real(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(StorageError, match="No space left"):
        dataset_store.create(manifest, files, iter(places))

    assert dataset_store.manifests() == []
    assert not (tmp_path / "datasets" / manifest.dataset_id).exists()


def test_members_that_cannot_be_told_leave_nothing(dataset_store: DatasetStore, tmp_path: Path) -> None:
    manifest, files, _ = made(dataset_store, "one", "a")

    def members() -> Iterator[tuple[str, Split | str]]:
        yield "a", Split.TRAIN
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        dataset_store.create(manifest, files, members())

    assert dataset_store.manifests() == []
    assert not (tmp_path / "datasets" / manifest.dataset_id).exists()


def test_two_stores_of_one_folder_see_the_same(dataset_store: DatasetStore, tmp_path: Path) -> None:
    other = SqliteDatasetStore(tmp_path)
    workspace = dataset_store.workspace()
    kept = create(other, "one", "a")

    assert dataset_store.manifests() == [kept]
    # One that is in use is not taken for abandoned.
    other.workspace()
    assert workspace.exists()
    other.close()


def test_what_a_dead_process_left_behind_is_removed(tmp_path: Path) -> None:
    dead = SqliteDatasetStore(tmp_path)
    left = dead.workspace()
    create(dead, "one")
    dead.close()
    orphan = tmp_path / "datasets" / "ecommerce_20260101_000000_aaaaaaaa"
    orphan.mkdir()
    (orphan / "train.jsonl").write_text("half")
    store = SqliteDatasetStore(tmp_path)
    store.workspace()

    assert not left.exists() and not orphan.exists()
    assert len(store.manifests()) == 1
    store.close()
