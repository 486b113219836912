"""analyze_data: every format, bounded memory, honest numbers."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json

CallTool: TypeAlias = Callable[..., Awaitable[Json]]

ROWS = [
    {"id": "007", "city": "Oslo", "price": "1.5", "day": "2026-01-02", "sold": "true"},
    {"id": "008", "city": "Oslo", "price": "2", "day": "2026-01-03", "sold": "false"},
    {"id": "009", "city": "", "price": "NA", "day": "", "sold": "true"},
    {"id": "010", "city": "Bern, CH", "price": "4.5", "day": "2026-01-05T10:00:00Z", "sold": "true"},
]


def columns(result: Json) -> dict[str, Json]:
    return {column["name"]: column for column in result["columns"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_table_is_summarised_by_column(call_tool: CallTool, tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "sales.csv"
    lines = [delimiter.join(ROWS[0])]
    lines += [delimiter.join(f'"{value}"' for value in row.values()) for row in ROWS]
    file.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")

    result = await call_tool("analyze_data", path=str(file))

    found = columns(result)
    assert (result["format"], result["rows"], result["complete"]) == ("csv", 4, True)
    assert {name: column["type"] for name, column in found.items()} == {
        "id": "string",  # 007 is a code; as a number it would lose its zeros.
        "city": "string",
        "price": "number",
        "day": "date",
        "sold": "boolean",
    }
    assert (found["city"]["missing"], found["price"]["missing"]) == (1, 1)
    assert found["city"]["top_values"][0] == {"value": "Oslo", "count": 2}
    numbers = found["price"]["numbers"]
    assert (numbers["min"], numbers["max"]) == (1.5, 4.5)
    assert numbers["mean"] == pytest.approx(8 / 3)
    assert numbers["quantiles"]["50%"] == 2
    assert numbers["quantiles_are_exact"] is True


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "wrapped.json"])
async def test_json_in_its_forms_gives_one_summary(call_tool: CallTool, tmp_path: Path, name: str) -> None:
    rows = [{"n": 1, "tags": ["a"]}, {"n": 2.5, "tags": None}, {"n": "x", "extra": {"a": 1}}]
    text = {
        "rows.json": json.dumps(rows),
        "rows.jsonl": "\n".join(map(json.dumps, rows)) + "\n\n",
        "wrapped.json": json.dumps({"next": None, "items": rows}),
    }[name]
    (tmp_path / name).write_text(text)

    result = await call_tool("analyze_data", path=str(tmp_path / name))

    found = columns(result)
    assert result["rows"] == 3
    assert found["n"]["type"] == "mixed"
    assert found["n"]["types"] == {"integer": 1, "number": 1, "string": 1}
    assert found["tags"]["missing"] == 2
    assert found["extra"]["type"] == "object"


async def test_what_is_left_out_or_estimated_is_said(call_tool: CallTool, tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text("n\n" + "\n".join(str(number) for number in range(20_000)))

    whole = await call_tool("analyze_data", path=str(file))
    part = await call_tool("analyze_data", path=str(file), max_rows=100)

    numbers = whole["columns"][0]["numbers"]
    assert (whole["rows"], whole["complete"]) == (20_000, True)
    assert whole["columns"][0]["distinct_is_exact"] is False
    assert numbers["quantiles_are_exact"] is False
    assert numbers["quantiles"]["50%"] == pytest.approx(10_000, rel=0.05)
    assert numbers["mean"] == pytest.approx(9_999.5)
    assert (part["rows"], part["complete"]) == (100, False)


async def test_odd_tables_are_read_for_what_they_are(call_tool: CallTool, tmp_path: Path) -> None:
    (tmp_path / "ragged.csv").write_text("a,a,\n1,2,3,4\n5\n")
    (tmp_path / "empty.csv").write_text("")

    ragged = await call_tool("analyze_data", path=str(tmp_path / "ragged.csv"))
    empty = await call_tool("analyze_data", path=str(tmp_path / "empty.csv"))

    assert list(columns(ragged)) == ["a", "a_2", "column_3", "column_4"]
    assert columns(ragged)["a_2"]["missing"] == 1
    assert (empty["rows"], empty["columns"]) == (0, [])


async def test_bad_input_is_told_clearly(call_tool: CallTool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a,b\n1,2\n")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.jsonl").write_text('{"a": 1}\n{"a": \n')

    with pytest.raises(ToolFailedError, match="There is no file"):
        await call_tool("analyze_data", path=str(tmp_path / "none.csv"))
    with pytest.raises(ToolFailedError, match="give format"):
        await call_tool("analyze_data", path=str(tmp_path / "a.txt"))
    with pytest.raises(ToolFailedError, match=r"'b\.json' is not JSON"):
        await call_tool("analyze_data", path=str(tmp_path / "b.json"))
    with pytest.raises(ToolFailedError, match="Line 2"):
        await call_tool("analyze_data", path=str(tmp_path / "c.jsonl"))
    assert (await call_tool("analyze_data", path=str(tmp_path / "a.txt"), format="csv"))["rows"] == 1


async def test_a_database_is_not_read_as_a_table(call_tool: CallTool, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES ('confidential')")

    with pytest.raises(ToolFailedError, match=r"'a\.db' is binary"):
        await call_tool("analyze_data", path=str(tmp_path / "a.db"), format="csv")
