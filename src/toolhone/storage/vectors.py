"""Embeddings by model and text, in `cache.db`; those that nobody asks for any more go."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolhone.exceptions import StorageError
from toolhone.storage.migrations import CACHE
from toolhone.storage.sqlite import SqliteFile

logger = logging.getLogger(__name__)

UNUSED_DAYS = 90
"""A vector that was not asked for in so many days goes."""


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
        if not self._file.exists():
            return {}  # a first start does not wait for tables to be made
        # One JSON parameter: SQLite bounds the number of parameters, not the size of one.
        wanted = json.dumps(list(text_hashes))
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT text_hash, vector, used_on FROM vectors "
                "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
                (model, wanted),
            ).fetchall()
        )
        today = self._today()
        if any(used_on < today for _, _, used_on in rows):
            self._note_use(model, wanted, today)
        return {text_hash: vector for text_hash, vector, _ in rows}

    def put(self, model: str, vectors: Mapping[str, bytes]) -> None:
        today = self._today()

        def work(connection: sqlite3.Connection) -> None:
            # Once a day is enough: it reads the whole table.
            if self._pruned_on != today:
                connection.execute("DELETE FROM vectors WHERE used_on < ?", (today - UNUSED_DAYS,))
            connection.executemany(
                "INSERT OR REPLACE INTO vectors (model, text_hash, vector, used_on) VALUES (?, ?, ?, ?)",
                [(model, text_hash, vector, today) for text_hash, vector in vectors.items()],
            )

        self._file.write(work)
        self._pruned_on = today

    def close(self) -> None:
        self._file.close()

    def _today(self) -> int:
        return int(self._clock() // 86_400)

    def _note_use(self, model: str, wanted: str, today: int) -> None:
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
