"""A dataset written as Parquet opens with the library that trains."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from toolhone.datasets.formats import export
from toolhone.datasets.writing import finished, write_rows
from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Manifest, Row
from toolhone.storage.datasets import SqliteDatasetStore

CALL: JsonObject = {"id": "a", "type": "function", "function": {"name": "scan", "arguments": '{"path":"x"}'}}
TOOL: JsonObject = {"type": "function", "function": {"name": "scan", "parameters": {"type": "object"}}}


def kept(store: SqliteDatasetStore) -> Manifest:
    row = Row(
        row_id="s1",
        group="g",
        task_type="scan",
        messages=(
            {"role": "user", "content": "scan x"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ),
        tools=(TOOL,),
        score=0.5,
        recorded_at="2026-01-01T00:00:00.000000+00:00",
    )
    rows = [
        ("train", row),
        ("train", replace(row, row_id="s2", tools=())),
        ("test", replace(row, row_id="s3")),
    ]
    written = write_rows(rows, store.workspace(), count_tokens=len, report=lambda _: None)
    manifest = finished(
        written,
        category=Category.GENERAL,
        created_at="2026-01-02T00:00:00.000000+00:00",
        request={},
        dropped={},
        warnings=[],
    )
    return store.create(manifest, written.files, iter(written.members))


def test_a_parquet_folder_is_loaded_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    store = SqliteDatasetStore(tmp_path / "data")
    files = export(store, kept(store), "parquet", tmp_path / "out")
    store.close()
    datasets = importlib.import_module("datasets")
    loaded = datasets.load_dataset(
        "parquet",
        data_files={
            "train": str(tmp_path / "out" / "train.parquet"),
            "test": str(tmp_path / "out" / "test.parquet"),
        },
        cache_dir=str(tmp_path / "cache"),
    )

    assert [file.name for file in files] == ["train.parquet", "test.parquet", "export.json"]
    assert set(loaded) == {"train", "test"}
    assert loaded["train"]["row_id"][:] == ["s1", "s2"]
    assert loaded["test"][0]["messages"][1]["tool_calls"][0]["function"] == CALL["function"]
    assert json.loads(loaded["train"][0]["tools"]) == [TOOL]
