"""What every shipped tool has in common, and the small ones."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json, JsonObject
from toolhone.registry.files import FileToolset, check_folder

CallTool: TypeAlias = Callable[..., Awaitable[Json]]


def test_the_folder_has_no_problems(toolset: FileToolset) -> None:
    assert check_folder(toolset.folder, {}) == []
    assert toolset.problems == ()


def test_every_tool_says_what_it_does_and_what_it_gives(toolset: FileToolset) -> None:
    for definition in toolset.tools():
        assert 50 <= len(definition.description) <= 500, definition.name
        assert definition.output_schema is not None, definition.name
        assert definition.read_only, definition.name
        assert definition.annotations.open_world is not None, definition.name
        assert definition.annotations.title, definition.name
        for name, schema in definition.input_schema["properties"].items():
            assert schema.get("description") or "default" in schema, (definition.name, name)
        document: JsonObject = json.loads((toolset.folder / f"{definition.name}.json").read_text())
        assert (toolset.folder / document["$schema"]).is_file(), definition.name


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1 + 2 * 3", 7),
        ("2^10", 1024),
        ("-(3 - 5) ** 2", -4),
        ("7 // 2 + 7 % 2", 4),
        ("sqrt(16) + max(1, 2, 3) + round(pi, 2)", 10.14),
        ("0.1 + 0.2", 0.30000000000000004),
        ("12345678901234567890 * 98765432109876543210", 12345678901234567890 * 98765432109876543210),
    ],
)
async def test_calculate(call_tool: CallTool, expression: str, result: float) -> None:
    assert (await call_tool("calculate", expression=expression))["result"] == result


@pytest.mark.parametrize(
    "expression",
    [
        *("1 / 0", "9 ** 9 ** 9", "(2 ** 10000) * (2 ** 10000) * 2", "2 ** -9999 ** 99", "(-8) ** 0.5"),
        *(
            "__import__('os')",
            "'a' * 3",
            "[1]",
            "x",
            "abs.__class__",
            "True + 1",
            "min(*[1])",
            "1 +",
            "1e999",
        ),
        *("log(0)", "sqrt('a')", "(" * 400 + "1" + ")" * 400, "max()", "exp(1000)"),
    ],
)
async def test_calculate_refuses_what_is_not_arithmetic_or_has_no_value(
    call_tool: CallTool, expression: str
) -> None:
    with pytest.raises(ToolFailedError, match="CalculationError"):
        await call_tool("calculate", expression=expression)


async def test_hash_file(call_tool: CallTool, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"content")
    right = hashlib.sha256(b"content").hexdigest()

    result = await call_tool("hash_file", path=str(file), expected=right.upper() + "\n")
    other = await call_tool("hash_file", path=str(file), algorithm="md5", expected=right)

    assert result == {
        "path": str(file.resolve()),
        "algorithm": "sha256",
        "hash": right,
        "bytes": 7,
        "matches": True,
    }
    assert other["hash"] == hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    assert other["matches"] is False
    with pytest.raises(ToolFailedError, match="no regular file"):
        await call_tool("hash_file", path=str(tmp_path))
