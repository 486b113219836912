"""Learned rankings in `selector.db`: their versions, which of them is served, and the vectors of tasks.

A version is never changed, only marked as expired. What is served is the last row of a list, so going back
is one more row, and what happened stays readable. Texts of tasks are not here: the audit has them, redacted,
or not at all; here is only what their vectors are looked up by, the hash of that text.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolhone.exceptions import ConflictError, DamagedStorageError, InvalidRequestError, NotFoundError
from toolhone.models import canonical_json
from toolhone.storage.migrations import SELECTOR
from toolhone.storage.sqlite import SqliteFile
from toolhone.stores import LearnedVersion, Promotion

KEPT = 20
"""Versions beside those that were served; a version takes about 1 KB a tool."""


class SqliteLearningStore:
    """Versions in `selector.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "selector.db", SELECTOR)

    def add(self, version: LearnedVersion, artifact: bytes) -> None:
        check_artifact(version, artifact)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO versions (version, created_at, encoder, artifact_hash, data_hash, until, "
                "parent, figures, expired, artifact) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (version) DO UPDATE SET expired = excluded.expired",
                (
                    version.version,
                    version.created_at,
                    version.encoder,
                    version.artifact_hash,
                    version.data_hash,
                    version.until,
                    version.parent,
                    canonical_json(version.figures),
                    version.expired,
                    artifact,
                ),
            )
            connection.execute(
                "DELETE FROM versions WHERE version NOT IN "
                "(SELECT version FROM promotions WHERE version IS NOT NULL) AND seq NOT IN "
                "(SELECT seq FROM versions ORDER BY seq DESC LIMIT ?)",
                (KEPT,),
            )

        self._file.write(work)

    def versions(self) -> list[LearnedVersion]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT version, created_at, encoder, artifact_hash, data_hash, until, parent, figures, "
                "expired FROM versions ORDER BY seq DESC"
            ).fetchall()
        )
        return [
            LearnedVersion(
                version=version,
                created_at=created_at,
                encoder=encoder,
                artifact_hash=artifact_hash,
                data_hash=data_hash,
                until=until,
                parent=parent,
                figures=json.loads(figures),
                expired=expired,
            )
            for (
                version,
                created_at,
                encoder,
                artifact_hash,
                data_hash,
                until,
                parent,
                figures,
                expired,
            ) in rows
        ]

    def artifact(self, version: str) -> bytes:
        if not self._file.exists():
            raise unknown_version(version)
        row = self._file.read(
            lambda connection: connection.execute(
                "SELECT artifact, artifact_hash FROM versions WHERE version = ?", (version,)
            ).fetchone()
        )
        if row is None:
            raise unknown_version(version)
        artifact, expected = row
        if artifact_hash(artifact) != expected:
            raise DamagedStorageError(
                f"The learned version {version!r} in {str(self._file.path)!r} is not what was stored. "
                "Go back with `toolhone selector rollback`, or learn anew."
            )
        return artifact

    def active(self) -> str | None:
        return next((promotion.version for promotion in self.promotions()), None)

    def promotions(self) -> list[Promotion]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT version, at, why FROM promotions ORDER BY seq DESC"
            ).fetchall()
        )
        return [Promotion(version=version, at=at, why=why) for version, at, why in rows]

    def promote(self, version: str | None, *, at: str, why: str) -> None:
        if version is not None and not self._file.exists():
            raise unknown_version(version)

        def work(connection: sqlite3.Connection) -> None:
            if version is not None:
                row = connection.execute(
                    "SELECT expired FROM versions WHERE version = ?", (version,)
                ).fetchone()
                if row is None:
                    raise unknown_version(version)
                if row[0] is not None:
                    raise expired_version(version, row[0])
            top = _top(connection)
            if (top[1] if top else None) != version:
                _serve(connection, version, at, why, back_to=top[0] if top else None)

        self._file.write(work)

    def rollback(self, *, at: str) -> str | None:
        if not self._file.exists():
            raise nothing_to_roll_back()
        return self._file.write(lambda connection: _go_back(connection, at, "rolled back"))

    def expire(self, version: str, why: str, *, at: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE versions SET expired = ? WHERE version = ? AND expired IS NULL", (why, version)
            )
            top = _top(connection)
            if top is not None and top[1] == version:
                _go_back(connection, at, "expired")

        self._file.write(work)

    def task_vectors(self, encoder: str, tasks: Sequence[str]) -> dict[str, bytes]:
        if not self._file.exists():
            return {}
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT task, vector FROM task_vectors "
                "WHERE encoder = ? AND task IN (SELECT value FROM json_each(?))",
                (encoder, json.dumps(list(tasks))),
            ).fetchall()
        )
        return dict(rows)

    def keep_task_vectors(self, encoder: str, vectors: Mapping[str, bytes], *, only: Sequence[str]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO task_vectors VALUES (?, ?, ?)",
                [(encoder, task, vector) for task, vector in vectors.items()],
            )
            connection.execute(
                "DELETE FROM task_vectors WHERE task NOT IN (SELECT value FROM json_each(?))",
                (json.dumps(list(only)),),
            )

        if vectors or self._file.exists():
            self._file.write(work)

    def close(self) -> None:
        self._file.close()


def artifact_hash(artifact: bytes) -> str:
    return "sha256:" + hashlib.sha256(artifact).hexdigest()


def check_artifact(version: LearnedVersion, artifact: bytes) -> None:
    """Raises InvalidRequestError if the content is not what the version says it is."""
    if artifact_hash(artifact) != version.artifact_hash:
        raise InvalidRequestError(
            f"The learned version {version.version!r} cannot be kept: its content has another hash."
        )


def unknown_version(version: str) -> NotFoundError:
    return NotFoundError(
        f"There is no learned version {version!r}. See `toolhone selector status` for those that are kept."
    )


def expired_version(version: str, why: str) -> ConflictError:
    return ConflictError(f"The learned version {version!r} has expired: {why} Learn anew.")


def nothing_to_roll_back() -> ConflictError:
    return ConflictError("No learned version is served, so there is nothing to roll back.")


def _top(connection: sqlite3.Connection) -> tuple[int, str | None, int | None] | None:
    """What is served: number, version, and the number of what was served before it was promoted."""
    return connection.execute(
        "SELECT seq, version, back_to FROM promotions ORDER BY seq DESC LIMIT 1"
    ).fetchone()


def _go_back(connection: sqlite3.Connection, at: str, why: str) -> str | None:
    top = _top(connection)
    if top is None or top[1] is None:
        raise nothing_to_roll_back()
    number = top[2]
    while number is not None:
        version, number, expired = connection.execute(
            "SELECT p.version, p.back_to, v.expired FROM promotions p LEFT JOIN versions v "
            "ON v.version = p.version WHERE p.seq = ?",
            (number,),
        ).fetchone()
        if expired is None:
            _serve(connection, version, at, f"{top[1]} was {why}", back_to=number)
            return version
    _serve(connection, None, at, f"{top[1]} was {why}", back_to=None)
    return None


def _serve(
    connection: sqlite3.Connection, version: str | None, at: str, why: str, *, back_to: int | None
) -> None:
    connection.execute(
        "INSERT INTO promotions (version, at, why, back_to) VALUES (?, ?, ?, ?)", (version, at, why, back_to)
    )
