"""A large result: read as a table, asked for in part, behind a handle when it is too large, told once."""

import json
import sys
import tempfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from toolhone.compression.tables import decode_result
from toolhone.tokens import count_json, count_tokens

TRACKER = '''
def list_issues(count: int) -> dict[str, object]:
    """Issues as a tracker's interface gives them, addresses and all."""
    issues = []
    for number in range(1, count + 1):
        url = f"https://tracker.example/api/projects/kiln/issues/{number}"
        login = ("anna", "tariq", "mei")[number % 3]
        issues.append(
            {
                "url": url,
                "comments_url": f"{url}/comments",
                "number": number,
                "title": f"Report {number * 37 % 101} is {'late' if number % 4 else 'lost'}",
                "user": {"login": login, "url": f"https://tracker.example/api/users/{login}", "admin": False},
                "milestone": None,
            }
        )
    return {"total": count, "issues": issues}
'''

TOOL = {
    "name": "list_issues",
    "description": "List the issues of the project.",
    "inputSchema": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
    "category": "general",
    "annotations": {"readOnlyHint": True},
    "handler": {"type": "python", "function": "tracker:list_issues"},
}


def text_of(answer: CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, TextContent))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        registry.mkdir()
        (registry / "tracker.py").write_text(TRACKER)
        (registry / "list_issues.json").write_text(json.dumps(TOOL))
        toolhone = StdioServerParameters(
            command=sys.executable,
            args=["-m", "toolhone", "serve", "--registry", str(registry), "--data", f"{folder}/data"],
        )
        async with Client(toolhone) as client:

            async def call(count: int, **part: object) -> tuple[str, dict[str, object]]:
                """The answer as a model reads it, and as a program does."""
                one = {"tool": "list_issues", "arguments": {"count": count}, **part}
                answer = await client.call_tool("call_read_tools", {"calls": [one]})
                assert answer.structured_content is not None
                return text_of(answer), answer.structured_content["results"][0]

            # The same value twice: JSON for programs, a table that says what repeats once for models.
            text, result = await call(20)
            _, table = text.split("\n", 1)
            print("\n".join(table.splitlines()[:6]))
            assert decode_result(table) == result["result"]
            print(f"20 issues: {count_json(result['result'])} tokens as JSON, {count_tokens(table)} as read")
            assert 2 * count_tokens(table) < count_json(result["result"])

            # The same call has the same answer: said, not repeated.
            text, result = await call(20)
            print(text)
            assert "Unchanged" in text and f"handle={result['handle']}" in text

            # Only a part, and what was left out is said.
            text, result = await call(500, fields=["number", "title"], grep="LOST", limit=3)
            print(text)
            assert "3 of 125 rows with 'LOST', 500 in all; fields number, title" in text

            # Too large to send: a few rows, and the whole behind a handle.
            text, result = await call(500)
            print(f"{text}\n{count_tokens(text)} tokens")
            assert "of 500 rows" in text and count_tokens(text) < 150

            read = {"handle": result["handle"], "path": "issues[*].title", "grep": "Report 100 "}
            found = await client.call_tool("read_result", read)
            print(text_of(found))
            assert found.structured_content is not None and found.structured_content["count"] == 5

            # Nothing is lost: the characters of the whole, page by page.
            pieces: list[str] = []
            offset: int | None = 0
            while offset is not None:
                read = {"handle": result["handle"], "path": "raw", "offset": offset}
                page = (await client.call_tool("read_result", read)).structured_content
                assert page is not None
                pieces.append(page["value"])
                offset = page.get("next_offset")
            issues = json.loads("".join(pieces))["issues"]
            print(f"{len(issues)} issues in {len(pieces)} pages")
            assert len(issues) == 500 and issues[499]["number"] == 500


if __name__ == "__main__":
    anyio.run(main)
