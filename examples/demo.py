"""The main job from end to end, as a host and its agent would do it. Run it with `make demo`.

A real MCP client starts `toolhone serve` over stdio, with the downstream servers of
`examples/downstream.mcp.json` and the tool files of `tool_registry/`, describes three tasks, runs what it
found in parallel, and looks at the record of it.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
TOOLHONE = Path(sys.executable).with_name("toolhone")

out = Console(highlight=False, width=min(Console().width, 118))


def structured(result: CallToolResult) -> dict[str, Any]:
    answer: Any = result.structured_content
    if result.is_error or answer is None:
        raise SystemExit(f"error: {result.content}")
    return answer


def shorten(value: object, length: int = 300) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[:length]}…"


def make_shop(file: Path) -> None:
    """A small SQLite file for the database tools: 1,200 orders."""
    with sqlite3.connect(file) as shop:
        shop.execute("create table orders (id integer primary key, customer text, city text, total real)")
        cities = ("Lisbon", "Nairobi", "Osaka", "Quito")
        shop.executemany(
            "insert into orders (customer, city, total) values (?, ?, ?)",
            [(f"customer {n % 97}", cities[n % 4], 5 + n * 37 % 400) for n in range(1_200)],
        )
    shop.close()


async def find(client: Client, task: str, **options: Any) -> list[dict[str, Any]]:
    answer = structured(await client.call_tool("find_tools", {"task": task, **options}))
    with anyio.move_on_after(60):
        # The first seconds of a new installation: words alone answer until every tool has its vector.
        while answer["method"] == "lexical" or any("embedded" in note for note in answer.get("notices", [])):
            out.print("The tools are still being embedded; asking again.", style="dim")
            answer = structured(await client.call_tool("find_tools", {"task": task, **options}))
    table = Table("tool", "score", "from", "what it does", box=None, pad_edge=False, title_justify="left")
    for tool in answer["tools"]:
        _, _, first_line = tool["signature"].partition("\n")
        first_line = first_line.strip().partition("\n")[0]
        table.add_row(tool["name"], f"{tool['score']:.2f}", tool["server"], shorten(first_line, 58))
    out.print(table)
    tokens = answer["tokens"]
    out.print(
        f"{answer['considered']} tools considered, {answer['method']}. "
        f"Tokens: {tokens['sent']:,} sent and {tokens['listing']:,} for toolhone's own tools, "
        f"{tokens['all_schemas']:,} for every schema: [green]{tokens['saved']:,} saved[/]",
        style="dim",
    )
    for notice in answer.get("notices", []):
        out.print(f"note: {notice}", style="yellow")
    return answer["tools"]


async def call(
    client: Client, calls: Sequence[dict[str, Any]], tool: str = "call_tools"
) -> list[dict[str, Any]]:
    out.print(f"\n[bold]{tool}[/] with {len(calls)} calls in one request:")
    for one in calls:
        out.print(f"  {one['id']}: {one['tool']} {shorten(one['arguments'], 120)}", markup=False)
    results = structured(await client.call_tool(tool, {"calls": list(calls)}))["results"]
    for result in results:
        mark = "[green]ok[/]" if result["success"] else "[red]failed[/]"
        out.print(f"  [bold]{result['id']}[/] {mark} {result['execution_time_ms']:.0f} ms")
        shown = result["result"] if result["success"] else result["error"]["message"]
        out.print(f"     {shorten(shown)}", markup=False, style="dim")
        if "handle" in result:
            out.print(f"     kept whole behind the handle {result['handle']}", style="cyan")
    return results


def named(tools: Sequence[dict[str, Any]], *names: str) -> str:
    """The first of these tools that was selected."""
    selected = {tool["name"] for tool in tools}
    for name in names:
        if name in selected:
            return name
    raise SystemExit(f"error: none of {names} was selected; selected: {sorted(selected)}")


async def show(client: Client, shop: Path) -> None:
    listing = await client.list_tools()
    out.print(f"The agent sees {len(listing.tools)} tools: {', '.join(tool.name for tool in listing.tools)}")

    clock_task = "convert a time of day from one time zone to another"
    log_task = "show the last commits of a git repository"
    query_task = "run a SQL query on the orders in an SQLite file"
    found: list[list[dict[str, Any]]] = []
    for number, task in enumerate((clock_task, log_task, query_task), 1):
        out.rule(f"Task {number}: {task}", align="left")
        found.append(await find(client, task))
        out.print()
    convert = named(found[0], "time__convert_time")
    query = named(found[2], "query_database")

    out.rule("One request, three sources; one call's result is another's argument", align="left")
    best = (
        "select customer, sum(total) as spent, '09:30' as call_at from orders "
        "group by customer order by spent desc limit 1"
    )
    call_at = {
        "source_timezone": "Europe/Lisbon",
        "time": {"$from": "best", "path": "/rows/0/call_at"},
        "target_timezone": "Asia/Tokyo",
    }
    calls: list[dict[str, Any]] = [
        {"id": "best", "tool": query, "arguments": {"database": str(shop), "query": best}},
        {"id": "call_at", "tool": convert, "arguments": call_at},
    ]
    if shutil.which("git") and (ROOT / ".git").exists():
        log = named(found[1], "git__git_log")
        calls.append({"id": "log", "tool": log, "arguments": {"repo_path": str(ROOT), "max_count": 3}})
    else:
        out.print("git or the repository is missing here, so its call is left out.", style="yellow")
    await call(client, calls)

    out.rule("A large result stays behind a handle", align="left")
    everything = {"database": str(shop), "query": "select * from orders", "max_rows": 1_200}
    (result,) = await call(client, [{"id": "all", "tool": query, "arguments": everything}], "call_read_tools")
    rows = {"handle": result["handle"], "path": "/rows", "offset": 1_000, "limit": 2}
    page = structured(await client.call_tool("read_result", rows))
    last = page["offset"] + page["count"]
    out.print(f"\n[bold]read_result[/] gives rows {page['offset']} to {last} of {page['total']}:")
    out.print(f"     {shorten(page['value'])}", markup=False, style="dim")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolhone-demo-") as folder:
        data, shop = Path(folder) / "data", Path(folder) / "shop.sqlite"
        make_shop(shop)
        places = ["--registry", "tool_registry", "--data", str(data)]
        servers = ["--config", "examples/downstream.mcp.json"]

        out.rule("The servers", align="left")
        out.print("$ toolhone servers --config examples/downstream.mcp.json\n", style="bold")
        await toolhone("servers", *servers, *places)

        host = StdioServerParameters(command=str(TOOLHONE), args=["serve", *servers, *places], cwd=ROOT)
        async with Client(host) as client:
            await show(client, shop)

        out.rule("What was recorded", align="left")
        out.print("$ toolhone audit list\n", style="bold")
        await toolhone("audit", "list", "--data", str(data))
        await toolhone("audit", "verify", "--data", str(data))


async def toolhone(*arguments: str) -> None:
    """Run a command of toolhone and show what it prints."""
    done = await anyio.run_process([str(TOOLHONE), *arguments], cwd=ROOT, stderr=None, check=False)
    out.print(done.stdout.decode().rstrip(), markup=False)
    if done.returncode:
        raise SystemExit(f"error: toolhone {arguments[0]} failed")


if __name__ == "__main__":
    anyio.run(main)
