"""The step that gives the audit what its filters need; see `migrations.py`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


INDEXES = {
    "audit_by_kind": "(kind)",
    "audit_by_principal": "(principal)",
    # Nothing is ever looked for by what is not there.
    "audit_by_tool": "(tool) WHERE tool IS NOT NULL",
    "audit_by_server": "(server) WHERE server IS NOT NULL",
    # Few rows have failed, so these can afford to hold what else is filtered by.
    "audit_by_error": "(error_code, seq, kind, tool, server, principal, success) "
    "WHERE error_code IS NOT NULL",
    "audit_by_failure": "(seq, kind, tool, server, principal) WHERE success = 0",
    "audit_narrow": "(seq, kind, tool, server, principal, success, error_code)",
}


def index_audit(db: "Database") -> None:
    """What the filters of the audit need to answer without reading a million rows.

    An index on one column ends with the row's `seq`, so that the newest rows of one value are at its end.
    `audit_narrow` has what is filtered by in the order of `seq`: where several filters meet it is read
    instead of the rows, which are ten times as wide. `audit_spans` tells between which times a thousand
    rows in a row lie; clocks may jump, so that the order of `seq` is not quite that of time.
    """
    for name, columns in INDEXES.items():
        db.conn.execute(f"CREATE INDEX {name} ON audit {columns}")
    db.conn.execute(
        """
        CREATE TABLE audit_spans (
            block INTEGER PRIMARY KEY,
            first TEXT NOT NULL,
            last TEXT NOT NULL
        )
        """
    )
    db.conn.execute(
        "INSERT INTO audit_spans (block, first, last) "
        "SELECT seq / 1000, MIN(timestamp), MAX(timestamp) FROM audit GROUP BY seq / 1000"
    )
    db.conn.execute(
        """
        CREATE TRIGGER audit_rows_widen_their_span AFTER INSERT ON audit
        BEGIN
            INSERT INTO audit_spans (block, first, last)
            VALUES (NEW.seq / 1000, NEW.timestamp, NEW.timestamp)
            ON CONFLICT (block) DO UPDATE
            SET first = MIN(first, excluded.first), last = MAX(last, excluded.last);
        END
        """
    )
