"""Every layout that a file of the data folder had goes forward with its rows; a newer one is not touched.

`layouts/` has each file after each of its steps; `record.py` writes what is new. No release was made yet, so
these are all the layouts that there were.
"""

import ast
import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from toolhone.exceptions import NewerStorageError
from toolhone.models import Json
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.sqlite import SqliteFile

HERE = Path(__file__).parent
RECORDED = sorted((HERE / "layouts").glob("*/*.sql"))
PINS: dict[str, dict[str, str]] = json.loads((HERE / "steps.json").read_text())
STORAGE = HERE.parents[1] / "src" / "toolhone" / "storage"

Rows = list[dict[str, Json]]


def restore(dump: Path, folder: Path) -> Path:
    """The file of a data folder that was written by an earlier toolhone."""
    path = folder / f"{dump.parent.name}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    return path


def contents(path: Path) -> dict[str, Rows]:
    """The rows of every table that toolhone keeps something in."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name != '_sqlite_migrations' "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')]  # noqa: S608
            for (name,) in tables
        }


def shape(path: Path) -> set[tuple[str, str]]:
    """Every table, index and trigger, with the SQL that makes it."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, " ".join(sql.split())) for name, sql in rows}


def open_file(path: Path, file: str) -> None:
    """Open the file as its store does."""
    opened = SqliteFile(path, LAYOUTS[file])
    try:
        opened.read(lambda connection: connection.execute("SELECT 1").fetchone())
    finally:
        opened.close()


@pytest.mark.parametrize("dump", RECORDED, ids=lambda dump: f"{dump.parent.name}/{dump.stem}")
def test_a_file_of_an_earlier_layout_goes_forward_with_its_rows(dump: Path, tmp_path: Path) -> None:
    path = restore(dump, tmp_path)
    before = contents(path)
    assert sum(map(len, before.values())) > 0

    open_file(path, path.name)

    after = contents(path)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
        assert kept == rows, table
    fresh = tmp_path / "fresh.db"
    open_file(fresh, path.name)
    assert shape(path) == shape(fresh)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("file", LAYOUTS)
def test_a_file_of_a_newer_layout_is_refused_and_left_as_it_is(file: str, tmp_path: Path) -> None:
    path = restore(RECORDED_LAST[file], tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES (?, 'of_the_future', '')",
            [LAYOUTS[file].name],
        )
        connection.commit()
    before = hashlib.sha256(path.read_bytes()).hexdigest()

    with pytest.raises(NewerStorageError, match="'of_the_future'"):
        open_file(path, file)

    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [*tmp_path.iterdir()] == [path]


RECORDED_LAST = {f"{dump.parent.name}.db": dump for dump in RECORDED}


def test_every_step_has_its_recorded_layout() -> None:
    wanted = {
        f"{file.removesuffix('.db')}/{number:02}-{step}"
        for file, schema in LAYOUTS.items()
        for number, step in enumerate(schema.known, 1)
    }

    assert {f"{dump.parent.name}/{dump.stem}" for dump in RECORDED} == wanted, (
        "A step was added: run python tests/upgrades/record.py. One that a release had must never go."
    )


def test_no_step_was_edited() -> None:
    # In a process of its own, because the tests of this folder are no package.
    code = (
        "import json, record; from toolhone.storage.layouts import LAYOUTS; "
        "print(json.dumps({file: record.fingerprints(schema) for file, schema in LAYOUTS.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout) == PINS, (
        "A step runs other SQL than it did. Data folders that went through it would not get the difference: "
        "append a step instead."
    )


def test_every_file_that_a_store_opens_is_among_the_layouts() -> None:
    opened: set[str] = set()
    for module in STORAGE.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "SqliteFile"
            ):
                opened |= {
                    part.value
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }

    assert opened == set(LAYOUTS)
