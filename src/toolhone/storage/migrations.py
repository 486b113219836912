"""The tables of every file in the data folder, as steps that are appended and never edited.

The steps run on sqlite-utils and are recorded in its `_sqlite_migrations` table. That table is read
here with plain `sqlite3`, so that a file which is up to date, as nearly always, is opened without
the half second and 30 MB that importing sqlite-utils costs.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from toolhone.storage.audit_indexes import index_audit

if TYPE_CHECKING:
    from sqlite_utils import Database

Step: TypeAlias = "Callable[[Database], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables of one file. A step is known by its function's name."""

    name: str
    steps: tuple[Step, ...]

    @property
    def known(self) -> list[str]:
        return [step.__name__ for step in self.steps]


def applied_steps(connection: sqlite3.Connection, schema: Schema) -> list[str]:
    """Names of the steps this file has been through, ours or a newer program's."""
    table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
    if connection.execute(table).fetchone() is None:
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (schema.name,)
    )
    return [name for (name,) in rows]


def migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    """Apply the missing steps, in one transaction with their records.

    Several processes may start on one empty folder: whoever gets the write lock first does the work,
    the others find it done.
    """
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations(schema.name)
    for step in schema.steps:
        migrations()(step)
    database = Database(connection, execute_plugins=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(database)
    except BaseException:
        database.rollback()
        raise
    database.commit()


def create_audit(db: "Database") -> None:
    """The audit rows, the head of their chain, and triggers against accidents.

    The triggers keep programs honest, not people: whoever may write the file may drop them. What was
    changed behind their back is found by the chain.
    """
    db.conn.execute(
        """
        CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            event_id TEXT NOT NULL UNIQUE,
            timestamp TEXT NOT NULL,
            kind TEXT NOT NULL,
            principal TEXT NOT NULL,
            client TEXT,
            session TEXT,
            request_id TEXT,
            call_id TEXT,
            slot TEXT,
            tool TEXT,
            server TEXT,
            success INTEGER,
            error_code TEXT,
            execution_time_ms REAL,
            tokens_used INTEGER,
            payload_hash TEXT NOT NULL,
            previous_hash TEXT NOT NULL,
            row_hash TEXT NOT NULL,
            salt TEXT,
            payload TEXT
        )
        """
    )
    db.conn.execute("CREATE INDEX audit_by_request ON audit (request_id) WHERE request_id IS NOT NULL")
    db.conn.execute("CREATE INDEX audit_by_call ON audit (call_id) WHERE call_id IS NOT NULL")
    # Holds all that usage figures need, so that they are read without touching a row.
    db.conn.execute(
        "CREATE INDEX audit_usage ON audit (tool, success, execution_time_ms, tokens_used) "
        "WHERE kind = 'call'"
    )
    db.conn.execute(
        """
        CREATE TABLE audit_head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            seq INTEGER NOT NULL,
            row_hash TEXT NOT NULL
        )
        """
    )
    db.conn.execute(
        "INSERT INTO audit_head (id, seq, row_hash) VALUES (1, 0, ?)",
        ["sha256:" + "0" * 64],
    )
    db.conn.execute(
        """
        CREATE TRIGGER audit_rows_stay BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END
        """
    )
    db.conn.execute(
        """
        CREATE TRIGGER audit_rows_keep_their_values BEFORE UPDATE ON audit
        WHEN NEW.payload IS NOT NULL OR NEW.salt IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'audit rows are never changed, only their payload erased'); END
        """
    )
    db.conn.execute(
        """
        CREATE TRIGGER audit_columns_keep_their_values BEFORE UPDATE OF
            seq, event_id, timestamp, kind, principal, client, session, request_id, call_id, slot,
            tool, server, success, error_code, execution_time_ms, tokens_used, payload_hash,
            previous_hash, row_hash
        ON audit
        BEGIN SELECT RAISE(ABORT, 'audit rows are never changed, only their payload erased'); END
        """
    )


def create_catalogs(db: "Database") -> None:
    """The last good listing of each downstream server."""
    db.conn.execute(
        """
        CREATE TABLE catalogs (
            server TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            content_hash TEXT NOT NULL,
            listed_at TEXT NOT NULL,
            tools TEXT NOT NULL
        )
        """
    )


def create_vectors(db: "Database") -> None:
    """Embeddings by model and text."""
    db.conn.execute(
        """
        CREATE TABLE vectors (
            model TEXT NOT NULL,
            text_hash TEXT NOT NULL,
            vector BLOB NOT NULL,
            UNIQUE (model, text_hash)
        )
        """
    )


def add_vectors_used_on(db: "Database") -> None:
    """The last day each vector was asked for, as days since the epoch. Old ones count as used today."""
    db.conn.execute("ALTER TABLE vectors ADD COLUMN used_on INTEGER NOT NULL DEFAULT 0")
    db.conn.execute("UPDATE vectors SET used_on = CAST(strftime('%s', 'now') AS INTEGER) / 86400")


def create_token_vectors(db: "Database") -> None:
    """The vectors of the tokens of texts, apart because they are four times as large and rarely read."""
    db.conn.execute(
        """
        CREATE TABLE token_vectors (
            model TEXT NOT NULL,
            text_hash TEXT NOT NULL,
            vectors BLOB NOT NULL,
            UNIQUE (model, text_hash)
        )
        """
    )


def index_vectors_by_use(db: "Database") -> None:
    """Finds what was not asked for in a long time, and what not yet today, without reading a vector."""
    db.conn.execute("CREATE INDEX vectors_by_use ON vectors (used_on, model, text_hash)")


def create_results(db: "Database") -> None:
    """Whole results; one whose body is gone stays as a tombstone, to be told from one that never was."""
    db.conn.execute(
        """
        CREATE TABLE results (
            id INTEGER PRIMARY KEY,
            handle TEXT NOT NULL UNIQUE,
            principal TEXT NOT NULL,
            tool TEXT NOT NULL,
            call_id TEXT NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            media TEXT NOT NULL,
            size INTEGER NOT NULL,
            body BLOB
        )
        """
    )
    db.conn.execute("CREATE INDEX results_kept ON results (expires_at, size) WHERE body IS NOT NULL")


def create_learning(db: "Database") -> None:
    """Learned rankings, what was served when, and the vectors of the tasks that were learned from."""
    db.conn.execute(
        """
        CREATE TABLE versions (
            seq INTEGER PRIMARY KEY,
            version TEXT NOT NULL UNIQUE,
            created_at TEXT NOT NULL,
            encoder TEXT NOT NULL,
            artifact_hash TEXT NOT NULL,
            data_hash TEXT NOT NULL,
            until TEXT NOT NULL,
            parent TEXT,
            figures TEXT NOT NULL,
            expired TEXT,
            artifact BLOB NOT NULL
        )
        """
    )
    db.conn.execute(
        """
        CREATE TABLE promotions (
            seq INTEGER PRIMARY KEY,
            version TEXT REFERENCES versions (version),
            at TEXT NOT NULL,
            why TEXT NOT NULL,
            back_to INTEGER REFERENCES promotions (seq)
        )
        """
    )
    db.conn.execute(
        """
        CREATE TABLE task_vectors (
            encoder TEXT NOT NULL,
            task TEXT NOT NULL,
            vector BLOB NOT NULL,
            PRIMARY KEY (encoder, task)
        ) WITHOUT ROWID
        """
    )


def create_approvals(db: "Database") -> None:
    """Definitions of downstream tools, and apart from them, since they are long, what was decided of each."""
    db.conn.execute(
        """
        CREATE TABLE definitions (
            hash TEXT PRIMARY KEY,
            definition TEXT NOT NULL
        )
        """
    )
    db.conn.execute(
        """
        CREATE TABLE approvals (
            server TEXT NOT NULL,
            tool TEXT NOT NULL,
            hash TEXT NOT NULL REFERENCES definitions (hash),
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            seen_at TEXT NOT NULL,
            decided_at TEXT,
            decided_by TEXT,
            PRIMARY KEY (server, tool, hash)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute("CREATE INDEX approvals_by_hash ON approvals (hash)")


AUDIT = Schema(name="toolhone.audit", steps=(create_audit, index_audit))
CACHE = Schema(
    name="toolhone.cache",
    steps=(
        create_catalogs,
        create_vectors,
        add_vectors_used_on,
        create_token_vectors,
        index_vectors_by_use,
    ),
)
APPROVALS = Schema(name="toolhone.approvals", steps=(create_approvals,))
RESULTS = Schema(name="toolhone.results", steps=(create_results,))
SELECTOR = Schema(name="toolhone.selector", steps=(create_learning,))
