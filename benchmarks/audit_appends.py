"""What it costs an append that the audit can be read by filters: with their indexes, and without them.

python benchmarks/audit_appends.py
"""

import random
import sqlite3
import tempfile
import time
from pathlib import Path

from audit_rows import events

from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.audit_indexes import INDEXES


def append_cost(rows: int = 20_000) -> None:
    """Appends one by one, as calls come, and in batches: with what serves reading, and without it."""
    for without in (True, False):
        for size in (1, 100):
            with tempfile.TemporaryDirectory() as folder:
                store = SqliteAuditStore(Path(folder))
                made = list(events(rows, random.Random(1)))
                store.append(made[:1])
                if without:
                    raw = sqlite3.connect(Path(folder) / "audit.db")
                    for name in INDEXES:
                        raw.execute(f"DROP INDEX {name}")
                    raw.execute("DROP TRIGGER audit_rows_widen_their_span")
                    raw.close()
                count = 2_000 if size == 1 else rows
                began = time.perf_counter()
                for start in range(1, count, size):
                    store.append(made[start : start + size])
                each = (time.perf_counter() - began) / count * 1e6
                store.close()
            print(
                f"append, {'without' if without else 'with   '} the indexes, {size:3} at a time: "
                f"{each:6.1f} µs a row"
            )


if __name__ == "__main__":
    append_cost()
