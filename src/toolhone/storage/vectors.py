"""Embeddings by model and text, in `cache.db`; those that nobody asks for any more go."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolhone.exceptions import StorageError
from toolhone.models import Json
from toolhone.storage.migrations import CACHE
from toolhone.storage.sqlite import SqliteFile

logger = logging.getLogger(__name__)

UNUSED_DAYS = 90
"""A vector that was not asked for in so many days goes, and the token vectors of its text with it."""


class SqliteVectorStore:
    """Vectors in `cache.db` of the data folder, so that a text is embedded once a model.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile(folder / "cache.db", CACHE, rebuildable=True)
        self._clock = clock
        self._pruned_on: int | None = None

    def get(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        rows = self._select(
            "SELECT text_hash, vector, used_on FROM vectors "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            text_hashes,
        )
        self._note_use(model, text_hashes, [used_on for _, _, used_on in rows])
        return {text_hash: vector for text_hash, vector, _ in rows}

    def tokens(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        rows = self._select(
            "SELECT text_hash, vectors FROM token_vectors "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            text_hashes,
        )
        return dict(rows)

    def keep(self, model: str, text_hashes: Sequence[str], token_bytes: int) -> set[str]:
        rows = self._select(
            "SELECT text_hash, used_on, coalesce(length(token_vectors.vectors), 0) "
            "FROM vectors LEFT JOIN token_vectors USING (model, text_hash) "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            text_hashes,
        )
        self._note_use(model, text_hashes, [used_on for _, used_on, _ in rows])
        return {text_hash for text_hash, _, size in rows if size and size % token_bytes == 0}

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        today = self._today()

        def work(connection: sqlite3.Connection) -> None:
            # Once a day is enough: it reads the whole table.
            if self._pruned_on != today:
                _prune(connection, today - UNUSED_DAYS)
            connection.executemany(
                "INSERT OR REPLACE INTO vectors (model, text_hash, vector, used_on) VALUES (?, ?, ?, ?)",
                [(model, text_hash, vector, today) for text_hash, vector in vectors.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO token_vectors (model, text_hash, vectors) VALUES (?, ?, ?)",
                [(model, text_hash, rows) for text_hash, rows in tokens.items()],
            )

        self._file.write(work)
        self._pruned_on = today

    def close(self) -> None:
        self._file.close()

    def _select(self, statement: str, model: str, text_hashes: Sequence[str]) -> list[tuple[Json, ...]]:
        if not self._file.exists():
            return []  # a first start does not wait for tables to be made
        # One JSON parameter: SQLite bounds the number of parameters, not the size of one.
        wanted = json.dumps(list(text_hashes))
        return self._file.read(lambda connection: connection.execute(statement, (model, wanted)).fetchall())

    def _today(self) -> int:
        return int(self._clock() // 86_400)

    def _note_use(self, model: str, text_hashes: Sequence[str], used_on: Sequence[int]) -> None:
        """Once a day and text is enough."""
        today = self._today()
        if all(day >= today for day in used_on):
            return
        wanted = json.dumps(list(text_hashes))
        try:
            self._file.write(
                lambda connection: connection.execute(
                    "UPDATE vectors SET used_on = ? WHERE model = ? AND used_on < ? "
                    "AND text_hash IN (SELECT value FROM json_each(?))",
                    (today, model, today, wanted),
                )
            )
        except StorageError as exc:
            # The vectors are there all the same.
            logger.debug("The use of vectors was not noted: %s", exc)


def _prune(connection: sqlite3.Connection, oldest: int) -> None:
    connection.execute("DELETE FROM vectors WHERE used_on < ?", (oldest,))
    connection.execute(
        "DELETE FROM token_vectors WHERE NOT EXISTS (SELECT 1 FROM vectors "
        "WHERE vectors.model = token_vectors.model AND vectors.text_hash = token_vectors.text_hash)"
    )
