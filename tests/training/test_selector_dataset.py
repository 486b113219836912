"""What the encoder learns from is frozen whole, without names of callers, and read back as it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import DamagedStorageError, InvalidRequestError
from toolhone.models import ToolDefinition
from toolhone.records.datasets import Purpose
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.training.selector_dataset import (
    CATALOG,
    LESSONS,
    Frozen,
    definition_as_json,
    divided_for,
    freeze,
    lesson_as_json,
    read_catalog,
    read_lessons,
)

if TYPE_CHECKING:
    from training.conftest import World

NOW = "2026-11-23T07:00:00.000000+00:00"


def frozen(world: "World", folder: Path, *more: Lesson) -> Frozen:
    folder.mkdir(exist_ok=True)
    return freeze(
        [*world.log, *more],
        world.tools,
        encoder=DEFAULT_FOLDER,
        workspace=folder,
        now=NOW,
    )


def test_what_is_frozen_divides_as_the_log_does(world: "World", tmp_path: Path) -> None:
    manifest = frozen(world, tmp_path / "made").manifest

    recorded = divided_for(DEFAULT_FOLDER, read_lessons(tmp_path / "made"), read_catalog(tmp_path / "made"))
    live = divided_for(DEFAULT_FOLDER, world.log, world.tools)
    assert recorded.data_hash == live.data_hash
    assert (recorded.later, recorded.unseen, recorded.kept) == (live.later, live.unseen, live.kept)
    assert manifest.purpose is Purpose.SELECTOR
    assert manifest.counts == {
        "train": len(live.training.tasks),
        "test": len(live.later) + len(live.unseen),
    }
    assert manifest.statistics["unseen_tools"] == len(live.kept)


def test_the_same_lessons_have_the_same_hash_and_others_another(world: "World", tmp_path: Path) -> None:
    one, two = frozen(world, tmp_path / "one"), frozen(world, tmp_path / "two")
    new = replace(world.log[-1], id="new", task=RememberedTask(text="a task that nobody had"))
    other = frozen(world, tmp_path / "other", new)

    assert one.manifest == two.manifest
    assert one.manifest.dataset_id.startswith("selector_20261123_070000_")
    assert other.manifest.content_hash != one.manifest.content_hash


def test_callers_are_numbered_and_lessons_without_words_left_out(world: "World", tmp_path: Path) -> None:
    silent = replace(world.log[0], id="silent", task=RememberedTask(vector=(1, 2), encoder="e"))
    gone = replace(world.log[0], id="gone", outcomes=(Outcome("a_tool_of_yore", 1, 1.0),))
    failed = replace(world.log[0], id="failed", outcomes=(Outcome(world.tools[0].name, 1, -1.0),))

    made = frozen(world, tmp_path / "made", silent, gone, failed)

    text = (tmp_path / "made" / LESSONS).read_text()
    assert "agent 1" not in text
    assert {json.loads(line)["principal"] for line in text.splitlines()} == {
        "caller-1",
        "caller-2",
        "caller-3",
        "caller-4",
    }
    assert made.manifest.dropped == {
        "the words of the task were not remembered": 1,
        "its tools are gone": 1,
        "no call succeeded": 1,
    }
    card = (tmp_path / "made" / "README.md").read_text()
    assert "left out: 1, because its tools are gone" in card
    assert f"{len(world.log):,} requests from 2026-05-01" in card
    assert {audit_id for audit_id, _ in made.members} == {lesson.id for lesson in world.log}


def test_a_store_keeps_it_as_any_dataset(world: "World", tmp_path: Path) -> None:
    store = SqliteDatasetStore(tmp_path)
    try:
        workspace = store.workspace()
        made = frozen(world, workspace)
        lessons = read_lessons(workspace)

        kept = store.create(made.manifest, made.files, iter(made.members))

        assert read_lessons(store.folder(kept.dataset_id)) == lessons
        assert store.members(kept.dataset_id) == {lesson.id for lesson in world.log}
        again = frozen(world, store.workspace())
        assert store.create(again.manifest, again.files, iter(again.members)) == kept
    finally:
        store.close()


def test_too_little_is_refused_and_nothing_written(world: "World", tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="too little in the log"):
        freeze(world.log[:50], world.tools, encoder=DEFAULT_FOLDER, workspace=tmp_path, now=NOW)

    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(world: "World", tmp_path: Path) -> None:
    frozen(world, tmp_path / "made")
    (tmp_path / "made" / LESSONS).write_text('{"id": "1"}\n')
    (tmp_path / "made" / CATALOG).write_text("[")

    with pytest.raises(DamagedStorageError, match=LESSONS):
        read_lessons(tmp_path / "made")
    with pytest.raises(DamagedStorageError, match=CATALOG):
        read_catalog(tmp_path / "made")


texts = st.text(max_size=30)
some_outcomes = st.builds(
    Outcome,
    tool=texts,
    place=st.none() | st.integers(1, 50),
    credit=st.floats(-2, 2),
)
some_lessons = st.builds(
    Lesson,
    id=texts,
    asked_at=texts,
    principal=texts,
    task=st.builds(RememberedTask, text=texts),
    shown=st.lists(texts, max_size=3).map(tuple),
    outcomes=st.lists(some_outcomes, max_size=3).map(tuple),
    stands_for=st.floats(1, 3),
)
some_tools = st.builds(
    ToolDefinition,
    name=texts,
    description=texts,
    input_schema=st.dictionaries(texts, st.none() | texts | st.integers(), max_size=3),
    server=st.none() | texts,
    original_name=texts,
)


@settings(deadline=None)
@given(wanted=st.lists(some_lessons, max_size=4), catalog=st.lists(some_tools, max_size=3))
def test_lessons_and_tools_come_back_as_they_were(
    wanted: list[Lesson], catalog: list[ToolDefinition], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("dataset")
    (folder / LESSONS).write_text("".join(json.dumps(lesson_as_json(one)) + "\n" for one in wanted))
    (folder / CATALOG).write_text(json.dumps([definition_as_json(one) for one in catalog]))

    assert read_lessons(folder) == wanted
    assert read_catalog(folder) == catalog
