"""Models that trainings made, and what aliases stand for, in `models.db`.

What an alias stands for is the last row of its list; rows are only added, so what happened stays readable.
"""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.exceptions import NotFoundError
from toolhone.models import Category, canonical_json
from toolhone.records.jobs import AliasChange, FinetuningProvider, ModelRecord
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

NAMED = 5
"""How many models a message names."""

_MODEL = (
    "model_id, category, provider, base_model, created_at, job_id, dataset_id, artifact_hash, path, passed, "
    "verdict, tainted"
)
_CHANGE = "category, alias, model_id, at, by, why, override, rolled_back"


def create_models(db: "Database") -> None:
    db.conn.execute(
        """
        CREATE TABLE models (
            seq INTEGER PRIMARY KEY,
            model_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            provider TEXT NOT NULL,
            base_model TEXT NOT NULL,
            created_at TEXT NOT NULL,
            job_id TEXT NOT NULL,
            dataset_id TEXT NOT NULL,
            artifact_hash TEXT NOT NULL,
            path TEXT,
            passed INTEGER NOT NULL,
            verdict TEXT NOT NULL,
            tainted TEXT
        )
        """
    )
    db.conn.execute("CREATE INDEX models_by_dataset ON models (dataset_id)")
    db.conn.execute(
        """
        CREATE TABLE alias_changes (
            seq INTEGER PRIMARY KEY,
            category TEXT NOT NULL,
            alias TEXT NOT NULL,
            model_id TEXT REFERENCES models (model_id),
            at TEXT NOT NULL,
            by TEXT NOT NULL,
            why TEXT NOT NULL,
            override INTEGER NOT NULL,
            rolled_back INTEGER NOT NULL
        )
        """
    )
    db.conn.execute("CREATE INDEX alias_changes_by_alias ON alias_changes (category, alias)")


MODELS = Schema(name="toolhone.models", steps=(create_models,))


class SqliteModelStore:
    """Models and aliases in `models.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path) -> None:
        # What agents are answered by is decided here, so a decision outlives a power loss.
        self._file = SqliteFile(folder / "models.db", MODELS, durable=True)

    def add(self, model: ModelRecord) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"INSERT INTO models ({_MODEL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
                "ON CONFLICT (model_id) DO UPDATE SET category = excluded.category, "
                "provider = excluded.provider, base_model = excluded.base_model, "
                "created_at = excluded.created_at, job_id = excluded.job_id, "
                "dataset_id = excluded.dataset_id, artifact_hash = excluded.artifact_hash, "
                "path = excluded.path, passed = excluded.passed, verdict = excluded.verdict, "
                "tainted = coalesce(tainted, excluded.tainted)",
                (
                    model.model_id,
                    model.category,
                    model.provider,
                    model.base_model,
                    model.created_at,
                    model.job_id,
                    model.dataset_id,
                    model.artifact_hash,
                    model.path,
                    model.passed,
                    canonical_json(model.verdict),
                    model.tainted,
                ),
            )

        self._file.write(work)

    def models(self, category: Category | None = None) -> list[ModelRecord]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_MODEL} FROM models WHERE ?1 IS NULL OR category = ?1 ORDER BY seq DESC",  # noqa: S608
                (category,),
            ).fetchall()
        )
        return [_model(row) for row in rows]

    def model(self, model_id: str) -> ModelRecord:
        if not self._file.exists():
            raise unknown_model(model_id, [])

        def work(connection: sqlite3.Connection) -> ModelRecord:
            query = f"SELECT {_MODEL} FROM models WHERE model_id = ?"  # noqa: S608
            if (row := connection.execute(query, (model_id,)).fetchone()) is not None:
                return _model(row)
            newest = connection.execute("SELECT model_id FROM models ORDER BY seq DESC LIMIT ?", (NAMED,))
            raise unknown_model(model_id, [known for (known,) in newest])

        return self._file.read(work)

    def taint(self, dataset_id: str, why: str) -> list[str]:
        if not self._file.exists():
            return []

        def work(connection: sqlite3.Connection) -> list[str]:
            connection.execute(
                "UPDATE models SET tainted = ? WHERE dataset_id = ? AND tainted IS NULL", (why, dataset_id)
            )
            rows = connection.execute(
                "SELECT model_id FROM models WHERE dataset_id = ? ORDER BY seq DESC", (dataset_id,)
            )
            return [model_id for (model_id,) in rows]

        return self._file.write(work)

    def set_alias(self, change: AliasChange, *, instead_of: AliasChange | None) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                f"SELECT {_CHANGE} FROM alias_changes WHERE category = ? AND alias = ? "  # noqa: S608
                "ORDER BY seq DESC LIMIT 1",
                (change.category, change.alias),
            ).fetchone()
            if (_change(row) if row else None) != instead_of:
                return False
            connection.execute(
                f"INSERT INTO alias_changes ({_CHANGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    change.category,
                    change.alias,
                    change.model_id,
                    change.at,
                    change.by,
                    change.why,
                    change.override,
                    change.rolled_back,
                ),
            )
            return True

        return self._file.write(work)

    def aliases(self, category: Category | None = None) -> list[AliasChange]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_CHANGE} FROM alias_changes WHERE seq IN "  # noqa: S608
                "(SELECT max(seq) FROM alias_changes GROUP BY category, alias) "
                "AND (?1 IS NULL OR category = ?1) ORDER BY category, alias",
                (category,),
            ).fetchall()
        )
        return [_change(row) for row in rows]

    def alias_history(self, category: Category, alias: str) -> list[AliasChange]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_CHANGE} FROM alias_changes WHERE category = ? AND alias = ? "  # noqa: S608
                "ORDER BY seq DESC",
                (category, alias),
            ).fetchall()
        )
        return [_change(row) for row in rows]

    def close(self) -> None:
        self._file.close()


def unknown_model(model_id: str, known: Sequence[str]) -> NotFoundError:
    there = f"The newest are {', '.join(map(repr, known))}." if known else "No training has made one yet."
    return NotFoundError(f"There is no model {model_id!r}. {there}")


def _model(row: tuple[str, ...]) -> ModelRecord:
    (
        model_id,
        category,
        provider,
        base_model,
        created_at,
        job_id,
        dataset_id,
        artifact_hash,
        path,
        passed,
        verdict,
        tainted,
    ) = row
    return ModelRecord(
        model_id=model_id,
        category=Category(category),
        provider=FinetuningProvider(provider),
        base_model=base_model,
        created_at=created_at,
        job_id=job_id,
        dataset_id=dataset_id,
        artifact_hash=artifact_hash,
        path=path,
        passed=bool(passed),
        verdict=json.loads(verdict),
        tainted=tainted,
    )


def _change(row: tuple[str, ...]) -> AliasChange:
    category, alias, model_id, at, by, why, override, rolled_back = row
    return AliasChange(
        category=Category(category),
        alias=alias,
        model_id=model_id,
        at=at,
        by=by,
        why=why,
        override=bool(override),
        rolled_back=bool(rolled_back),
    )
