"""Embeddings by model and text, in `cache.db`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolhone.storage.migrations import CACHE
from toolhone.storage.sqlite import SqliteFile


class SqliteVectorStore:
    """Vectors in `cache.db` of the data folder, so that a text is embedded once a model."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "cache.db", CACHE, rebuildable=True)

    def get(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        if not self._file.exists():
            return {}  # a first start does not wait for tables to be made
        # One JSON parameter: SQLite bounds the number of parameters, not the size of one.
        wanted = json.dumps(list(text_hashes))
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT text_hash, vector FROM vectors "
                "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
                (model, wanted),
            ).fetchall()
        )
        return dict(rows)

    def put(self, model: str, vectors: Mapping[str, bytes]) -> None:
        self._file.write(
            lambda connection: connection.executemany(
                "INSERT OR REPLACE INTO vectors (model, text_hash, vector) VALUES (?, ?, ?)",
                [(model, text_hash, vector) for text_hash, vector in vectors.items()],
            )
        )

    def close(self) -> None:
        self._file.close()
