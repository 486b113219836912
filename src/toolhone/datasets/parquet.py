"""A dataset as a folder of Parquet files, which `datasets.load_dataset(FOLDER)` opens. Needs pyarrow."""

import importlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from toolhone.exceptions import ConfigurationError
from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.stores import DatasetStore

_ROWS_AT_ONCE = 1_000


def write_parquet(store: DatasetStore, manifest: Manifest, folder: Path) -> Iterator[tuple[Path, int]]:
    """Write a file a split, and say how many rows it has; splits without rows have no file.

    Messages are structs. Tools and the arguments of calls stay JSON text: their schemas differ from row to
    row, and a column has one type.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as exc:
        raise ConfigurationError(
            "Writing Parquet needs pyarrow, which is not installed: pip install 'toolhone[train]'."
        ) from exc
    schema = _schema(arrow)
    for split in Split:
        if not manifest.counts.get(split.value):
            continue
        path = folder / f"{split.value}.parquet"
        written = 0
        rows = store.rows(manifest.dataset_id, split)
        with parquet.ParquetWriter(str(path), schema) as writer:
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                writer.write_table(arrow.Table.from_pylist([_record(row) for row in some], schema=schema))
                written += len(some)
        path.chmod(0o600)
        yield path, written


def _schema(arrow: Json) -> Json:
    call = arrow.struct(
        [
            ("id", arrow.string()),
            ("type", arrow.string()),
            ("function", arrow.struct([("name", arrow.string()), ("arguments", arrow.string())])),
        ]
    )
    message = arrow.struct(
        [
            ("role", arrow.string()),
            ("content", arrow.string()),
            ("name", arrow.string()),
            ("tool_calls", arrow.list_(call)),
            ("tool_call_id", arrow.string()),
            ("weight", arrow.int8()),
        ]
    )
    return arrow.schema(
        [
            ("row_id", arrow.string()),
            ("group", arrow.string()),
            ("task_type", arrow.string()),
            ("messages", arrow.list_(message)),
            ("tools", arrow.string()),
            ("score", arrow.float64()),
            ("recorded_at", arrow.string()),
        ]
    )


def _record(row: Row) -> JsonObject:
    return {
        "row_id": row.row_id,
        "group": row.group,
        "task_type": row.task_type,
        "messages": list(row.messages),
        "tools": minified(list(row.tools)) if row.tools else None,
        "score": row.score,
        "recorded_at": row.recorded_at,
    }
