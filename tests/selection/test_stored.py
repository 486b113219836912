"""An index that is taken up from a file: the same answers, and whatever is wrong costs only time."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.models import ToolDefinition
from toolhone.selection import stored
from toolhone.selection.encoder import EncodedText
from toolhone.selection.index import ToolIndex
from toolhone.selection.stored import build_index, save_index
from toolhone.storage.indexes import IndexFiles

if TYPE_CHECKING:
    from selection.conftest import CountingEncoder, MakeTool

TASK = {"weather": 1, "issu": 1, "sql": 2, "clock": 1}
AXES = np.eye(64, dtype=np.float32)[:3]


@pytest.fixture(autouse=True)
def _small_catalogs_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "STORED_FROM", 1)


@pytest.fixture
def files(tmp_path: Path) -> IndexFiles:
    return IndexFiles(tmp_path)


def fill(index: ToolIndex, encoder: "CountingEncoder") -> None:
    index.use_encoder(encoder.name, encoder.dimensions)
    missing = index.missing()
    index.add(dict(zip(missing, encoder.encode_texts(list(missing.values())), strict=True)))


def same(one: ToolIndex, other: ToolIndex) -> None:
    """Both answer alike, whatever is asked."""
    assert one.definitions == other.definitions
    assert one.servers == other.servers
    assert one.lexical.scores(TASK).tolist() == other.lexical.scores(TASK).tolist()
    assert one.server_lexical.scores(TASK).tolist() == other.server_lexical.scores(TASK).tolist()
    assert one.names.named_in("getWeather, clock.time") == other.names.named_in("getWeather, clock.time")
    assert one.embedded.tolist() == other.embedded.tolist()
    assert one.server_embedded.tolist() == other.server_embedded.tolist()
    assert one.missing() == other.missing()
    assert np.allclose(one.cosine(AXES), other.cosine(AXES), atol=1e-6)
    assert np.allclose(one.server_cosine(AXES), other.server_cosine(AXES), atol=1e-6)


def test_a_stored_index_answers_like_the_one_that_was_stored(
    files: IndexFiles,
    encoder: "CountingEncoder",
    office: list[ToolDefinition],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = ToolIndex(office)
    fill(index, encoder)
    assert save_index(index, files)

    monkeypatch.setattr("toolhone.selection.index.tool_text", None)  # nothing is read again
    again = build_index(office, None, files)
    again.use_encoder(encoder.name, encoder.dimensions)

    same(again, index)
    assert again.notices == ()
    assert again.news == 0


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_changes_the_index_is_that_of_the_catalog(
    data: st.DataObject,
    office: list[ToolDefinition],
    tmp_path_factory: pytest.TempPathFactory,
    new_encoder: "type[CountingEncoder]",
) -> None:
    """Through changes in this process and through the file, in any order."""
    encoder, files = new_encoder(), IndexFiles(tmp_path_factory.mktemp("data"))
    index: ToolIndex | None = None
    for _ in range(data.draw(st.integers(1, 4))):
        tools = [
            replace(tool, description=data.draw(st.sampled_from([tool.description, "Weather, or SQL."])))
            for tool in data.draw(st.lists(st.sampled_from(office), unique_by=lambda tool: tool.name))
        ]
        index = build_index(tools, index if data.draw(st.booleans()) else None, files)
        fill(index, encoder)
        if data.draw(st.booleans()):
            save_index(index, files)

        fresh = ToolIndex(tools)
        fill(fresh, encoder)
        same(index, fresh)


def test_vectors_rest_until_their_encoder_is_known(
    files: IndexFiles, encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    index = ToolIndex(office)
    fill(index, encoder)
    save_index(index, files)

    resting = build_index(office, None, files)
    assert not resting.embedded.any()
    assert not resting.cosine(AXES).any()

    resting.use_encoder("another", encoder.dimensions)
    assert not resting.embedded.any()
    assert len(resting.missing()) == len(index.hashes(embedded=True))
    assert save_index(resting, files)


def test_vectors_of_an_encoder_that_nobody_named_are_not_mixed_with_others(
    files: IndexFiles, encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    index = ToolIndex(office)
    fill(index, encoder)
    save_index(index, files)
    first = next(iter(build_index(office, None, None).missing()))

    again = build_index(office, None, files)
    again.add({first: EncodedText(np.array([1, 0], np.float32), np.zeros((0, 0), np.int8))})

    assert int(again.embedded.sum()) + int(again.server_embedded.sum()) == 1


def test_a_catalog_that_changed_meanwhile_takes_up_what_is_still_right(
    files: IndexFiles, encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    index = ToolIndex(office)
    fill(index, encoder)
    save_index(index, files)

    changed = build_index([replace(office[0], description="Tide tables."), *office[2:]], None, files)
    changed.use_encoder(encoder.name, encoder.dimensions)

    assert list(changed.missing().values()) == ["get weather. Tide tables.. city Name of a city"]


def test_of_several_files_the_one_that_knows_most_is_taken(
    files: IndexFiles, office: list[ToolDefinition]
) -> None:
    for tools in (office[:2], office[2:], office[:3]):
        save_index(build_index(tools, None, None), files)

    index = build_index([*office[2:], replace(office[0], description="Tides.")], None, files)

    assert index.news == 1


def test_an_index_is_written_again_when_enough_of_it_changed(
    files: IndexFiles, make_tool: "MakeTool", tmp_path: Path
) -> None:
    tools = [make_tool(f"tool_{number}", "Does something.") for number in range(100)]
    index = build_index(tools, None, files)
    assert save_index(index, files)
    before = files.names()

    for count, written in ((1, False), (2, False), (3, True)):
        tools[count] = replace(tools[count], description="Does something else.")
        index = build_index(tools, index, files)
        assert save_index(index, files) is written

    assert len(files.names()) == 1
    assert files.names() != before


def test_a_small_catalog_is_not_stored(
    files: IndexFiles, office: list[ToolDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "STORED_FROM", len(office) + 1)

    assert not save_index(build_index(office, None, files), files)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_file_is_built_anew_and_a_notice_says_so(
    keep: int, files: IndexFiles, office: list[ToolDefinition], tmp_path: Path
) -> None:
    save_index(build_index(office, None, None), files)
    (path,) = (tmp_path / "index").iterdir()
    path.write_bytes(path.read_bytes()[:keep])

    index = build_index(office, None, files)

    same(index, ToolIndex(office))
    (notice,) = index.notices
    assert "was damaged" in notice
    assert save_index(index, files)
    assert build_index(office, None, files).notices == ()


def test_a_file_whose_hashes_are_right_and_content_is_not_is_built_anew(
    files: IndexFiles, office: list[ToolDefinition]
) -> None:
    save_index(build_index(office, None, None), files)
    (name,) = files.names()
    for blocks in (
        {"other": [memoryview(b"1")]},
        {**_whole(files, name), "names.rows": [memoryview(b"\xff" * 4)]},
    ):
        files.save(name, blocks, instead_of=None)

        index = build_index(office, None, files)

        same(index, ToolIndex(office))
        assert "not one of toolhone" in index.notices[0]


def _whole(files: IndexFiles, name: str) -> dict[str, list[memoryview]]:
    return {block: [data] for block, data in files.open(name).items()}


def test_a_file_that_other_code_wrote_is_not_taken_up(
    files: IndexFiles, office: list[ToolDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_index(build_index(office, None, None), files)
    monkeypatch.setattr(stored, "_reading", lambda: "0123456789ab")

    index = build_index(office, None, files)

    assert index.news == len(office)
    assert index.notices == ()


def test_an_index_that_knows_most_tools_is_preferred_to_a_file(
    files: IndexFiles, office: list[ToolDefinition]
) -> None:
    save_index(build_index(office, None, None), files)

    grown = build_index(office, ToolIndex(office[:2]), files)
    kept = build_index(office, ToolIndex(office[:8]), files)

    assert grown.parts.stored_as is not None
    assert kept.parts.stored_as is None
    same(grown, kept)


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path: Path, office: list[ToolDefinition]
) -> None:
    (tmp_path / "index").write_text("a file in the way")
    files = IndexFiles(tmp_path)

    index = build_index(office, None, files)

    assert not save_index(index, files)
    same(index, ToolIndex(office))
