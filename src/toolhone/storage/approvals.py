"""Approved and waiting definitions of downstream tools, in `approvals.db`. Reading creates nothing.

Not in `cache.db`: a cache may be thrown away, and with it everything would be seen for the first time again.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolhone.models import JsonObject
from toolhone.records.approvals import FIRST_USE, Approval, ApprovalStatus, HeldBack, Offered, Place
from toolhone.storage.migrations import APPROVALS
from toolhone.storage.sqlite import SqliteFile

_COLUMNS = "server, tool, name, hash, status, seen_at, decided_at, decided_by"

_HELD_BACK = f"""
SELECT {", ".join(f"one.{name}" for name in _COLUMNS.split(", "))},
    {", ".join(f"before.{name}" for name in _COLUMNS.split(", "))}
FROM (
    SELECT * FROM approvals
    WHERE status = :status AND (
        :seen_at IS NULL OR seen_at < :seen_at
        OR (seen_at = :seen_at AND (server, tool, hash) > (:server, :tool, :hash))
    )
    ORDER BY seen_at DESC, server, tool, hash LIMIT :limit
) AS one
LEFT JOIN approvals AS before ON before.server = one.server AND before.tool = one.tool AND before.hash = (
    SELECT hash FROM approvals
    WHERE server = one.server AND tool = one.tool AND hash <> one.hash AND status = :approved
    ORDER BY decided_at DESC LIMIT 1
)
ORDER BY one.seen_at DESC, one.server, one.tool, one.hash
"""  # noqa: S608

_AT_ONCE = 500
"""Values in one statement."""


class SqliteApprovalStore:
    """One file of the data folder for all servers."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "approvals.db", APPROVALS)

    def of_server(self, server: str) -> Sequence[Approval]:
        if not self._file.exists():
            return []
        return self._file.read(lambda connection: _of_server(connection, server))

    def note(
        self, server: str, offered: Sequence[Offered], *, first_use: bool, at: str, most_tools: int
    ) -> Sequence[Approval]:
        def work(connection: sqlite3.Connection) -> list[Approval]:
            # Once more, in the transaction: another process may have been first.
            known: dict[str, dict[str, Approval]] = {}
            for one in _of_server(connection, server):
                known.setdefault(one.tool, {})[one.hash] = one
            waiting: list[Approval] = []
            for tool in offered:
                of_tool = known.get(tool.tool, {})
                there = of_tool.get(tool.hash)
                if not of_tool and len(known) >= most_tools:
                    continue
                connection.execute(
                    "DELETE FROM approvals WHERE server = ? AND tool = ? AND hash <> ? AND status = ?",
                    (server, tool.tool, tool.hash, ApprovalStatus.WAITING),
                )
                if there is None:
                    trusted = first_use and not of_tool
                    there = Approval(
                        server=server,
                        tool=tool.tool,
                        name=tool.name,
                        hash=tool.hash,
                        status=ApprovalStatus.APPROVED if trusted else ApprovalStatus.WAITING,
                        seen_at=at,
                        decided_at=at if trusted else None,
                        decided_by=FIRST_USE if trusted else None,
                    )
                    _insert(connection, there, tool.definition)
                    known[tool.tool] = {**of_tool, tool.hash: there}
                    if not trusted:
                        waiting.append(there)
                elif there.name != tool.name:
                    connection.execute(
                        "UPDATE approvals SET name = ? WHERE server = ? AND tool = ?",
                        (tool.name, server, tool.tool),
                    )
            connection.execute("DELETE FROM definitions WHERE hash NOT IN (SELECT hash FROM approvals)")
            return waiting

        return self._file.write(work)

    def find(self, name: str, *, status: ApprovalStatus | None = None) -> Sequence[Approval]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM approvals WHERE name = :name "  # noqa: S608
                "AND (:status IS NULL OR status = :status) ORDER BY seen_at DESC, server, tool, hash",
                {"name": name, "status": status},
            ).fetchall()
        )
        return [_approval(row) for row in rows]

    def held_back(
        self, status: ApprovalStatus, *, limit: int | None = None, after: Place | None = None
    ) -> Sequence[HeldBack]:
        if not self._file.exists():
            return []
        seen_at, server, tool, digest = after or (None, None, None, None)
        rows = self._file.read(
            lambda connection: connection.execute(
                _HELD_BACK,
                {
                    "status": status,
                    "approved": ApprovalStatus.APPROVED,
                    "seen_at": seen_at,
                    "server": server,
                    "tool": tool,
                    "hash": digest,
                    "limit": -1 if limit is None else limit,
                },
            ).fetchall()
        )
        width = _COLUMNS.count(",") + 1
        return [
            HeldBack(
                approval=_approval(row[:width]),
                before=_approval(row[width:]) if row[width] is not None else None,
            )
            for row in rows
        ]

    def count(self, status: ApprovalStatus) -> int:
        if not self._file.exists():
            return 0
        (count,) = self._file.read(
            lambda connection: connection.execute(
                "SELECT count(*) FROM approvals WHERE status = ?", (status,)
            ).fetchone()
        )
        return int(count)

    def definitions(self, hashes: Sequence[str]) -> Mapping[str, JsonObject]:
        if not self._file.exists():
            return {}

        def work(connection: sqlite3.Connection) -> dict[str, JsonObject]:
            found: dict[str, JsonObject] = {}
            for start in range(0, len(hashes), _AT_ONCE):
                part = hashes[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = connection.execute(
                    f"SELECT hash, definition FROM definitions WHERE hash IN ({marks})",  # noqa: S608
                    part,
                )
                found |= {digest: json.loads(definition) for digest, definition in rows}
            return found

        return self._file.read(work)

    def decide(self, approval: Approval, status: ApprovalStatus, *, at: str, by: str) -> bool:
        changed = self._file.write(
            lambda connection: (
                connection.execute(
                    "UPDATE approvals SET status = ?, decided_at = ?, decided_by = ? "
                    "WHERE server = ? AND tool = ? AND hash = ? AND status = ?",
                    (status, at, by, approval.server, approval.tool, approval.hash, approval.status),
                ).rowcount
            )
        )
        return changed == 1

    def version(self) -> int:
        if not self._file.exists():
            return 0
        (version,) = self._file.bare(lambda connection: connection.execute("PRAGMA data_version").fetchone())
        return int(version)

    def close(self) -> None:
        self._file.close()


def _of_server(connection: sqlite3.Connection, server: str) -> list[Approval]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM approvals WHERE server = ? ORDER BY tool, hash",  # noqa: S608
        (server,),
    )
    return [_approval(row) for row in rows]


def _insert(connection: sqlite3.Connection, approval: Approval, definition: JsonObject) -> None:
    # ASCII escapes: a server may send text that UTF-8 cannot spell.
    text = json.dumps(definition, separators=(",", ":"))
    connection.execute(
        "INSERT OR IGNORE INTO definitions (hash, definition) VALUES (?, ?)", (approval.hash, text)
    )
    connection.execute(
        f"INSERT INTO approvals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            approval.server,
            approval.tool,
            approval.name,
            approval.hash,
            approval.status,
            approval.seen_at,
            approval.decided_at,
            approval.decided_by,
        ),
    )


def _approval(row: tuple[str, str, str, str, str, str, str | None, str | None]) -> Approval:
    server, tool, name, digest, status, seen_at, decided_at, decided_by = row
    return Approval(
        server=server,
        tool=tool,
        name=name,
        hash=digest,
        status=ApprovalStatus(status),
        seen_at=seen_at,
        decided_at=decided_at,
        decided_by=decided_by,
    )
