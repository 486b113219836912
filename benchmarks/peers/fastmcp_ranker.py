"""FastMCP's search transform: a server with `search_tools` in place of its tools, asked by a client."""

import re
from typing import Any

from exchange import Request, Search, answer
from fastmcp import Client, FastMCP
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.tools.base import Tool, ToolResult


class Listed(Tool):
    """A tool that is only looked for."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(content=[])


async def prepare(request: Request) -> Search:
    server = FastMCP("catalog")
    names: dict[str, str] = {}
    for tool in request.tools:
        # MCP allows fewer characters in a name than the sets use; the separator splits the same words.
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", tool["name"])
        while name in names:
            name += "_"
        names[name] = tool["name"]
        server.add_tool(Listed(name=name, description=tool["description"], parameters=tool["inputSchema"]))
    server.add_transform(BM25SearchTransform(max_results=request.k))
    client = Client(server)
    await client.__aenter__()  # until the process ends

    async def search(query: str) -> list[str]:
        result = await client.call_tool("search_tools", {"query": query})
        found = (result.structured_content or {}).get("result", [])
        return [names[tool["name"]] for tool in found]

    return search


answer(prepare)
