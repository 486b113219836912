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


# The index knows who was used when without reading a vector.
_NOT_NOTED = """
SELECT 1 FROM vectors INDEXED BY vectors_by_use
WHERE used_on < ? AND model = ? AND text_hash IN (SELECT value FROM json_each(?)) LIMIT 1
"""
_NOTE = """
UPDATE vectors SET used_on = ?
WHERE used_on < ? AND model = ? AND text_hash IN (SELECT value FROM json_each(?))
"""


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
            "SELECT text_hash, vector FROM vectors "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            _listed(text_hashes),
        )
        self._note_use(model, text_hashes)
        return dict(rows)

    def tokens(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        rows = self._select(
            "SELECT text_hash, vectors FROM token_vectors "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            _listed(text_hashes),
        )
        return dict(rows)

    def keep(self, model: str, text_hashes: Sequence[str]) -> set[str]:
        rows = self._select(
            "SELECT text_hash FROM token_vectors "
            "WHERE model = ? AND text_hash IN (SELECT value FROM json_each(?))",
            model,
            _listed(text_hashes),
        )
        self._note_use(model, text_hashes)
        return {text_hash for (text_hash,) in rows}

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        today = self._today()

        def work(connection: sqlite3.Connection) -> None:
            # Once a day is enough.
            if self._pruned_on != today:
                _prune(connection, today - UNUSED_DAYS)
            connection.executemany(
                "INSERT OR REPLACE INTO vectors (model, text_hash, vector, used_on) VALUES (?, ?, ?, ?)",
                [(model, text_hash, vector, today) for text_hash, vector in vectors.items()],
            )
            connection.executemany(
                "DELETE FROM token_vectors WHERE model = ? AND text_hash = ?",
                [(model, text_hash) for text_hash, rows in tokens.items() if not rows],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO token_vectors (model, text_hash, vectors) VALUES (?, ?, ?)",
                [(model, text_hash, rows) for text_hash, rows in tokens.items() if rows],
            )

        self._file.write(work)
        self._pruned_on = today

    def close(self) -> None:
        self._file.close()

    def _select(self, statement: str, *parameters: str | int) -> list[tuple[Json, ...]]:
        if not self._file.exists():
            return []  # a first start does not wait for tables to be made
        return self._file.read(lambda connection: connection.execute(statement, parameters).fetchall())

    def _today(self) -> int:
        return int(self._clock() // 86_400)

    def _note_use(self, model: str, text_hashes: Sequence[str]) -> None:
        today = self._today()
        wanted = _listed(text_hashes)
        try:
            # Once a day and text is enough.
            if self._select(_NOT_NOTED, today, model, wanted):
                self._file.write(lambda connection: connection.execute(_NOTE, (today, today, model, wanted)))
        except StorageError as exc:
            # The vectors are there all the same.
            logger.debug("The use of vectors was not noted: %s", exc)


def _prune(connection: sqlite3.Connection, oldest: int) -> None:
    connection.execute(
        "DELETE FROM token_vectors WHERE (model, text_hash) IN "
        "(SELECT model, text_hash FROM vectors WHERE used_on < ?)",
        (oldest,),
    )
    connection.execute("DELETE FROM vectors WHERE used_on < ?", (oldest,))


def _listed(text_hashes: Sequence[str]) -> str:
    """As one JSON parameter: SQLite bounds the number of parameters, not the size of one."""
    return json.dumps(list(text_hashes))
