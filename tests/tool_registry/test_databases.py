"""query_database and describe_database: rows as objects, and nothing but reading."""

import importlib.util
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.catalogs import SqliteCatalogStore
from toolhone.storage.results import SqliteResultStore
from toolhone.storage.sqlite import APPLICATION_ID
from toolhone.stores import StoredResult

CallTool: TypeAlias = Callable[..., Awaitable[Json]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "a shop?#%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'nobody', photo BLOB);
            CREATE TABLE orders (
                id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), total REAL
            );
            CREATE UNIQUE INDEX by_name ON customers (name);
            CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
            CREATE VIEW broken AS SELECT * FROM nowhere;
            INSERT INTO customers (name, photo) VALUES ('Ada', x'00ff'), ('Bob', NULL);
            INSERT INTO orders (customer, total) VALUES (1, 10.5), (1, 2), (2, 3);
            """
        )
        connection.commit()
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_rows_are_objects_with_distinct_names(call_tool: CallTool, shop: Path) -> None:
    result = await call_tool(
        "query_database",
        database=str(shop),
        query="SELECT c.id, o.id, name, photo FROM customers c"
        " JOIN orders o ON o.customer = c.id WHERE name = ?",
        parameters=["Ada"],
    )

    assert result["columns"] == ["id", "id_2", "name", "photo"]
    assert result["rows"][1] == {
        "id": 1,
        "id_2": 2,
        "name": "Ada",
        "photo": {"bytes": 2, "base64": "AP8=", "whole": True},
    }
    assert result["more_rows"] is False


async def test_parameters_may_have_names_and_more_rows_are_announced(call_tool: CallTool, shop: Path) -> None:
    query = "SELECT total FROM orders WHERE total > :least ORDER BY total"
    arguments = {"database": str(shop), "query": query, "parameters": {"least": 0}}

    two = await call_tool("query_database", **arguments, max_rows=2)
    three = await call_tool("query_database", **arguments, max_rows=3)

    assert [row["total"] for row in two["rows"]] == [2, 3]
    assert two["more_rows"] is True
    assert three["more_rows"] is False


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "INSERT INTO orders DEFAULT VALUES RETURNING id",
        "UPDATE orders SET total = 0",
        "DROP TABLE orders",
        "CREATE TEMP TABLE t (a)",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM orders",
        "BEGIN IMMEDIATE",
    ],
)
async def test_nothing_but_reading_is_possible(
    call_tool: CallTool, shop: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.parent)
    before = contents(shop.parent)

    with pytest.raises(ToolFailedError):
        await call_tool("query_database", database=str(shop), query=query)

    assert contents(shop.parent) == before


@pytest.mark.parametrize("name", ["results.db", "audit.db", "cache.db", "link.db"])
async def test_toolhones_own_files_are_refused(call_tool: CallTool, tmp_path: Path, name: str) -> None:
    audit = SqliteAuditStore(tmp_path)
    audit.verify()
    catalogs = SqliteCatalogStore(tmp_path)
    catalogs.delete("none")
    results = SqliteResultStore(tmp_path, max_bytes=100)
    results.put(
        StoredResult(
            handle="h",
            principal="anna",
            tool="t",
            call_id="c",
            created_at=0,
            expires_at=4e9,
            media="text",
            body=b"confidential",
        )
    )
    (tmp_path / "link.db").symlink_to(tmp_path / "results.db")

    # While toolhone has them open, and when all is in the files themselves.
    for _ in range(2):
        with pytest.raises(ToolFailedError, match="toolhone's own data; use `toolhone audit`"):
            await call_tool("query_database", database=str(tmp_path / name), query="SELECT 1")
        with pytest.raises(ToolFailedError, match="toolhone's own data; use `toolhone audit`"):
            await call_tool("describe_database", database=str(tmp_path / name))
        for store in (audit, catalogs, results):
            store.close()


def test_the_tool_knows_the_number_that_storage_writes(registry_folder: Path) -> None:
    # The tool stands alone and cannot import it.
    spec = importlib.util.spec_from_file_location("_shipped", registry_folder / "sqlite_database.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.TOOLHONE_APPLICATION_ID == APPLICATION_ID


async def test_a_query_that_never_ends_is_stopped(call_tool: CallTool, shop: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    with pytest.raises(ToolFailedError, match=r"longer than 0\.2 s"):
        await call_tool("query_database", database=str(shop), query=endless, timeout_seconds=0.2)


async def test_a_huge_value_is_refused(call_tool: CallTool, shop: Path) -> None:
    with pytest.raises(ToolFailedError, match="too big"):
        await call_tool("query_database", database=str(shop), query="SELECT zeroblob(100000000)")


async def test_bad_input_is_told_clearly(call_tool: CallTool, shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_text("this is no database, whatever its name says" * 50)

    with pytest.raises(ToolFailedError, match="There is no database file"):
        await call_tool("query_database", database=str(tmp_path / "none.db"), query="SELECT 1")
    with pytest.raises(ToolFailedError, match="not a database"):
        await call_tool("query_database", database=str(other), query="SELECT * FROM sqlite_master")
    with pytest.raises(ToolFailedError, match="no such table: absent"):
        await call_tool("query_database", database=str(shop), query="SELECT * FROM absent")
    assert not (tmp_path / "none.db").exists()


async def test_a_database_is_described_with_keys_indexes_and_counts(call_tool: CallTool, shop: Path) -> None:
    result = await call_tool("describe_database", database=str(shop))

    tables = {table["name"]: table for table in result["tables"]}
    assert list(tables) == ["broken", "customers", "orders", "totals"]
    assert tables["customers"]["row_count"] == 2
    assert tables["customers"]["columns"][1] == {
        "name": "name",
        "type": "TEXT",
        "not_null": True,
        "default": "'nobody'",
        "primary_key": False,
    }
    assert tables["customers"]["indexes"] == [{"name": "by_name", "unique": True, "columns": ["name"]}]
    assert tables["orders"]["foreign_keys"] == [{"column": "customer", "references": "customers.id"}]
    assert tables["totals"]["kind"] == "view"
    assert "nowhere" in tables["broken"]["error"]
