"""Writes down each layout that a file of the data folder ever had, for the tests of upgrades.

    python tests/upgrades/record.py

For each step of each file that is not yet known: `layouts/FILE/NN-STEP.sql`, the file as this step leaves it,
with rows in every table; and in `steps.json` the hash of the SQL that the step runs. What is there is never
written again: once a step is released, its layout is in somebody's data folder. A step that no release had
may be recorded anew after its files here were removed.
"""

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from sqlite_utils import Database

from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.migrations import Schema, migrate

HERE = Path(__file__).parent
FOLDER = HERE / "layouts"
PINS = HERE / "steps.json"
ROWS = 3

Pins: TypeAlias = dict[str, dict[str, str]]


def layout_file(file: str, number: int, step: str) -> Path:
    """Where the layout after so many steps is kept."""
    return FOLDER / file.removesuffix(".db") / f"{number:02}-{step}.sql"


def fingerprints(schema: Schema) -> dict[str, str]:
    """The hash of what each step runs, by its name. White space does not count."""
    found: dict[str, str] = {}
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in schema.steps:
            statements: list[str] = []
            connection.set_trace_callback(statements.append)
            step(Database(connection, execute_plugins=False))
            connection.set_trace_callback(None)
            text = "\n".join(" ".join(statement.split()) for statement in statements)
            found[step.__name__] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return found


def dumped(schema: Schema, steps: int) -> str:
    """The SQL of a file that went through the first so many steps, with rows in every table."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for count in range(1, steps + 1):
            # Step by step, as releases came, so that rows live through what comes after.
            migrate(connection, Schema(name=schema.name, steps=schema.steps[:count]))
            for table in own_tables(connection):
                _fill(connection, table)
        lines = [line for line in connection.iterdump() if "sqlite_sequence" not in line]
    # The times at which steps were applied here say nothing.
    text = re.sub(r"'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^']*'", "'2026-01-01 00:00:00'", "\n".join(lines))
    return f"{text}\n"


def own_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables that hold what toolhone keeps."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name != '_sqlite_migrations' ORDER BY rowid"
    )
    return [name for (name,) in rows]


def _fill(connection: sqlite3.Connection, table: str) -> None:
    """Rows with a value in every column, unless the table has some."""
    if connection.execute(f'SELECT 1 FROM "{table}"').fetchone():  # noqa: S608
        return
    columns = connection.execute(f"PRAGMA table_info('{table}')").fetchall()
    parents = {key[3]: (key[2], key[4]) for key in connection.execute(f"PRAGMA foreign_key_list('{table}')")}
    names = ", ".join(f'"{column[1]}"' for column in columns)
    marks = ", ".join("?" for _ in columns)
    for number in range(1, ROWS + 1):
        values = [_value(connection, column[1], column[2], number, parents) for column in columns]
        # OR IGNORE: some tables have place for one row only.
        connection.execute(f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})', values)  # noqa: S608


def _value(
    connection: sqlite3.Connection,
    column: str,
    kind: str,
    number: int,
    parents: dict[str, tuple[str, str]],
) -> int | float | str | bytes | None:
    if column in parents:
        table, key = parents[column]
        row = connection.execute(f'SELECT "{key}" FROM "{table}" LIMIT 1 OFFSET ?', [number - 1])  # noqa: S608
        found = row.fetchone()
        return None if found is None else found[0]
    match kind.upper():
        case "INTEGER":
            return number
        case "REAL":
            return number + 0.5
        case "BLOB":
            return bytes([number] * 4)
        case _:
            # JSON, so that a step may read it as such.
            return json.dumps(f"{column} {number}")


def main() -> None:
    """Record what is not yet known."""
    pins: Pins = json.loads(PINS.read_text()) if PINS.exists() else {}
    for file, schema in LAYOUTS.items():
        known = pins.setdefault(file, {})
        for number, (step, fingerprint) in enumerate(fingerprints(schema).items(), 1):
            known.setdefault(step, fingerprint)
            path = layout_file(file, number, step)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(dumped(schema, number), encoding="utf-8")
                print(f"recorded {path.relative_to(HERE)}")
    PINS.write_text(f"{json.dumps(pins, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
