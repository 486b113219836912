"""Read SQLite files: run a query, describe what is in them. Nothing can be written or attached.

Toolhone's own files are refused: they hold the results of every caller, not redacted.
"""

import base64
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

LONGEST_VALUE = 10_000_000
LONGEST_BLOB_SHOWN = 1_000

TOOLHONE_APPLICATION_ID = 0x74686F6E
"""What toolhone writes into the header of its files; the same number stands in its storage."""

_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_FUNCTION,
}
_READING_PRAGMAS = {
    *("foreign_key_list", "index_info", "index_list", "index_xinfo"),
    *("table_info", "table_list", "table_xinfo"),
}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}


class QueryError(Exception):
    """The database or the query cannot be used."""


def query(
    database: str,
    query: str,
    parameters: list[Any] | dict[str, Any] | None = None,
    max_rows: int = 100,
    timeout_seconds: float = 10,
) -> dict[str, Any]:
    """Run one reading statement; its rows as objects, at most `max_rows` of them."""
    with _opened(database, timeout_seconds) as connection:
        cursor = connection.execute(query, parameters if parameters is not None else ())
        columns = _distinct([column[0] for column in cursor.description or ()])
        rows = cursor.fetchmany(max_rows + 1)
    shown = [
        {column: _json(value) for column, value in zip(columns, row, strict=True)} for row in rows[:max_rows]
    ]
    return {"columns": columns, "rows": shown, "row_count": len(shown), "more_rows": len(rows) > max_rows}


def describe(database: str, count_rows: bool = True, timeout_seconds: float = 10) -> dict[str, Any]:
    """Every table and view with its columns, keys and indexes."""
    with _opened(database, timeout_seconds) as connection:
        found = connection.execute(
            "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ).fetchall()
        tables = [_described(connection, name, kind) for name, kind in found]
        for table in tables if count_rows else ():
            try:
                counted = connection.execute(f"SELECT count(*) FROM {_quoted(table['name'])}")  # noqa: S608
                table["row_count"] = counted.fetchone()[0]
            except sqlite3.Error as exc:  # Out of time, or a view that no longer works.
                table["row_count_error"] = str(exc)
    return {"tables": tables}


def _described(connection: sqlite3.Connection, name: str, kind: str) -> dict[str, Any]:
    def pragma(word: str, argument: str) -> list[dict[str, Any]]:
        cursor = connection.execute(f"PRAGMA {word}({_quoted(argument)})")
        columns = [column[0] for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor]

    description: dict[str, Any] = {"name": name, "kind": kind}
    try:
        description["columns"] = [
            {
                "name": column["name"],
                "type": column["type"],
                "not_null": bool(column["notnull"]),
                "default": _json(column["dflt_value"]),
                "primary_key": bool(column["pk"]),
            }
            for column in pragma("table_xinfo", name)
        ]
    except sqlite3.Error as exc:  # A view on a table that is gone harms nobody but itself.
        return description | {"columns": [], "error": str(exc)}
    description["foreign_keys"] = [
        {"column": key["from"], "references": f"{key['table']}.{key['to'] or 'primary key'}"}
        for key in pragma("foreign_key_list", name)
    ]
    description["indexes"] = [
        {
            "name": index["name"],
            "unique": bool(index["unique"]),
            "columns": [part["name"] for part in pragma("index_info", index["name"])],
        }
        for index in pragma("index_list", name)
    ]
    return description


@contextmanager
def _opened(database: str, timeout_seconds: float) -> Generator[sqlite3.Connection]:
    path = Path(database).expanduser().resolve()
    if not path.is_file():
        raise QueryError(f"There is no database file {str(path)!r}.")
    deadline = time.monotonic() + timeout_seconds
    with closing(
        sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=timeout_seconds)
    ) as connection:
        connection.text_factory = _text
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.execute("PRAGMA query_only = ON")
        if connection.execute("PRAGMA application_id").fetchone() == (TOOLHONE_APPLICATION_ID,):
            raise QueryError(f"{str(path)!r} is toolhone's own data; use `toolhone audit`.")
        connection.set_authorizer(_only_reading)
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            yield connection
        except sqlite3.OperationalError as exc:
            if str(exc) == "interrupted":
                raise QueryError(f"The query took longer than {timeout_seconds:g} s.") from exc
            raise
        except sqlite3.DatabaseError as exc:
            if "not authorized" in str(exc) or "prohibited" in str(exc):
                raise QueryError("Only statements that read are allowed (SELECT, WITH, EXPLAIN).") from exc
            raise


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _only_reading(
    action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None
) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = first in _READING_PRAGMAS
    else:
        # The name of a function is the second argument.
        allowed = action in _READING and not (
            action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS
        )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _distinct(names: list[str]) -> list[str]:
    """Column names made distinct, since rows are objects: id, name, id_2."""
    taken: set[str] = set()
    for index, name in enumerate(names):
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        taken.add(candidate)
        names[index] = candidate
    return names


def _json(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    shown = base64.b64encode(value[:LONGEST_BLOB_SHOWN]).decode()
    return {"bytes": len(value), "base64": shown, "whole": len(value) <= LONGEST_BLOB_SHOWN}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
